"""Backbones under PaddleSeg's names; they are timm's networks."""

from pathlib import Path

from torch import nn

from pet.compat.paddleseg.models.networks import load_pretrained
from pet.compat.shared.absent import refuse_absent
from pet.models.segmentation.encoders import build_encoder
from petlib.errors import ConfigError

OTHERS = (
    "backbones of Pet are timm's and torchvision's by name: pet.models.segmentation.networks.build_network('unet', channels=2, "
    "args={'encoder': 'timm/NAME'}) gives a network for train()"
)
NAMES = (
    *("STDC1", "STDC2", "Xception41_deeplab", "Xception65_deeplab", "Xception71_deeplab", "GhostNet_x1_0", "ShuffleNetV2_x1_0"),
    *("MobileNetV2_x1_0", "MobileNetV3_large_x1_0", "MobileNetV3_small_x1_0", "SwinTransformer_tiny_patch4_window7_224"),
    *("MixVisionTransformer_B0", "MixVisionTransformer_B2", "HRNet_W18_Small_V1", "HRNet_W18_Small_V2", "HRNet_W30", "HRNet_W32"),
    *("HRNet_W40", "HRNet_W44", "HRNet_W60", "HRNet_W64", "ResNet18_vd", "ResNet34_vd", "ResNet152_vd", "ResNet200_vd"),
)
ABSENT = dict.fromkeys(NAMES, OTHERS)
__getattr__ = refuse_absent(__name__, ABSENT)


def HRNet_W18(pretrained: str | Path | None = None, in_channels: int = 3) -> nn.Module:  # noqa: N802 -- PaddleSeg's name
    """Return HRNetV2-W18 (https://arxiv.org/abs/1904.04514) as a backbone.

    Args:
        pretrained: see :func:`pet.compat.paddleseg.models.networks.load_pretrained`.
        in_channels: channels of the images.

    Raises:
        CheckpointError: the weights cannot be used.
    """
    return _backbone("timm/hrnet_w18", pretrained, in_channels)


def HRNet_W48(pretrained: str | Path | None = None, in_channels: int = 3) -> nn.Module:  # noqa: N802 -- PaddleSeg's name
    """Return HRNetV2-W48 as a backbone; see :func:`HRNet_W18`."""
    return _backbone("timm/hrnet_w48", pretrained, in_channels)


def ResNet50_vd(  # noqa: N802 -- PaddleSeg's name
    output_stride: int = 8, pretrained: str | Path | None = None, in_channels: int = 3
) -> nn.Module:
    """Return ResNet-50-D (https://arxiv.org/abs/1812.01187) as a backbone.

    Args:
        output_stride: of its coarsest map, 8, 16 or 32.
        pretrained: see :func:`pet.compat.paddleseg.models.networks.load_pretrained`.
        in_channels: channels of the images.

    Raises:
        ConfigError: it has no such stride.
        CheckpointError: the weights cannot be used.
    """
    return _backbone("timm/resnet50d", pretrained, in_channels, output_stride=output_stride)


def ResNet101_vd(  # noqa: N802 -- PaddleSeg's name
    output_stride: int = 8, pretrained: str | Path | None = None, in_channels: int = 3
) -> nn.Module:
    """Return ResNet-101-D as a backbone; see :func:`ResNet50_vd`."""
    return _backbone("timm/resnet101d", pretrained, in_channels, output_stride=output_stride)


def check_backbone(network: str, backbone: nn.Module, expected: str) -> None:
    """Check that a network is given a backbone.

    Raises:
        ConfigError: it is something else.
    """
    if not (hasattr(backbone, "channels") and hasattr(backbone, "strides")):
        raise ConfigError(f"{network}: backbone: {type(backbone).__name__} given, {expected} expected")


def _backbone(name: str, pretrained: str | Path | None, in_channels: int, *, output_stride: int = 32) -> nn.Module:
    strided = {} if name.startswith("timm/hrnet") else {"output_stride": output_stride}
    backbone = build_encoder(name, in_channels=in_channels, args=strided)
    load_pretrained(backbone, pretrained, encoder_name=name)
    return backbone
