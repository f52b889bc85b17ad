"""A small siamese U-Net, which learns from random weights on a CPU."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from pet.models.change.siamese import encode_pair
from pet.models.segmentation.encoders import build_encoder, feature_info, full_name
from pet.models.segmentation.network import SegmentationNetwork, classifier, conv_norm, resize
from petlib.errors import ConfigError

WIDTHS = (16, 32, 64, 96, 128)


class SiameseUnet(SegmentationNetwork):
    """Both dates' features and their absolute difference, at every stage, go from coarse to fine through a narrow decoder.

    Args:
        backbone: a :class:`~pet.models.feature_extractor.FeatureExtractor`.
        channels: maps of logits.
        widths: channels of the decoder at each stage of the backbone, from fine to coarse.
        dropout: probability of a channel, before the classifier.
        encoder_name: the library's name of the backbone.

    Raises:
        ConfigError: there are not as many widths as stages.
    """

    def __init__(
        self, *, backbone: nn.Module, channels: int, widths: Sequence[int] = WIDTHS, dropout: float = 0.1, encoder_name: str = ""
    ) -> None:
        info = feature_info(backbone)
        super().__init__(stride=max(info.stage_strides), num_images=2, encoder_name=encoder_name)
        if len(widths) != len(info.stage_channels):
            raise ConfigError(
                f"widths: {list(widths)} given, a width for each of the {len(info.stage_channels)} stages of the encoder expected"
            )
        self.backbone = backbone
        self.compare = nn.ModuleList(conv_norm(3 * count, width, 1) for count, width in zip(info.stage_channels, widths, strict=True))
        self.blocks = nn.ModuleList(conv_norm(fine + coarse, fine) for fine, coarse in pairwise(widths))
        self.dropout = nn.Dropout2d(dropout)
        self.classifier = classifier(widths[0], channels)

    def predict(self, images: Tensor, images2: Tensor | None = None) -> list[Tensor]:
        """Return one map of logits of the size of the finest stage."""
        assert images2 is not None, "change needs two dates"
        pairs = encode_pair(self.backbone, images, images2)
        compared = [
            compare(torch.cat([first, second, (first - second).abs()], dim=1))
            for compare, (first, second) in zip(self.compare, pairs, strict=True)
        ]
        features = compared[-1]
        for level in reversed(range(len(self.blocks))):
            skipped = compared[level]
            features = self.blocks[level](torch.cat([skipped, resize(features, skipped.shape[-2:])], dim=1))
        return [self.classifier(self.dropout(features))]


def build_siamese_resnet18_unet(
    *,
    channels: int,
    in_channels: int,
    encoder: str = "timm/resnet18",
    encoder_args: Mapping[str, Any] | None = None,
    widths: Sequence[int] = WIDTHS,
    dropout: float = 0.1,
) -> SiameseUnet:
    """Return the small siamese U-Net.

    Args:
        channels: maps of logits.
        in_channels: channels of the images of each date.
        encoder: see :func:`~pet.models.segmentation.encoders.build_encoder`.
        encoder_args: further arguments of the encoder by its own names.
        widths: channels of the decoder at each stage of the encoder, from fine to coarse.
        dropout: probability of a channel, before the classifier.

    Raises:
        ConfigError: an argument is wrong.
    """
    return SiameseUnet(
        backbone=build_encoder(encoder, in_channels=in_channels, args=encoder_args),
        channels=channels,
        widths=widths,
        dropout=dropout,
        encoder_name=full_name(encoder),
    )
