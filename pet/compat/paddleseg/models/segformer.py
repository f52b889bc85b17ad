"""SegFormer (https://arxiv.org/abs/2105.15203) in its six sizes."""

from pathlib import Path
from typing import Protocol

from pet.compat.paddleseg.models.networks import make_network
from pet.models.segmentation.network import SegmentationNetwork


class SegFormer(Protocol):
    """Makes a SegFormer of one size."""

    def __call__(self, num_classes: int, pretrained: str | Path | None = None, in_channels: int = 3) -> SegmentationNetwork:
        """Return the network; see :func:`pet.compat.paddleseg.models.networks.make_network`."""
        ...


def _of_size(name: str) -> SegFormer:
    def build(num_classes: int, pretrained: str | Path | None = None, in_channels: int = 3) -> SegmentationNetwork:
        return make_network(name, num_classes=num_classes, in_channels=in_channels, pretrained=pretrained)

    return build


SegFormer_B0 = _of_size("segformer_b0")
SegFormer_B1 = _of_size("segformer_b1")
SegFormer_B2 = _of_size("segformer_b2")
SegFormer_B3 = _of_size("segformer_b3")
SegFormer_B4 = _of_size("segformer_b4")
SegFormer_B5 = _of_size("segformer_b5")
