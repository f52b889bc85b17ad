"""Change of buildings with its kind: new, demolished or rebuilt."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pet.models.change.siamese import PyramidPairs, add_up, fuse
from pet.models.segmentation.encoders import build_encoder, full_name
from pet.models.segmentation.network import classifier, conv_norm, resize
from petlib.errors import ConfigError

CLASSES = ("none", "new", "demolished", "rebuilt")


class ChangeHead(nn.Module):
    """Building or not at either date, by shared weights, and changed or not, from what the dates differ by.

    Args:
        width: channels of the maps.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.building = nn.Sequential(conv_norm(width, width), classifier(width, 1))
        self.change = nn.Sequential(conv_norm(width, width), classifier(width, 1))

    def forward(self, first: Tensor, second: Tensor, size: tuple[int, int]) -> Tensor:
        """Return the logits of :func:`compose`, float32 (B, 4, height, width) of ``size``, from two maps (B, width, h, w)."""
        buildings = self.building(torch.cat([first, second])).float()
        changed = self.change(fuse(first, second, "difference")).float()
        count = first.shape[0]
        return compose(resize(buildings[:count], size), resize(buildings[count:], size), resize(changed, size))


class SemanticChangeNetwork(PyramidPairs):
    """Two branches of segmentation with shared weights and one of change give the four classes of :data:`CLASSES`.

    It learns from one label image of a pair: 0 none, 1 new, 2 demolished, 3 rebuilt, 255 ignored; where buildings are at either date
    need not be known. When the dates change places in evaluation, new and demolished do and nothing else.
    Two outputs in training: of the sum of all levels at stride 4, and of the coarsest level alone.

    Args:
        backbone: a :class:`~pet.models.feature_extractor.FeatureExtractor`.
        width: channels of the pyramid.
        repeats: layers of the pyramid.
        dropout: probability of a channel, before the branches.
        encoder_name: the library's name of the backbone.
    """

    def __init__(self, *, backbone: nn.Module, width: int, repeats: int, dropout: float = 0.1, encoder_name: str = "") -> None:
        super().__init__(backbone=backbone, width=width, repeats=repeats, num_outputs=2, encoder_name=encoder_name)
        self.dropout = nn.Dropout2d(dropout)
        self.head = ChangeHead(width)
        self.coarse_head = ChangeHead(width)

    def predict(self, images: Tensor, images2: Tensor | None = None) -> list[Tensor]:
        """Return the logits and in training those of the coarsest level, of the size of the images."""
        assert images2 is not None, "change needs two dates"
        size = (images.shape[2], images.shape[3])
        pairs = self.compare(images, images2)
        first, second = (self.dropout(add_up([pair[date] for pair in pairs])) for date in (0, 1))
        coarse = [self.coarse_head(*pairs[-1], size)] if self.training else []
        return [self.head(first, second, size), *coarse]


def compose(first: Tensor, second: Tensor, changed: Tensor) -> Tensor:
    """Return the logarithms of the probabilities of :data:`CLASSES`, which add up to one: softmax and cross entropy take them as logits.

    With p1 and p2 for a building at either date and c for a change: new (1 - p1) p2, demolished p1 (1 - p2), rebuilt p1 p2 c, and none
    the rest, (1 - p1) (1 - p2) + p1 p2 (1 - c).

    Args:
        first: logits of p1, float (B, 1, H, W).
        second: logits of p2.
        changed: logits of c.

    Returns:
        (B, 4, H, W).
    """
    log = functional.logsigmoid
    both = log(first) + log(second)
    none = torch.logaddexp(log(-first) + log(-second), both + log(-changed))
    return torch.cat([none, log(-first) + log(second), log(first) + log(-second), both + log(changed)], dim=1)


def build_semantic_change(
    *,
    channels: int,
    in_channels: int,
    encoder: str = "timm/resnet18",
    encoder_args: Mapping[str, Any] | None = None,
    width: int = 64,
    repeats: int = 2,
    dropout: float = 0.1,
) -> SemanticChangeNetwork:
    """Return the network for four kinds of change.

    Args:
        channels: 4.
        in_channels: channels of the images of each date.
        encoder: see :func:`~pet.models.segmentation.encoders.build_encoder`.
        encoder_args: further arguments of the encoder by its own names.
        width: channels of the pyramid.
        repeats: layers of the pyramid.
        dropout: probability of a channel, before the branches.

    Raises:
        ConfigError: other than 4 channels are asked for, or an argument is wrong.
    """
    if channels != len(CLASSES):
        raise ConfigError(
            f"semantic_change distinguishes {len(CLASSES)} classes ({', '.join(CLASSES)}), but {channels} given; "
            f"set build_network.channels to {len(CLASSES)}, or take another network"
        )
    return SemanticChangeNetwork(
        backbone=build_encoder(encoder, in_channels=in_channels, args=encoder_args),
        width=width,
        repeats=repeats,
        dropout=dropout,
        encoder_name=full_name(encoder),
    )
