"""Heads that look at the map of one object: its keypoints, its outline and its parts, each with an estimate of how good it is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pet.losses.parsing import IGNORED_PART, part_map_iou
from pet.models.detection.parsing_modules import QualityEstimate
from pet.models.instance.keypoint_codings import KeypointCoding
from pet.models.instance.trunks import STRIDE
from pet.models.views import turn_back
from pet.structures.pixel_conventions import MapGrid, PixelConvention

UNKNOWN = 255
"""All pixels of the mask of an object that has no outline."""

SURE = 0.2
"""Keypoints above this score count in the score of a pose, as in the published code of https://arxiv.org/abs/1804.06208."""

SPREAD = 0.1
"""Twice the spread of keypoints in their estimated quality, an object keypoint similarity in which all have the same."""

Size = tuple[int, int]
"""Height and width."""


class HeadSettings(NamedTuple):
    """What all heads have.

    Attributes:
        channels: of 3 x 3 convolutions with batch norm; empty: the last layer looks at the map itself.
        kernel: of the last layer, 1 or 3.
        loss_weight: of the loss of the maps.
        quality: also learn to estimate how good the maps are, and rank objects by it.
        quality_loss_weight: of the loss of the estimate.
    """

    channels: tuple[int, ...] = ()
    kernel: int = 1
    loss_weight: float = 1.0
    quality: bool = False
    quality_loss_weight: float = 1.0


class Targets(NamedTuple):
    """What the objects of a batch teach.

    Attributes:
        fields: of the N objects that their crops have left: ``boxes`` (N, 4), ``keypoints`` (N, K, 3), ``masks`` (N, H, W), ``parsing`` and
            ``instances`` (N, H, W), ``instance_ids`` (N,), as far as they are learned, in pixels of the crop.
        size: of the crops.
        samples: of the batch, with those whose object is lost; sums are divided by it, so that the shares of processes add up.
    """

    fields: Mapping[str, Tensor]
    size: Size
    samples: int


class Crops(NamedTuple):
    """Where the objects of a batch lie in their crops.

    Attributes:
        boxes: float32 (B, 4), XYXY in pixels of the crop.
        scores: float32 (B,), of the boxes.
        size: of the crops.
    """

    boxes: Tensor
    scores: Tensor
    size: Size


class Learned(NamedTuple):
    """Losses and metrics by name, scalars."""

    losses: dict[str, Tensor]
    metrics: dict[str, Tensor]


class CropHead(nn.Module, ABC):
    """Convolutions on the map of an object, which give a map for each thing that is found.

    Args:
        in_channels: of the map of the object.
        out_channels: maps.
        settings: what all heads have.
    """

    def __init__(self, *, in_channels: int, out_channels: int, settings: HeadSettings) -> None:
        super().__init__()
        widths = [in_channels, *settings.channels]
        layers: list[nn.Module] = []
        for before, after in zip(widths[:-1], widths[1:], strict=True):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.final_layer = nn.Conv2d(widths[-1], out_channels, settings.kernel, padding=settings.kernel // 2)
        nn.init.normal_(self.final_layer.weight, std=0.001)
        nn.init.zeros_(self.final_layer.bias)  # type: ignore[arg-type]
        self.settings = settings
        self.quality = QualityEstimate(num_parts=out_channels) if settings.quality else None

    def forward(self, features: Tensor) -> Tensor:
        """Return the maps before they become probabilities, float32 (B, C, h, w)."""
        maps: Tensor = self.final_layer(self.layers(features))
        return maps.float()

    @abstractmethod
    def probabilities(self, maps: Tensor) -> Tensor:
        """Return what maps mean; the mean over several views of a crop is decoded like that of one."""

    @abstractmethod
    def learn(self, maps: Tensor, targets: Targets) -> Learned:
        """Return losses and metrics for the maps of N objects, as :meth:`forward` gives them."""

    def turned_back(self, probabilities: Tensor, swap: Sequence[int]) -> Tensor:
        """Return what was found in mirrored crops for the crops as they are; ``swap``: see :func:`pet.models.views.turn_back`."""
        return turn_back(probabilities, swap)

    def exported(self, probabilities: Tensor) -> Tensor:
        """Return what an exported file gives: the probabilities over the crop."""
        return probabilities

    def estimate(self, probabilities: Tensor) -> Tensor | None:
        """Return how good the maps are thought to be, float32 (B,) from 0 to 1; None: it is not learned."""
        return None if self.quality is None else self.quality(probabilities).float().clamp(0, 1)

    def decode(self, probabilities: Tensor, crops: Crops) -> dict[str, Tensor]:
        """Return what is found of each of the B objects by name, see :meth:`found`."""
        return self.found(self.exported(probabilities), self.estimate(probabilities), crops)

    @staticmethod
    @abstractmethod
    def found(exported: Tensor, quality: Tensor | None, crops: Crops) -> dict[str, Tensor]:
        """Return what is found of each of the B objects, in pixels of the crop, by name, from what an exported file gives.

        Args:
            exported: of :meth:`exported`.
            quality: of :meth:`estimate`; scores are multiplied by it.
            crops: where the objects lie.
        """

    def _quality_loss(self, probabilities: Tensor, truth: Tensor, known: Tensor, samples: int) -> Tensor:
        """Return the squared error of the estimate, which judges the maps and does not shape them."""
        assert self.quality is not None, "there is an estimate"
        estimate = self.quality(probabilities.detach()).float()
        loss: Tensor = self.settings.quality_loss_weight * (known * (estimate - truth) ** 2).sum() / samples
        return loss


def _scores(crops: Crops, own: Tensor, quality: Tensor | None) -> Tensor:
    """Return the score of each object: that of its box times ``own``, and times the estimate where one is learned."""
    return crops.scores * own if quality is None else crops.scores * own * quality


class KeypointHead(CropHead):
    """Maps for each keypoint.

    Args:
        in_channels: of the map of the object.
        num_keypoints: K.
        coding: what the maps say of the keypoints.
        convention: how pixels are counted.
        settings: what all heads have.
    """

    def __init__(
        self, *, in_channels: int, num_keypoints: int, coding: KeypointCoding, convention: PixelConvention, settings: HeadSettings
    ) -> None:
        super().__init__(in_channels=in_channels, out_channels=num_keypoints * coding.maps_per_keypoint, settings=settings)
        self.coding = coding
        self.convention = convention

    def probabilities(self, maps: Tensor) -> Tensor:
        """Return the maps, which are learned as they are."""
        return maps

    def learn(self, maps: Tensor, targets: Targets) -> Learned:
        """Return the squared error of the maps of marked keypoints, and the mean similarity of those that are found."""
        points = targets.fields["keypoints"]
        marked = (points[..., 2] > 0).float()
        grid = self._grid(maps)
        errors = self.coding.errors(maps, points[..., :2], grid) * marked
        losses = {"loss_keypoints": self.settings.loss_weight * errors.sum() / (targets.samples * marked.shape[1])}
        with torch.no_grad():
            similarity = _similarity(self.coding.rough_places(maps, grid), points, targets.fields["boxes"])
            known = (marked.sum(dim=1) > 0).float()
        if self.quality is not None:
            losses["loss_keypoint_quality"] = self._quality_loss(maps, similarity, known, targets.samples)
        return Learned(losses, {"keypoint_similarity": (similarity * known).sum() / known.sum().clamp(min=1)})

    def turned_back(self, probabilities: Tensor, swap: Sequence[int]) -> Tensor:
        """Return the maps of mirrored crops for the crops as they are; ``swap`` says which keypoint is which in them."""
        return self.coding.turned_back(probabilities, swap)

    def exported(self, probabilities: Tensor) -> Tensor:
        """Return the keypoints (B, K, 3): x, y in pixels of the crop, score."""
        return self.coding.decode(probabilities, self._grid(probabilities))

    @staticmethod
    def found(exported: Tensor, quality: Tensor | None, crops: Crops) -> dict[str, Tensor]:
        """Return ``keypoints`` (B, K, 3), x, y, score, and ``keypoint_scores`` (B,): the mean score of those that are sure."""
        sure = (exported[..., 2] > SURE).float()
        own = (exported[..., 2] * sure).sum(dim=1) / sure.sum(dim=1).clamp(min=1)
        return {"keypoints": exported, "keypoint_scores": _scores(crops, own, quality)}

    def _grid(self, maps: Tensor) -> MapGrid:
        rows, columns = maps.shape[2], maps.shape[3]
        return self.convention.grid((rows * STRIDE, columns * STRIDE), (rows, columns))


def _similarity(found: Tensor, points: Tensor, boxes: Tensor) -> Tensor:
    """Return the object keypoint similarity of places (N, K, 2) to marked points (N, K, 3), float (N,); 0 where none is marked."""
    marked = (points[..., 2] > 0).float()
    area = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).clamp(min=1.0)
    distance = ((found - points[..., :2]) ** 2).sum(dim=-1)
    similar = torch.exp(-distance / (2 * area[:, None] * SPREAD**2))
    return (similar * marked).sum(dim=1) / marked.sum(dim=1).clamp(min=1)


class MaskHead(CropHead):
    """One map: whether a pixel belongs to the object.

    Args:
        in_channels: of the map of the object.
        settings: what all heads have.
    """

    def __init__(self, *, in_channels: int, settings: HeadSettings) -> None:
        super().__init__(in_channels=in_channels, out_channels=1, settings=settings)

    def probabilities(self, maps: Tensor) -> Tensor:
        """Return the probability of each pixel."""
        return maps.sigmoid()

    def learn(self, maps: Tensor, targets: Targets) -> Learned:
        """Return the cross entropy of the pixels of objects with an outline, at the size of the crop, and their mean IoU."""
        masks = targets.fields["masks"]
        known = (masks[:, 0, 0] != UNKNOWN).float()
        expected = (masks == 1).float()
        logits = _stretched(maps, targets.size)[:, 0]
        errors = functional.binary_cross_entropy_with_logits(logits, expected, reduction="none").mean(dim=(1, 2))
        losses = {"loss_mask": self.settings.loss_weight * (errors * known).sum() / targets.samples}
        with torch.no_grad():
            found = (logits > 0).float()
            common, union = (found * expected).sum(dim=(1, 2)), torch.maximum(found, expected).sum(dim=(1, 2))
            iou = common / union.clamp(min=1)
        if self.quality is not None:
            losses["loss_mask_quality"] = self._quality_loss(maps.sigmoid(), iou, known, targets.samples)
        return Learned(losses, {"mask_iou": (iou * known).sum() / known.sum().clamp(min=1)})

    @staticmethod
    def found(exported: Tensor, quality: Tensor | None, crops: Crops) -> dict[str, Tensor]:
        """Return ``masks`` (B, h, w), probabilities over the area of the box, and ``mask_scores`` (B,)."""
        masks = look_into_boxes(exported, crops)[:, 0]
        inside = (masks > 0.5).float()
        own = (masks * inside).sum(dim=(1, 2)) / inside.sum(dim=(1, 2)).clamp(min=1)
        return {"masks": masks, "mask_scores": _scores(crops, own, quality)}


class ParsingHead(CropHead):
    """A map for each part, the background first.

    Args:
        in_channels: of the map of the object.
        num_parts: P, with the background.
        settings: what all heads have.
    """

    def __init__(self, *, in_channels: int, num_parts: int, settings: HeadSettings) -> None:
        super().__init__(in_channels=in_channels, out_channels=num_parts, settings=settings)

    def probabilities(self, maps: Tensor) -> Tensor:
        """Return the probability of each part at each pixel."""
        return maps.softmax(dim=1)

    def learn(self, maps: Tensor, targets: Targets) -> Learned:
        """Return the cross entropy of the pixels that count, at the size of the crop, and the mean IoU of the parts."""
        expected = part_labels(targets.fields)
        logits = _stretched(maps, targets.size)
        counted = (expected != IGNORED_PART).float()
        known = (counted.sum(dim=(1, 2)) > 0).float()
        errors = functional.cross_entropy(logits, expected, ignore_index=IGNORED_PART, reduction="none")
        loss = (errors.sum(dim=(1, 2)) / counted.sum(dim=(1, 2)).clamp(min=1)).sum() / targets.samples
        iou = part_map_iou(logits.max(dim=1).indices, expected, num_parts=maps.shape[1])
        losses = {"loss_parsing": self.settings.loss_weight * loss}
        if self.quality is not None:
            losses["loss_parsing_quality"] = self._quality_loss(maps.softmax(dim=1), iou, known, targets.samples)
        return Learned(losses, {"parsing_iou": (iou * known).sum() / known.sum().clamp(min=1)})

    @staticmethod
    def found(exported: Tensor, quality: Tensor | None, crops: Crops) -> dict[str, Tensor]:
        """Return ``parsing`` (B, P, h, w), probabilities over the area of the box, and ``parsing_scores`` (B,)."""
        parts = look_into_boxes(exported, crops)
        best, label = parts.max(dim=1)
        inside = (label > 0).float()
        own = (best * inside).sum(dim=(1, 2)) / inside.sum(dim=(1, 2)).clamp(min=1)
        return {"parsing": parts, "parsing_scores": _scores(crops, own, quality)}


HEADS: Mapping[str, type[CropHead]] = {"keypoints": KeypointHead, "mask": MaskHead, "parsing": ParsingHead}
"""Name of a head in a network -> its class."""


def part_labels(fields: Mapping[str, Tensor]) -> Tensor:
    """Return int64 (N, H, W): the part labels of each crop's own object, 0 where others are, 255 where nothing is learned."""
    parts, ids = fields["parsing"].long(), fields["instance_ids"][:, None, None]
    # uint16, as samples hold it, cannot be compared on every device
    own = torch.where(fields["instances"].int() == ids, parts, 0)
    return torch.where((parts == IGNORED_PART) | (ids == 0), IGNORED_PART, own)


def look_into_boxes(maps: Tensor, crops: Crops) -> Tensor:
    """Return maps (B, C, h, w) of whole crops as maps of the same size over the areas of the boxes."""
    height, width = crops.size
    extent = maps.new_tensor([width, height])
    low, high = crops.boxes[:, :2] / extent * 2 - 1, crops.boxes[:, 2:] / extent * 2 - 1
    rows = (torch.arange(maps.shape[2], device=maps.device) + 0.5) / maps.shape[2]
    columns = (torch.arange(maps.shape[3], device=maps.device) + 0.5) / maps.shape[3]
    y = low[:, 1:] + (high - low)[:, 1:] * rows
    x = low[:, :1] + (high - low)[:, :1] * columns
    grid = torch.stack([x[:, None, :].expand(-1, len(rows), -1), y[:, :, None].expand(-1, -1, len(columns))], dim=-1)
    return functional.grid_sample(maps, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _stretched(maps: Tensor, size: Size) -> Tensor:
    return functional.interpolate(maps, size, mode="bilinear", align_corners=False)
