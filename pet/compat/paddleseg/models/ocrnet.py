"""OCRNet (https://arxiv.org/abs/1909.11065) and the HRNets that it is built on."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from pet.compat.paddleseg.models.networks import PaddleNames, load_pretrained
from pet.models.segmentation.encoders import build_encoder
from pet.models.segmentation.ocrnet import OcrNet
from petlib.errors import ConfigError


class OCRNet(PaddleNames, OcrNet):
    """OCRNet with PaddleSeg's arguments. It has two outputs in training and needs two losses, usually with the weights 1 and 0.4.

    Args:
        num_classes: number of classes with the background.
        backbone: :func:`HRNet_W18` or :func:`HRNet_W48`.
        backbone_indices: ``[0]``: an HRNet gives one map, in which those of all its branches are joined.
        ocr_mid_channels: channels of the pixels' features.
        ocr_key_channels: channels in which pixels and regions are compared.
        pretrained: see :func:`pet.compat.paddleseg.models.networks.load_pretrained`.

    Raises:
        ConfigError: the backbone is no HRNet of this module, or other indices are given.
        CheckpointError: the weights cannot be used.
    """

    def __init__(  # noqa: PLR0917 -- PaddleSeg's order
        self,
        num_classes: int,
        backbone: nn.Module,
        backbone_indices: Sequence[int] = (0,),
        ocr_mid_channels: int = 512,
        ocr_key_channels: int = 256,
        pretrained: str | Path | None = None,
    ) -> None:
        if not (hasattr(backbone, "channels") and hasattr(backbone, "strides")):
            raise ConfigError(f"OCRNet: backbone: {type(backbone).__name__} given, HRNet_W18() or HRNet_W48() expected")
        if list(backbone_indices) != [0]:
            raise ConfigError(f"OCRNet: backbone_indices: {list(backbone_indices)} given, [0] expected: an HRNet gives one map")
        super().__init__(backbone=backbone, channels=num_classes, width=ocr_mid_channels, key_width=ocr_key_channels)
        load_pretrained(self, pretrained)


def HRNet_W18(pretrained: str | Path | None = None, in_channels: int = 3) -> nn.Module:  # noqa: N802 -- PaddleSeg's name
    """Return HRNetV2-W18 (https://arxiv.org/abs/1904.04514) as a backbone.

    Args:
        pretrained: see :func:`pet.compat.paddleseg.models.networks.load_pretrained`.
        in_channels: channels of the images.

    Raises:
        CheckpointError: the weights cannot be used.
    """
    return _hrnet("timm/hrnet_w18", pretrained, in_channels)


def HRNet_W48(pretrained: str | Path | None = None, in_channels: int = 3) -> nn.Module:  # noqa: N802 -- PaddleSeg's name
    """Return HRNetV2-W48 as a backbone; see :func:`HRNet_W18`."""
    return _hrnet("timm/hrnet_w48", pretrained, in_channels)


def _hrnet(name: str, pretrained: str | Path | None, in_channels: int) -> nn.Module:
    backbone = build_encoder(name, in_channels=in_channels)
    load_pretrained(backbone, pretrained, encoder_name=name)
    return backbone
