"""Siamese networks with a bidirectional feature pyramid."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pet.models.change.bifpn import BiFpn
from pet.models.segmentation.encoders import build_encoder, feature_info, full_name
from pet.models.segmentation.network import SegmentationNetwork, classifier, conv_norm, resize
from petlib.errors import ConfigError

FUSIONS = ("concat", "difference")


def encode_pair(encode: Callable[[Tensor], Sequence[Tensor]], images: Tensor, images2: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return the maps of both dates, which go through ``encode`` as one batch: (first, second) for each of its outputs.

    Args:
        encode: makes maps of a batch.
        images: (B, C, H, W), the first date.
        images2: the second, of the same shape.
    """
    maps = encode(torch.cat([images, images2]))
    count = images.shape[0]
    return [(one[:count], one[count:]) for one in maps]


def fuse(first: Tensor, second: Tensor, fusion: str) -> Tensor:
    """Return both maps (B, C, h, w) side by side, (B, 2C, h, w), or for ``difference`` what they differ by, (B, C, h, w).

    The difference has no sign, so it does not matter which date comes first.
    """
    return torch.cat([first, second], dim=1) if fusion == "concat" else (first - second).abs()


def check_fusion(fusion: str) -> None:
    """Check the name of a fusion.

    Raises:
        ConfigError: it is not one of :data:`FUSIONS`.
    """
    if fusion not in FUSIONS:
        raise ConfigError(f"fusion: {fusion!r} given, {' or '.join(FUSIONS)} expected")


FINEST = 4
NECKS = ("bifpn",)
EFFICIENTNET, HRNET = "timm/efficientnet_b0", "timm/hrnet_w18"


class PyramidPairs(SegmentationNetwork):
    """A backbone and a bidirectional feature pyramid that look at both dates in one batch; subclasses compare what they see.

    Args:
        backbone: a :class:`~pet.models.feature_extractor.FeatureExtractor`.
        width: channels of the pyramid.
        repeats: layers of the pyramid.
        num_outputs: maps of logits in training.
        encoder_name: the library's name of the backbone.

    Raises:
        ConfigError: the strides of the backbone do not double from 4 on, or there is a single one.
    """

    def __init__(self, *, backbone: nn.Module, width: int, repeats: int, num_outputs: int = 1, encoder_name: str = "") -> None:
        info = feature_info(backbone)
        super().__init__(stride=max(info.stage_strides), num_images=2, num_outputs=num_outputs, encoder_name=encoder_name)
        self.places = tuple(place for place, stride in enumerate(info.stage_strides) if stride >= FINEST)
        strides = [info.stage_strides[place] for place in self.places]
        if len(strides) < 2 or strides != [FINEST << level for level in range(len(strides))]:
            raise ConfigError(
                f"encoder: its maps have strides {', '.join(map(str, info.stage_strides))}, but the pyramid needs 4, 8, 16, ...; "
                "leave output_stride out of encoder_args, or take another encoder"
            )
        self.backbone = backbone
        self.neck = BiFpn([info.stage_channels[place] for place in self.places], width=width, repeats=repeats)

    def compare(self, images: Tensor, images2: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return the maps (B, width, h, w) of the first and the second date, for strides 4, 8, 16, ..."""
        return encode_pair(self._encode, images, images2)

    def _encode(self, images: Tensor) -> list[Tensor]:
        stages = self.backbone(images)
        maps: list[Tensor] = self.neck([stages[place] for place in self.places])
        return maps


class SiameseNetwork(PyramidPairs):
    """One encoder looks at both dates; what it sees is compared at every level, added up at stride 4 and classified.

    With the fusion ``difference`` the two dates may change places in evaluation and the logits stay.

    Args:
        backbone: a :class:`~pet.models.feature_extractor.FeatureExtractor`.
        channels: maps of logits.
        width: channels of the pyramid.
        repeats: layers of the pyramid.
        fusion: ``concat`` or ``difference``.
        dropout: probability of a channel, before the classifier.
        encoder_name: the library's name of the backbone.

    Raises:
        ConfigError: there is no such fusion, or the backbone does not suit the pyramid.
    """

    def __init__(
        self, *, backbone: nn.Module, channels: int, width: int, repeats: int, fusion: str, dropout: float, encoder_name: str = ""
    ) -> None:
        super().__init__(backbone=backbone, width=width, repeats=repeats, encoder_name=encoder_name)
        check_fusion(fusion)
        self.fusion = fusion
        self.head = nn.Sequential(
            conv_norm(width * (2 if fusion == "concat" else 1), width),
            conv_norm(width, width),
            nn.Dropout2d(dropout),
            classifier(width, channels),
        )

    def predict(self, images: Tensor, images2: Tensor | None = None) -> list[Tensor]:
        """Return one map of logits of stride 4."""
        assert images2 is not None, "change needs two dates"
        fused = [fuse(first, second, self.fusion) for first, second in self.compare(images, images2)]
        return [self.head(add_up(fused))]


def add_up(maps: list[Tensor]) -> Tensor:
    """Return the sum of ``maps`` (B, C, h, w) at the size of the first, the finest."""
    total = maps[0]
    for coarser in maps[1:]:
        total = total + resize(coarser, total.shape[-2:])
    return total


def build_siamese(
    *,
    channels: int,
    in_channels: int,
    encoder: str = EFFICIENTNET,
    encoder_args: Mapping[str, Any] | None = None,
    neck: str = "bifpn",
    width: int = 96,
    repeats: int = 2,
    fusion: str = "concat",
    dropout: float = 0.1,
) -> SiameseNetwork:
    """Return a siamese network for change detection.

    Args:
        channels: maps of logits.
        in_channels: channels of the images of each date.
        encoder: see :func:`~pet.models.segmentation.encoders.build_encoder`.
        encoder_args: further arguments of the encoder by its own names.
        neck: ``bifpn``.
        width: channels of the neck.
        repeats: layers of the neck.
        fusion: ``concat`` or ``difference``, for which the order of the dates does not matter.
        dropout: probability of a channel, before the classifier.

    Raises:
        ConfigError: an argument is wrong.
    """
    if neck not in NECKS:
        raise ConfigError(f"neck: {neck!r} given, {' or '.join(NECKS)} expected")
    return SiameseNetwork(
        backbone=build_encoder(encoder, in_channels=in_channels, args=encoder_args),
        channels=channels,
        width=width,
        repeats=repeats,
        fusion=fusion,
        dropout=dropout,
        encoder_name=full_name(encoder),
    )


def build_siamese_efficientnet_b0_bifpn(
    *, channels: int, in_channels: int, width: int = 96, repeats: int = 2, fusion: str = "concat", dropout: float = 0.1
) -> SiameseNetwork:
    """Return the siamese network on EfficientNet-B0; see :func:`build_siamese`."""
    return build_siamese(
        channels=channels, in_channels=in_channels, encoder=EFFICIENTNET, width=width, repeats=repeats, fusion=fusion, dropout=dropout
    )


def build_siamese_hrnet_w18_bifpn(
    *, channels: int, in_channels: int, width: int = 96, repeats: int = 2, fusion: str = "concat", dropout: float = 0.1
) -> SiameseNetwork:
    """Return the siamese network on HRNet-W18; see :func:`build_siamese`."""
    return build_siamese(
        channels=channels, in_channels=in_channels, encoder=HRNET, width=width, repeats=repeats, fusion=fusion, dropout=dropout
    )
