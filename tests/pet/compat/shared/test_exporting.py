"""A network of a user becomes a checked file."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pet.compat.shared.exporting import export_user_network
from pet.exporting.network import ExportSettings
from pet.exporting.runtime import OnnxModel
from petlib.errors import ConfigError


class Halves(nn.Module):
    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        return image * 0.5, image.mean((1, 2, 3))


def export(path: Path, *, names: list[str], shape: tuple[int, ...] = (1, 3, 4, 5)) -> list[str]:
    examples = {"image": torch.rand(shape, generator=torch.Generator().manual_seed(0))}
    options = {"output_names": names, "settings": ExportSettings(), "place": "x.py:3: export", "advice": "set the shape"}
    return export_user_network(Halves().eval(), examples, path, **options).outputs


def test_outputs_without_names_are_numbered(tmp_path: Path) -> None:
    assert export(tmp_path / "net.onnx", names=[]) == ["output0", "output1"]
    image = torch.rand(1, 3, 4, 5).numpy()
    halved, mean = OnnxModel(tmp_path / "net.onnx")({"image": image})
    assert halved == pytest.approx(image * 0.5)
    assert mean == pytest.approx(image.mean((1, 2, 3)))


def test_names_and_inputs_that_do_not_fit_are_reported_and_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"x.py:3: export: the names \['a'\] .* gives 2 tensors, each with its own name"):
        export(tmp_path / "net.onnx", names=["a"])
    with pytest.raises(ConfigError, match=r"x.py:3: export: the network cannot compute with the inputs .*; set the shape"):
        export(tmp_path / "net.onnx", names=[], shape=(3, 4))
    assert not list(tmp_path.iterdir())
