"""Networks of an encoder with a decoder: U-Net, DeepLabV3+, UPerNet and HRNetV2's FCN."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from pet.models.segmentation.decoders import Decoder
from pet.models.segmentation.encoders import build_encoder, build_own_decoder, feature_info, full_name
from pet.models.segmentation.network import SegmentationNetwork, classifier


class EncoderDecoder(SegmentationNetwork):
    """A backbone, a decoder of its stages and a classifier of each pixel.

    Args:
        backbone: a :class:`~pet.models.feature_extractor.FeatureExtractor`.
        decoder: stages to one map.
        channels: maps of logits.
        encoder_name: the library's name of the backbone.
    """

    def __init__(self, *, backbone: nn.Module, decoder: Decoder, channels: int, encoder_name: str) -> None:
        super().__init__(stride=max(feature_info(backbone).stage_strides), encoder_name=encoder_name)
        self.backbone = backbone
        self.decoder = decoder
        self.classifier = classifier(decoder.out_channels, channels, decoder.kernel)

    def predict(self, images: Tensor, images2: Tensor | None = None) -> list[Tensor]:
        """Return one map of logits of the decoder's size."""
        return [self.classifier(self.decoder(images, self.backbone(images)))]


def build_unet(
    *,
    channels: int,
    in_channels: int,
    encoder: str = "timm/resnet18",
    encoder_args: Mapping[str, Any] | None = None,
    decoder_args: Mapping[str, Any] | None = None,
) -> EncoderDecoder:
    """Return a U-Net (https://arxiv.org/abs/1505.04597) with the decoder of segmentation-models-pytorch.

    Args:
        channels: maps of logits.
        in_channels: channels of the images.
        encoder: see :func:`~pet.models.segmentation.encoders.build_encoder`.
        encoder_args: further arguments of the encoder by its own names.
        decoder_args: further arguments of the decoder by its own names.
    """
    return _build("unet", channels=channels, in_channels=in_channels, encoder=encoder, encoder_args=encoder_args, decoder_args=decoder_args)


def build_upernet(
    *,
    channels: int,
    in_channels: int,
    encoder: str = "timm/resnet50",
    encoder_args: Mapping[str, Any] | None = None,
    decoder_args: Mapping[str, Any] | None = None,
) -> EncoderDecoder:
    """Return a UPerNet (https://arxiv.org/abs/1807.10221) with the decoder of segmentation-models-pytorch; see :func:`build_unet`."""
    return _build(
        "upernet", channels=channels, in_channels=in_channels, encoder=encoder, encoder_args=encoder_args, decoder_args=decoder_args
    )


def build_deeplabv3plus(
    *,
    channels: int,
    in_channels: int,
    encoder: str = "timm/resnet50",
    encoder_args: Mapping[str, Any] | None = None,
    decoder_args: Mapping[str, Any] | None = None,
) -> EncoderDecoder:
    """Return DeepLabV3+ (https://arxiv.org/abs/1802.02611) with the decoder of segmentation-models-pytorch; see :func:`build_unet`.

    The encoder ends at a stride of 16, where ``encoder_args`` say nothing else: ``output_stride`` of timm's networks.
    """
    is_timm = full_name(encoder).startswith("timm/")
    stride = {"output_stride": 16} if is_timm else {"replace_stride_with_dilation": [False, False, True]}
    return _build(
        "deeplabv3plus",
        channels=channels,
        in_channels=in_channels,
        encoder=encoder,
        encoder_args={**stride, **(encoder_args or {})},
        decoder_args=decoder_args,
    )


def build_fcn_hrnet_w18_small(*, channels: int, in_channels: int, decoder_args: Mapping[str, Any] | None = None) -> EncoderDecoder:
    """Return HRNetV2-W18-Small-v2 (https://arxiv.org/abs/1904.04514) with its head, 3.9 M parameters for 19 classes.

    The figure is that of https://github.com/HRNet/HRNet-Semantic-Segmentation. Stages of 2 blocks (the third of 3 modules, the
    fourth of 2) are what MMSegmentation calls ``hr18s`` and timm ``hrnet_w18_small_v2``.
    """
    return _build("fcn", channels=channels, in_channels=in_channels, encoder="timm/hrnet_w18_small_v2", decoder_args=decoder_args)


def build_fcn_hrnet_w18(*, channels: int, in_channels: int, decoder_args: Mapping[str, Any] | None = None) -> EncoderDecoder:
    """Return HRNetV2-W18 (https://arxiv.org/abs/1904.04514) with its head."""
    return _build("fcn", channels=channels, in_channels=in_channels, encoder="timm/hrnet_w18", decoder_args=decoder_args)


def build_fcn_hrnet_w48(*, channels: int, in_channels: int, decoder_args: Mapping[str, Any] | None = None) -> EncoderDecoder:
    """Return HRNetV2-W48 (https://arxiv.org/abs/1904.04514) with its head."""
    return _build("fcn", channels=channels, in_channels=in_channels, encoder="timm/hrnet_w48", decoder_args=decoder_args)


def _build(
    decoder: str,
    *,
    channels: int,
    in_channels: int,
    encoder: str,
    encoder_args: Mapping[str, Any] | None = None,
    decoder_args: Mapping[str, Any] | None,
) -> EncoderDecoder:
    backbone = build_encoder(encoder, in_channels=in_channels, args=encoder_args)
    return EncoderDecoder(
        backbone=backbone,
        decoder=build_own_decoder(decoder, backbone, decoder_args),
        channels=channels,
        encoder_name=full_name(encoder),
    )
