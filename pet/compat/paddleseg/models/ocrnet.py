"""OCRNet (https://arxiv.org/abs/1909.11065) with PaddleSeg's arguments."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from pet.compat.paddleseg.models.backbones import check_backbone
from pet.compat.paddleseg.models.networks import PaddleNames, load_pretrained
from pet.models.segmentation.ocrnet import OcrNet
from petlib.errors import ConfigError


class OCRNet(PaddleNames, OcrNet):
    """OCRNet with PaddleSeg's arguments. It has two outputs in training and needs two losses, usually with the weights 1 and 0.4.

    Args:
        num_classes: number of classes with the background.
        backbone: ``HRNet_W18()`` or ``HRNet_W48()`` of :mod:`pet.compat.paddleseg.models.backbones`.
        backbone_indices: ``[0]``: an HRNet gives one map, in which those of all its branches are joined.
        ocr_mid_channels: channels of the pixels' features.
        ocr_key_channels: channels in which pixels and regions are compared.
        pretrained: see :func:`pet.compat.paddleseg.models.networks.load_pretrained`.

    Raises:
        ConfigError: the backbone is none of that module, or other indices are given.
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
        check_backbone("OCRNet", backbone, "HRNet_W18() or HRNet_W48()")
        if list(backbone_indices) != [0]:
            raise ConfigError(f"OCRNet: backbone_indices: {list(backbone_indices)} given, [0] expected: an HRNet gives one map")
        super().__init__(backbone=backbone, channels=num_classes, width=ocr_mid_channels, key_width=ocr_key_channels)
        load_pretrained(self, pretrained)
