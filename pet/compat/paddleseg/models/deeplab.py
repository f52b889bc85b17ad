"""DeepLabV3+ and HRNetV2's FCN with PaddleSeg's arguments."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from pet.compat.paddleseg.models.backbones import check_backbone
from pet.compat.paddleseg.models.networks import PaddleEncoderDecoder, load_pretrained
from pet.compat.shared.absent import refuse_absent
from pet.models.segmentation.encoders import build_own_decoder
from petlib.errors import ConfigError

ABSENT = {"DeepLabV3": "segmentation_models_pytorch.DeepLabV3(encoder_name='resnet50', classes=2) is one that train() takes"}
__getattr__ = refuse_absent(__name__, ABSENT)


class DeepLabV3P(PaddleEncoderDecoder):
    """DeepLabV3+ (https://arxiv.org/abs/1802.02611). It has one output.

    Args:
        num_classes: number of classes with the background.
        backbone: :func:`pet.compat.paddleseg.models.backbones.ResNet50_vd` and the like, with an output stride of 8 or 16.
        backbone_indices: ``(0, 3)``: the maps of stride 4 and of the coarsest stride.
        aspp_ratios: 1 and three dilations of the pyramid.
        aspp_out_channels: its channels.
        pretrained: see :func:`pet.compat.paddleseg.models.networks.load_pretrained`.

    Raises:
        ConfigError: the backbone, the indices or the ratios are others.
        CheckpointError: the weights cannot be used.
    """

    def __init__(  # noqa: PLR0917 -- PaddleSeg's order
        self,
        num_classes: int,
        backbone: nn.Module,
        backbone_indices: Sequence[int] = (0, 3),
        aspp_ratios: Sequence[int] = (1, 6, 12, 18),
        aspp_out_channels: int = 256,
        pretrained: str | Path | None = None,
    ) -> None:
        check_backbone("DeepLabV3P", backbone, "ResNet50_vd() or ResNet101_vd()")
        if tuple(backbone_indices) != (0, 3):
            raise ConfigError(f"DeepLabV3P: backbone_indices: {list(backbone_indices)} given, [0, 3] expected")
        if len(aspp_ratios) != 4 or aspp_ratios[0] != 1:
            raise ConfigError(f"DeepLabV3P: aspp_ratios: {list(aspp_ratios)} given, 1 and three dilations expected, e.g. [1, 6, 12, 18]")
        decoder = build_own_decoder("deeplabv3plus", backbone, {"atrous_rates": tuple(aspp_ratios[1:]), "out_channels": aspp_out_channels})
        super().__init__(backbone=backbone, decoder=decoder, channels=num_classes, encoder_name="")
        load_pretrained(self, pretrained)


class FCN(PaddleEncoderDecoder):
    """HRNetV2 with its own head (https://arxiv.org/abs/1904.04514). It has one output.

    Args:
        num_classes: number of classes with the background.
        backbone: ``HRNet_W18()`` or ``HRNet_W48()``.
        backbone_indices: ``(-1,)``: an HRNet gives one map, in which those of all its branches are joined.
        channels: channels before the classifier; None: as many as the branches have together.
        pretrained: see :func:`pet.compat.paddleseg.models.networks.load_pretrained`.

    Raises:
        ConfigError: the backbone or the indices are others.
        CheckpointError: the weights cannot be used.
    """

    def __init__(
        self,
        num_classes: int,
        backbone: nn.Module,
        backbone_indices: Sequence[int] = (-1,),
        channels: int | None = None,
        pretrained: str | Path | None = None,
    ) -> None:
        check_backbone("FCN", backbone, "HRNet_W18() or HRNet_W48()")
        if tuple(backbone_indices) not in ((-1,), (0,)):
            raise ConfigError(f"FCN: backbone_indices: {list(backbone_indices)} given, [-1] expected: an HRNet gives one map")
        decoder = build_own_decoder("fcn", backbone, {"channels": channels or 0})
        super().__init__(backbone=backbone, decoder=decoder, channels=num_classes, encoder_name="")
        load_pretrained(self, pretrained)
