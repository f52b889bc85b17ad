"""Networks of Pet by PaddleSeg's names."""

from pathlib import Path

from pet.compat.paddleseg.models.weights import load_pretrained
from pet.models.segmentation.network import SegmentationNetwork
from pet.models.segmentation.networks import build_network


def make_network(name: str, *, num_classes: int, in_channels: int, pretrained: str | Path | None) -> SegmentationNetwork:
    """Return a network of :data:`pet.models.segmentation.networks.NETWORKS`.

    Args:
        name: its name there.
        num_classes: number of classes with the background.
        in_channels: channels of the images.
        pretrained: see :func:`pet.compat.paddleseg.models.weights.load_pretrained`.

    Raises:
        CheckpointError: the weights cannot be used.
    """
    network = build_network(name, channels=num_classes, in_channels=in_channels, where="model")
    load_pretrained(network, pretrained)
    return network


def UNet(  # noqa: N802 -- PaddleSeg's name
    num_classes: int, in_channels: int = 3, pretrained: str | Path | None = None
) -> SegmentationNetwork:
    """Return a U-Net on ResNet-18; see :func:`make_network`."""
    return make_network("unet", num_classes=num_classes, in_channels=in_channels, pretrained=pretrained)


def BiSeNetV2(  # noqa: N802 -- PaddleSeg's name
    num_classes: int, in_channels: int = 3, pretrained: str | Path | None = None
) -> SegmentationNetwork:
    """Return BiSeNetV2, which has several outputs in training and needs a loss for each; see :func:`make_network`."""
    return make_network("bisenetv2", num_classes=num_classes, in_channels=in_channels, pretrained=pretrained)
