"""ONNX files of a config, checked against PyTorch."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pet.compat.antgo.framework.helper.exporter import Exporter
from pet.compat.antgo.framework.helper.models.builder import MODELS
from pet.compat.antgo.framework.helper.runner import BaseModule
from pet.compat.antgo.network import build_network
from pet.exporting.runtime import OnnxModel
from petlib.config.nested import Component
from petlib.errors import CheckpointError, ConfigError
from tests.pet.compat.antgo.document import SIZE, tiny_config


@MODELS.register_module()
class NoExport(BaseModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = dict(tiny_config()["model"])
    network = build_network(Component(model.pop("type"), model, "model")).network
    path = tmp_path_factory.mktemp("weights") / "weights.pth"
    torch.save(network.state_dict(), path)
    return path


def load(checkpoint: Path) -> Any:
    model = dict(tiny_config()["model"])
    network = build_network(Component(model.pop("type"), model, "model")).network
    network.load_state_dict(torch.load(checkpoint, weights_only=True))
    return network.eval()


def test_the_file_has_the_declared_names_and_gives_what_the_network_gives(checkpoint: Path, tmp_path: Path) -> None:
    report = Exporter(tiny_config(), tmp_path).export(checkpoint, dynamic=True)
    assert report.path == tmp_path / "model.onnx"
    assert report.largest_difference < 1e-5
    model = OnnxModel(report.path)
    assert list(model.inputs) == ["image"]
    assert model.outputs == ["logits"]
    for shape in ((1, 3, SIZE, SIZE), (2, 3, 40, 36)):
        image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        with torch.inference_mode():
            expected = load(checkpoint).onnx_export(torch.from_numpy(image))
        assert model({"image": image})[0] == pytest.approx(expected.numpy(), abs=1e-5)


@pytest.mark.parametrize(
    ("export", "message"),
    [
        (
            {"input_shape_list": [[1, 4, 8, 8]], "input_name_list": ["image"]},
            r"cannot compute with the inputs \{'image': \[1, 4, 8, 8\]\}.*4 channels",
        ),
        ({"input_shape_list": [[1, 3, 8, 8]], "input_name_list": ["image", "mask"]}, "1 shapes and the names .* given"),
        (
            {"input_shape_list": [[1, 3, 8, 8]] * 2, "input_name_list": ["image", "mask"]},
            "2 inputs given, but EncoderDecoder.onnx_export takes image",
        ),
        ({"input_shape_list": [[-1, 3, 8, 8]], "input_name_list": ["image"]}, "lengths from 1 on expected"),
        (
            {"input_shape_list": [[1, 3, 8, 8]], "input_name_list": ["image"], "output_name_list": ["a", "b"]},
            r"the names \['a', 'b'\] .* the network gives 1 tensors",
        ),
        ({"input_shape_list": [[1, 3]] * 5, "input_name_list": list("abcde")}, "5 inputs given, at most 4"),
        ({}, "export: missing"),
    ],
)
def test_what_does_not_fit_leaves_no_file(checkpoint: Path, tmp_path: Path, export: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Exporter(tiny_config(export=export), tmp_path).export(checkpoint)
    assert not list(tmp_path.rglob("*.onnx*"))


def test_weights_are_those_of_exactly_this_network(checkpoint: Path, tmp_path: Path) -> None:
    model = tiny_config()["model"]
    wider = {**model, "decode_head": {**model["decode_head"], "out_channels": 3}}
    with pytest.raises(CheckpointError, match="another architecture"):
        Exporter(tiny_config(model=wider), tmp_path).export(checkpoint)
    with pytest.raises(CheckpointError, match="there is no such file"):
        Exporter(tiny_config(), tmp_path).export(tmp_path / "none.pth")


def test_a_network_without_an_export(tmp_path: Path) -> None:
    torch.save(NoExport().state_dict(), tmp_path / "weights.pth")
    with pytest.raises(ConfigError, match=r"NoExport has no onnx_export\(image\)"):
        Exporter(tiny_config(model={"type": "NoExport"}), tmp_path).export(tmp_path / "weights.pth")


def test_the_arguments_of_antgos_own_scripts(checkpoint: Path, tmp_path: Path) -> None:
    report = Exporter(tiny_config(export={}), tmp_path).export(
        input_tensor_list=[torch.zeros(1, 3, 24, 16)],
        input_name_list=["picture"],
        output_name_list=["scores"],
        checkpoint=checkpoint,
        prefix="task-model",
    )
    assert report.path == tmp_path / "task-model.onnx"
    model = OnnxModel(report.path)
    assert model.inputs == {"picture": (1, 3, 24, 16)}
    assert model.outputs == ["scores"]
    with pytest.raises(CheckpointError, match="there is no model_best.pth"):
        Exporter(tiny_config(), tmp_path).export(checkpoint="")
