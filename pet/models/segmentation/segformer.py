"""SegFormer, the network of segmentation-models-pytorch."""

from typing import Any, cast

from torch import Tensor, nn

from pet.models.segmentation.network import SegmentationNetwork

SMALL_WIDTH, LARGE_WIDTH = 256, 768
"""Channels of the decoder of B0 and B1, and of B2 to B5."""
STRIDE = 32


class SegFormer(SegmentationNetwork):
    """SegFormer (https://arxiv.org/abs/2105.15203). The names of its weights are those of segmentation-models-pytorch's.

    Args:
        encoder: gives the images and five maps of strides 2 to 32 as a list, the first of which has no channels.
        decoder: makes one map of these.
        segmentation_head: makes logits of the map.
    """

    def __init__(self, *, encoder: nn.Module, decoder: nn.Module, segmentation_head: nn.Module) -> None:
        super().__init__(stride=STRIDE)
        self.encoder = encoder
        self.decoder = decoder
        self.segmentation_head = segmentation_head

    def predict(self, images: Tensor, images2: Tensor | None = None) -> list[Tensor]:
        """Return one map of logits of stride 4."""
        return [self.segmentation_head(self.decoder(self.encoder(images)))]


def build_segformer_b0(*, channels: int, in_channels: int, decoder_segmentation_channels: int = SMALL_WIDTH) -> SegFormer:
    """Return SegFormer-B0.

    Args:
        channels: maps of logits.
        in_channels: channels of the images.
        decoder_segmentation_channels: width of the decoder.
    """
    return _build("mit_b0", channels, in_channels, decoder_segmentation_channels)


def build_segformer_b1(*, channels: int, in_channels: int, decoder_segmentation_channels: int = SMALL_WIDTH) -> SegFormer:
    """Return SegFormer-B1; see :func:`build_segformer_b0`."""
    return _build("mit_b1", channels, in_channels, decoder_segmentation_channels)


def build_segformer_b2(*, channels: int, in_channels: int, decoder_segmentation_channels: int = LARGE_WIDTH) -> SegFormer:
    """Return SegFormer-B2; see :func:`build_segformer_b0`."""
    return _build("mit_b2", channels, in_channels, decoder_segmentation_channels)


def build_segformer_b3(*, channels: int, in_channels: int, decoder_segmentation_channels: int = LARGE_WIDTH) -> SegFormer:
    """Return SegFormer-B3; see :func:`build_segformer_b0`."""
    return _build("mit_b3", channels, in_channels, decoder_segmentation_channels)


def build_segformer_b4(*, channels: int, in_channels: int, decoder_segmentation_channels: int = LARGE_WIDTH) -> SegFormer:
    """Return SegFormer-B4; see :func:`build_segformer_b0`."""
    return _build("mit_b4", channels, in_channels, decoder_segmentation_channels)


def build_segformer_b5(*, channels: int, in_channels: int, decoder_segmentation_channels: int = LARGE_WIDTH) -> SegFormer:
    """Return SegFormer-B5; see :func:`build_segformer_b0`."""
    return _build("mit_b5", channels, in_channels, decoder_segmentation_channels)


def _build(encoder: str, channels: int, in_channels: int, width: int) -> SegFormer:
    import segmentation_models_pytorch  # slow to import, and only needed here

    # its own upsampling aligns corners, which shifts every map by a part of a pixel
    whole = cast("Any", segmentation_models_pytorch).Segformer(
        encoder,
        encoder_weights=None,
        decoder_segmentation_channels=width,
        in_channels=in_channels,
        classes=channels,
        upsampling=1,
    )
    return SegFormer(encoder=whole.encoder, decoder=whole.decoder, segmentation_head=whole.segmentation_head)
