"""The head that proposes dots at fixed places of each cell, moves them and says which count: that of P2PNet."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pet.losses.dots import dot_losses
from pet.models.counting.maps import MapSource, choose_map, count_through_tiles
from pet.models.features import FeatureInfo, Features, HeadOutput, Regions
from pet.typed import VisionConfig
from petlib.errors import name_in_errors

CLASSES = 2
AXES = 2
OFFSET_SCALE = 100.0
"""Pixels of an offset of 1 that the network gives."""


class DotsHead(nn.Module):
    """Two towers of 3 x 3 convolutions (https://arxiv.org/abs/2107.12746): scores and offsets of the proposals of each cell.

    Args:
        source: the map that it looks at.
        lines: proposals of a cell along each axis.
        channels: of the convolutions.
        convolutions: of each tower.
        threshold: score from which a proposal is a dot.
        distance_weight: of a pixel's distance against the score, in the matching.
        background_weight: of proposals without a dot in the loss of the scores.
        offset_weight: of the loss of the places.
    """

    def __init__(
        self,
        *,
        source: MapSource,
        lines: int,
        channels: int,
        convolutions: int,
        threshold: float = 0.5,
        distance_weight: float = 0.05,
        background_weight: float = 0.5,
        offset_weight: float = 2e-4,
    ) -> None:
        super().__init__()
        self.source, self.lines, self.threshold = source, lines, threshold
        self.distance_weight, self.background_weight, self.offset_weight = distance_weight, background_weight, offset_weight
        self.scores = _tower(source.channels, channels, convolutions, lines * lines * CLASSES)
        self.offsets = _tower(source.channels, channels, convolutions, lines * lines * AXES)

    @property
    def stride(self) -> int:
        """Height and width of a cell, pixels."""
        return self.source.stride

    def forward(self, features: Features, batch: dict[str, Any], regions: Regions | None = None) -> HeadOutput:
        """Return losses and ``count_error`` in training, predictions in evaluation.

        Args:
            features: of the network.
            batch: in training ``dots``, (N, 2) of each image.
            regions: not used.
        """
        maps = self.predict_maps(features)
        if not self.training:
            return HeadOutput(predictions=self.decode_maps(maps, features.image_sizes))
        places, logits = self.proposals(maps)
        parts = [
            dot_losses(own, scores, dots, distance_weight=self.distance_weight, background_weight=self.background_weight)
            for own, scores, dots in zip(places, logits, batch["dots"], strict=True)
        ]
        scores, offsets = (torch.stack(part).mean() for part in zip(*parts, strict=True))
        found = (logits.softmax(dim=2)[..., 1] > self.threshold).sum(dim=1)
        counts = torch.tensor([float(len(own)) for own in batch["dots"]], device=maps.device)
        losses = {"loss_scores": scores, "loss_offsets": self.offset_weight * offsets}
        return HeadOutput(losses=losses, metrics={"count_error": (found - counts).abs().mean()})

    def predict_maps(self, features: Features) -> Tensor:
        """Return logits and offsets of the proposals of each cell of the padded batch, float32 (B, 4 * lines ** 2, h, w)."""
        found = self.source.of(features)
        return torch.cat([self.scores(found), self.offsets(found)], dim=1).float()

    def proposals(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return the places, x, y in pixels, and the logits of all proposals, float32 (B, h * w * lines ** 2, 2) each."""
        batch, _, rows, columns = maps.shape
        logits, offsets = maps.view(batch, 2, -1, 2, rows, columns).permute(1, 0, 4, 5, 2, 3).unbind()
        inside = (torch.arange(self.lines, device=maps.device) + 0.5) * self.stride / self.lines
        down, across = (torch.arange(length, device=maps.device) * self.stride for length in (rows, columns))
        y = (down[:, None, None, None] + inside[None, None, :, None]).expand(rows, columns, self.lines, self.lines)
        x = (across[None, :, None, None] + inside[None, None, None, :]).expand(rows, columns, self.lines, self.lines)
        places = torch.stack([x, y], dim=-1).reshape(rows, columns, -1, AXES) + OFFSET_SCALE * offsets
        return places.reshape(batch, -1, AXES), logits.reshape(batch, -1, CLASSES)

    def look_through_windows(
        self, extract: Callable[[dict[str, Any]], Features], batch: dict[str, Any], *, window: int, overlap: float
    ) -> list[dict[str, Any]]:
        """Return the predictions of images that are looked at through tiles; see :func:`pet.models.counting.maps.count_through_tiles`."""
        return count_through_tiles(self, extract, batch, tile=window, overlap=overlap)

    def decode_maps(self, maps: Tensor, image_sizes: Sequence[tuple[int, int]]) -> list[dict[str, Tensor]]:
        """Return ``dots`` (N, 2), ``dot_scores`` (N,) and ``count`` of each image: proposals in it that are probable enough."""
        places, logits = self.proposals(maps)
        scores = logits.softmax(dim=2)[..., 1]
        return [self._choose(*image) for image in zip(places, scores, image_sizes, strict=True)]

    def _choose(self, places: Tensor, scores: Tensor, size: tuple[int, int]) -> dict[str, Tensor]:
        chosen = (scores > self.threshold) & _inside(places, size)
        return {"dots": places[chosen], "dot_scores": scores[chosen], "count": chosen.sum().float()}


def _inside(places: Tensor, size: tuple[Any, Any]) -> Tensor:
    x, y = places.unbind(dim=-1)
    inside: Tensor = (x >= 0) & (y >= 0) & (x <= size[1]) & (y <= size[0])
    return inside


def _tower(width: int, channels: int, convolutions: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for place in range(convolutions):
        layers += [nn.Conv2d(channels if place else width, channels, 3, padding=1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(channels, outputs, 3, padding=1))


def trace_dots(head: DotsHead, features: Features) -> tuple[Tensor, Tensor, Tensor]:
    """Return ``count`` (B,), ``dots`` (B, P, 2) and ``dot_scores`` (B, P) of all proposals; a score outside of the image is 0."""
    places, logits = head.proposals(head.predict_maps(features))
    scores = logits.softmax(dim=2)[..., 1] * _inside(places, features.image_sizes[0])
    return (scores > head.threshold).sum(dim=1).float(), places, scores


def build_dots_head(cfg: VisionConfig, info: FeatureInfo) -> DotsHead:
    """Return the head for the ``MODEL.DOTS`` section of a config.

    Raises:
        ConfigError: no map of the network has the stride.
    """
    settings = cfg.MODEL.DOTS
    with name_in_errors({"choose_map.stride": "MODEL.DOTS.STRIDE"}):
        source = choose_map(info, settings.STRIDE, exact=True)
    return DotsHead(
        source=source,
        lines=settings.LINES,
        channels=settings.CHANNELS,
        convolutions=settings.CONVOLUTIONS,
        threshold=cfg.TEST.DOT_THRESHOLD,
        distance_weight=settings.DISTANCE_WEIGHT,
        background_weight=settings.BACKGROUND_WEIGHT,
        offset_weight=settings.OFFSET_WEIGHT,
    )
