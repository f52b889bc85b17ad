"""SegFormer (https://arxiv.org/abs/2105.15203) in its six sizes."""

from pathlib import Path

from pet.compat.paddleseg.models.networks import make_network
from pet.models.segmentation.network import SegmentationNetwork


def SegFormer_B0(  # noqa: N802 -- PaddleSeg's name
    num_classes: int, pretrained: str | Path | None = None, in_channels: int = 3
) -> SegmentationNetwork:
    """Return SegFormer-B0; see :func:`pet.compat.paddleseg.models.networks.make_network`."""
    return make_network("segformer_b0", num_classes=num_classes, in_channels=in_channels, pretrained=pretrained)


def SegFormer_B1(  # noqa: N802 -- PaddleSeg's name
    num_classes: int, pretrained: str | Path | None = None, in_channels: int = 3
) -> SegmentationNetwork:
    """Return SegFormer-B1; see :func:`pet.compat.paddleseg.models.networks.make_network`."""
    return make_network("segformer_b1", num_classes=num_classes, in_channels=in_channels, pretrained=pretrained)


def SegFormer_B2(  # noqa: N802 -- PaddleSeg's name
    num_classes: int, pretrained: str | Path | None = None, in_channels: int = 3
) -> SegmentationNetwork:
    """Return SegFormer-B2; see :func:`pet.compat.paddleseg.models.networks.make_network`."""
    return make_network("segformer_b2", num_classes=num_classes, in_channels=in_channels, pretrained=pretrained)


def SegFormer_B3(  # noqa: N802 -- PaddleSeg's name
    num_classes: int, pretrained: str | Path | None = None, in_channels: int = 3
) -> SegmentationNetwork:
    """Return SegFormer-B3; see :func:`pet.compat.paddleseg.models.networks.make_network`."""
    return make_network("segformer_b3", num_classes=num_classes, in_channels=in_channels, pretrained=pretrained)


def SegFormer_B4(  # noqa: N802 -- PaddleSeg's name
    num_classes: int, pretrained: str | Path | None = None, in_channels: int = 3
) -> SegmentationNetwork:
    """Return SegFormer-B4; see :func:`pet.compat.paddleseg.models.networks.make_network`."""
    return make_network("segformer_b4", num_classes=num_classes, in_channels=in_channels, pretrained=pretrained)


def SegFormer_B5(  # noqa: N802 -- PaddleSeg's name
    num_classes: int, pretrained: str | Path | None = None, in_channels: int = 3
) -> SegmentationNetwork:
    """Return SegFormer-B5; see :func:`pet.compat.paddleseg.models.networks.make_network`."""
    return make_network("segformer_b5", num_classes=num_classes, in_channels=in_channels, pretrained=pretrained)
