"""Layers for images of any size."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from timm import layers
from timm.layers.pool2d_same import MaxPool2dSame
from torch import nn

from pet.exporting import OnnxModel, export_onnx
from pet.exporting.any_size import MixedConvolution, SamePadding, with_free_sizes

LAYERS = {
    "convolution": lambda: layers.Conv2dSame(3, 4, 5, stride=2, bias=False),
    "dilated": lambda: layers.Conv2dSame(3, 4, (3, 5), stride=(1, 2), dilation=2),
    "larger stride than kernel": lambda: layers.Conv2dSame(3, 4, 3, stride=4),
    "standardised": lambda: layers.StdConv2dSame(3, 4, 3, stride=2),
    "scaled": lambda: layers.ScaledStdConv2dSame(3, 4, 3, stride=2),
    "average": lambda: layers.AvgPool2dSame(3, 2),
    "greatest": lambda: MaxPool2dSame(3, 2),
}


@pytest.mark.parametrize("name", LAYERS)
def test_padding_like_tensorflow_is_the_same_for_every_size(name: str) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(LAYERS[name]()).eval()
    changed = with_free_sizes(network)
    assert any(isinstance(module, SamePadding) for module in changed.modules())
    for height, width in ((16, 16), (17, 16), (18, 21), (19, 23), (5, 20)):
        images = torch.randn(1, 3, height, width)
        with torch.inference_mode():
            torch.testing.assert_close(changed(images), network(images), atol=1e-6, rtol=1e-6)


def test_a_network_that_pads_like_tensorflow_takes_images_of_any_size(tmp_path: Path) -> None:
    # without the other padding torch.export does not come to an end after four strides
    torch.manual_seed(0)
    network = timm.create_model("tf_mobilenetv3_small_minimal_100", num_classes=5).eval()
    report = export_onnx(network, {"images": torch.rand(1, 3, 64, 64)}, tmp_path / "n.onnx", output_names=["logits"], dynamic=True)
    assert report.inputs == {"images": ("batch", 3, "height", "width")}
    images = torch.rand(2, 3, 77, 52)
    with torch.inference_mode():
        np.testing.assert_allclose(OnnxModel(report.path)({"images": images.numpy()})[0], network(images).numpy(), atol=1e-4)


class Routed(nn.Module):
    """Conditional convolutions one after another, as timm's networks route them, the mean of the last one as logits."""

    def __init__(self, *padding: str) -> None:
        super().__init__()
        self.routing = nn.Linear(3, 4)
        options = {"num_experts": 4, "bias": True}
        self.layers = nn.ModuleList(
            layer
            for kind in padding
            for layer in (
                layers.CondConv2d(3, 6, 3, stride=2, padding=kind, **options),
                layers.CondConv2d(6, 6, 5, stride=2, padding=kind, groups=6, **options),
                layers.CondConv2d(6, 3, 1, padding=kind, groups=3, **options),
            )
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        weights = torch.sigmoid(self.routing(images.mean((2, 3))))
        for layer in self.layers:
            images = layer(images, weights)
        return images.mean((2, 3))


@pytest.mark.parametrize("padding", ["", "same"])
def test_conditional_convolutions_are_sums_of_convolutions(padding: str) -> None:
    torch.manual_seed(0)
    network = Routed(padding).eval()
    changed = with_free_sizes(network)
    assert sum(isinstance(module, MixedConvolution) for module in changed.modules()) == 3
    for size in ((4, 3, 32, 32), (1, 3, 33, 21), (2, 3, 18, 40)):
        images = torch.randn(size)
        with torch.inference_mode():
            torch.testing.assert_close(changed(images), network(images), atol=1e-6, rtol=1e-5)


def test_conditional_convolutions_take_batches_and_images_of_any_size(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Routed("", "same").eval()
    report = export_onnx(network, {"images": torch.rand(1, 3, 64, 64)}, tmp_path / "n.onnx", output_names=["logits"], dynamic=True)
    assert report.inputs == {"images": ("batch", 3, "height", "width")}
    images = torch.rand(5, 3, 77, 52)
    with torch.inference_mode():
        np.testing.assert_allclose(OnnxModel(report.path)({"images": images.numpy()})[0], network(images).numpy(), atol=1e-5)
