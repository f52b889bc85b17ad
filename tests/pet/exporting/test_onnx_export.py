"""Networks as ONNX files that are compared with PyTorch before they are kept."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pet.exporting import OnnxModel, export_onnx
from pet.exporting.rewriting import InputNormalization
from petlib.errors import CheckpointError, ConfigError, OutputError


class Resizing(nn.Module):
    """Pads to a multiple of 8, looks at a quarter of the size, and resizes back."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.down = nn.Conv2d(channels, 4, 3, stride=4, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)

    def forward(self, images: Tensor, images2: Tensor | None = None) -> list[Tensor]:
        height, width = images.shape[-2:]
        images = images if images2 is None else torch.cat([images, images2], dim=1)
        padded = functional.pad(images, (0, -width % 8, 0, -height % 8), mode="replicate")
        maps = self.drop(self.norm(self.down(padded)).relu())
        return [functional.interpolate(maps, size=padded.shape[-2:], mode="bilinear")[..., :height, :width]]


class Noisy(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images + torch.rand_like(images)


class Pyramid(nn.Module):
    """Pools to cells of its module, or by the function, which is not replaced."""

    def __init__(self, *, by_module: bool) -> None:
        super().__init__()
        self.pools = nn.ModuleList([nn.AdaptiveAvgPool2d(size) for size in (1, 2, 3, (6, 5))])
        self.by_module = by_module

    def forward(self, images: Tensor) -> Tensor:
        pools = self.pools if self.by_module else [lambda x: functional.adaptive_avg_pool2d(x, 6)]
        return sum((functional.interpolate(pool(images), images.shape[-2:], mode="bilinear") for pool in pools), torch.zeros(()))


class NotANumber(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return torch.log(images - 2)


class Branching(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images if float(images.sum()) > 3 else -images


@pytest.fixture
def example() -> Tensor:
    return torch.rand(1, 3, 32, 40, generator=torch.Generator().manual_seed(1))


def test_fixed_shapes(tmp_path: Path, example: Tensor, capfd: pytest.CaptureFixture[str]) -> None:
    model = Resizing().train()
    report = export_onnx(
        model, {"images": example}, tmp_path / "a" / "net.onnx", output_names=["logits"], dynamic=False, metadata={"classes": '["a"]'}
    )
    assert model.training
    assert model.drop.training
    assert report.inputs == {"images": (1, 3, 32, 40)}
    assert report.largest_difference < 1e-4
    assert report.checked == [(1, 3, 32, 40)] * 3
    assert report.size == report.path.stat().st_size > 0
    assert [path.name for path in report.path.parent.iterdir()] == ["net.onnx"]
    loaded = OnnxModel(report.path)
    assert loaded.metadata == {"classes": '["a"]'}
    assert loaded.outputs == ["logits"]
    found = loaded({"images": example.numpy()})
    expected = model.eval()(example)[0].detach().numpy()
    np.testing.assert_allclose(found[0], expected, atol=1e-5)
    with pytest.raises(ConfigError, match=r"input images: float32 \(1, 3, 16, 16\) given, float32 \(1, 3, 32, 40\) expected"):
        loaded({"images": np.zeros((1, 3, 16, 16), np.float32)})
    with pytest.raises(ConfigError, match=r"inputs \['image'\] given, \['images'\] expected"):
        loaded({"image": example.numpy()})
    assert capfd.readouterr() == ("", ""), "the exporter's words stay off the console"


def test_free_shapes(tmp_path: Path, example: Tensor) -> None:
    torch.manual_seed(0)
    model = Resizing(channels=6).eval()
    inputs = {"first": example, "second": 1 - example}
    report = export_onnx(model, inputs, tmp_path / "net.onnx", output_names=["logits"], dynamic=True)
    assert report.inputs == dict.fromkeys(("first", "second"), ("batch", 3, "height", "width"))
    assert [shape[0] for shape in report.checked] == [1, 1, 3, 2]
    assert len({shape[2:] for shape in report.checked}) == 3
    loaded = OnnxModel(report.path)
    for shape in ((1, 3, 9, 70), (5, 3, 64, 33)):
        first, second = torch.rand(shape), torch.rand(shape)
        found = loaded({"first": first.numpy(), "second": second.numpy()})[0]
        np.testing.assert_allclose(found, model(first, second)[0].detach().numpy(), atol=1e-5)


def test_adaptive_pooling_follows_the_size(tmp_path: Path, example: Tensor) -> None:
    model = Pyramid(by_module=True)
    report = export_onnx(model, {"images": example}, tmp_path / "net.onnx", output_names=["maps"], dynamic=True)
    assert isinstance(model.pools[3], nn.AdaptiveAvgPool2d), "the network itself stays as it is"
    images = torch.rand(1, 3, 31, 4)
    np.testing.assert_allclose(OnnxModel(report.path)({"images": images.numpy()})[0], model(images).numpy(), atol=1e-5)


def test_what_does_not_follow_the_size_is_not_kept(tmp_path: Path, example: Tensor) -> None:
    with pytest.raises(ConfigError, match=r"net\.onnx: onnxruntime |cannot be exported"):
        export_onnx(Pyramid(by_module=False), {"images": example}, tmp_path / "net.onnx", output_names=["maps"], dynamic=True)
    assert not list(tmp_path.iterdir())


class Huge(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return (images * 1e8).softmax(dim=1).cumsum(dim=2) * 1e7


def test_large_values_are_compared_by_their_share(tmp_path: Path, example: Tensor) -> None:
    report = export_onnx(Huge(), {"images": example}, tmp_path / "net.onnx", output_names=["maps"], dynamic=False)
    assert report.largest_difference < 1e-5


def test_normalisation_in_the_graph(tmp_path: Path) -> None:
    mean, std = (0.5, 0.25, 0.0), (0.5, 0.1, 1.0)
    model = InputNormalization(nn.Identity(), mean=mean, std=std)
    pixels = torch.randint(0, 256, (1, 3, 8, 8), dtype=torch.uint8)
    report = export_onnx(model, {"images": pixels}, tmp_path / "net.onnx", output_names=["normalised"], dynamic=True)
    found = OnnxModel(report.path)({"images": np.full((2, 3, 4, 5), 51, np.uint8)})[0]
    for channel, value in enumerate([(0.2 - 0.5) / 0.5, (0.2 - 0.25) / 0.1, 0.2]):
        np.testing.assert_allclose(found[:, channel], value, atol=1e-6)
    pair = InputNormalization(Resizing(channels=6).eval(), mean=mean, std=std)
    assert pair(pixels, pixels.float())[0].shape == (1, 4, 8, 8)


@pytest.mark.parametrize(("model", "difference"), [(Noisy(), r"0\.\d+"), (Resizing(), "")])
def test_results_that_differ_leave_the_file_before_as_it_was(tmp_path: Path, example: Tensor, model: nn.Module, difference: str) -> None:
    (tmp_path / "net.onnx").write_text("an older one")
    tolerance = 1e-4 if difference else -1.0
    with pytest.raises(ConfigError, match=f"onnxruntime and PyTorch differ by {difference}.*nothing was written"):
        export_onnx(model, {"images": example}, tmp_path / "net.onnx", output_names=["logits"], dynamic=False, tolerance=tolerance)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["an older one"]


def test_values_that_are_no_numbers_are_equal_where_both_have_them(tmp_path: Path, example: Tensor) -> None:
    report = export_onnx(NotANumber(), {"images": example}, tmp_path / "net.onnx", output_names=["logits"], dynamic=False)
    assert report.largest_difference == 0


def test_what_cannot_be_exported(tmp_path: Path, example: Tensor) -> None:
    with pytest.raises(ConfigError, match="Branching cannot be exported to ONNX: "):
        export_onnx(Branching(), {"images": example}, tmp_path / "net.onnx", output_names=["logits"], dynamic=False)
    with pytest.raises(ConfigError, match=r"2 names of outputs \(a, b\) given, the network has 1 outputs"):
        export_onnx(Resizing(), {"images": example}, tmp_path / "net.onnx", output_names=["a", "b"], dynamic=False)
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file: a file, but a folder for the results expected"):
        export_onnx(Resizing(), {"images": example}, tmp_path / "file" / "net.onnx", output_names=["logits"], dynamic=False)


def test_files_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match=r"gone\.onnx: there is no such ONNX file; export one first"):
        OnnxModel(tmp_path / "gone.onnx")
    (tmp_path / "damaged.onnx").write_bytes(b"no graph")
    with pytest.raises(CheckpointError, match=r"damaged\.onnx: not an ONNX file that can be used: .*; export it again"):
        OnnxModel(tmp_path / "damaged.onnx")
    with pytest.raises(ConfigError, match="onnxruntime has no Abacus here; it has "):
        (tmp_path / "a.onnx").write_bytes(b"")
        OnnxModel(tmp_path / "a.onnx", providers=["Abacus"])
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"needs the package onnxruntime, which is not installed; .*pip install 'pet-vision\[export\]'"):
        OnnxModel(tmp_path / "damaged.onnx")
