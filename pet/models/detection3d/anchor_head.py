"""Boxes in space by anchors: two directions of a typical box of each class at each place of a map from above.

Source: PointPillars (https://arxiv.org/abs/1812.05784) with the numbers of https://github.com/open-mmlab/OpenPCDet, pointpillar.yaml.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import box_iou

from pet.models.detection3d.boxes import Candidates
from pet.models.detection3d.pillars import Grid
from petlib.distributed.collectives import all_reduce_mean

TURNS = (0.0, 1.57)
START = 0.01
"""Probability that scores begin with."""
DIRECTION_OFFSET = 0.78539
BOX_WEIGHT, DIRECTION_WEIGHT = 2.0, 0.2
BETA = 1 / 9
ALPHA, GAMMA = 0.25, 2.0


class Anchor(NamedTuple):
    """The typical box of a class.

    Attributes:
        size: length, width and height, metres.
        bottom: height of its lower face in the frame of the points, metres.
        matched: overlap from which on an anchor learns a box.
        unmatched: overlap below which an anchor learns that there is none.
    """

    size: tuple[float, float, float]
    bottom: float
    matched: float
    unmatched: float


class AnchorTargets(NamedTuple):
    """What a batch teaches an :class:`AnchorHead`; N anchors of all frames learn a box.

    Attributes:
        matches: int64 (B, anchors), the box of its frame that each learns, ``NOTHING`` or ``IGNORED``.
        labels: int64 (N,).
        offsets: float32 (N, 7), see :func:`encode`.
        directions: int64 (N,), see :func:`direction_of`.
    """

    matches: Tensor
    labels: Tensor
    offsets: Tensor
    directions: Tensor


class AnchorHead(nn.Module):
    """Classes, boxes relative to anchors, and which of two opposite directions a box has.

    Args:
        in_channels: of the map.
        anchors: of each class.
        grid: the part of space.
        stride: pillars of a cell of the map.
        most: boxes that are found in a frame, before suppression.
    """

    waits_for_others = True

    anchors: Tensor

    def __init__(self, *, in_channels: int, anchors: Sequence[Anchor], grid: Grid, stride: int, most: int) -> None:
        super().__init__()
        self.classes, self.most = len(anchors), most
        self.matched = [anchor.matched for anchor in anchors]
        self.unmatched = [anchor.unmatched for anchor in anchors]
        per_place = len(anchors) * len(TURNS)
        self.scores = nn.Conv2d(in_channels, per_place * len(anchors), 1)
        self.boxes = nn.Conv2d(in_channels, per_place * 7, 1)
        self.directions = nn.Conv2d(in_channels, per_place * 2, 1)
        assert self.scores.bias is not None, "the scores have a bias"
        nn.init.constant_(self.scores.bias, -math.log((1 - START) / START))
        nn.init.normal_(self.boxes.weight, std=0.001)
        self.register_buffer("anchors", _place_anchors(anchors, grid, stride), persistent=False)

    def losses(self, maps: Tensor, boxes: Sequence[Tensor], labels: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return the losses of maps (B, C, h, w) whose frames have boxes (n, 7), frame ``lidar``, of classes (n,)."""
        logits, offsets, directions = self._outputs(maps)
        target = self.targets(boxes, labels)
        found = target.matches >= 0
        count = all_reduce_mean(found.sum().float()).clamp(min=1)
        classes = torch.zeros_like(logits)
        classes[found] = functional.one_hot(target.labels, self.classes).to(classes)
        scores = _focal(logits, classes)[target.matches != IGNORED].sum() / count
        errors = offsets[found] - target.offsets
        # a box and its reverse have the same place and size, and their directions differ
        errors = torch.cat([errors[:, :6], torch.sin(errors[:, 6:])], dim=1)
        smooth = functional.smooth_l1_loss(errors, torch.zeros_like(errors), beta=BETA, reduction="sum") / count
        way = functional.cross_entropy(directions[found], target.directions, reduction="sum") / count
        return {"loss_class": scores, "loss_box": BOX_WEIGHT * smooth, "loss_direction": DIRECTION_WEIGHT * way}

    def loss_counts(self, boxes: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
        """Return how many anchors of each frame the losses count over, float32 (B,), a mean over the processes."""
        matches = [self._match(own, classes) for own, classes in zip(boxes, labels, strict=True)]
        return all_reduce_mean(torch.stack([(match >= 0).sum() for match in matches]).float())

    def targets(self, boxes: Sequence[Tensor], labels: Sequence[Tensor]) -> AnchorTargets:
        """Return what the anchors learn of the boxes of each frame."""
        matches = torch.stack([self._match(own, classes) for own, classes in zip(boxes, labels, strict=True)])
        learned = torch.cat([own[match[match >= 0]] for own, match in zip(boxes, matches, strict=True)])
        classes = torch.cat([own[match[match >= 0]] for own, match in zip(labels, matches, strict=True)])
        anchors = self.anchors.expand(len(matches), -1, -1)[matches >= 0]
        return AnchorTargets(matches, classes, encode(learned, anchors), direction_of(learned[:, 6]))

    def detect(self, maps: Tensor) -> Candidates:
        """Return the boxes of the highest scores."""
        logits, offsets, directions = self._outputs(maps)
        best, labels = logits.sigmoid().max(dim=2)
        scores, places = best.topk(min(self.most, best.shape[1]), dim=1)
        anchors = self.anchors[places]
        boxes = decode(_taken(offsets, places), anchors)
        ways = _taken(directions, places).argmax(dim=2)
        turned = boxes[..., 6] - DIRECTION_OFFSET
        yaw = turned - torch.floor(turned / math.pi) * math.pi + DIRECTION_OFFSET + math.pi * ways.to(boxes)
        boxes = torch.cat([boxes[..., :6], torch.atan2(yaw.sin(), yaw.cos())[..., None]], dim=2)
        return Candidates(boxes, scores, labels.gather(1, places))

    def _outputs(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits (B, A, classes), offsets (B, A, 7) and directions (B, A, 2) in float32, places first and anchors within."""
        outputs = (self.scores(maps), self.boxes(maps), self.directions(maps))
        widths = (self.classes, 7, 2)
        shaped = [out.float().permute(0, 2, 3, 1).reshape(maps.shape[0], -1, width) for out, width in zip(outputs, widths, strict=True)]
        return shaped[0], shaped[1], shaped[2]

    def _match(self, boxes: Tensor, labels: Tensor) -> Tensor:
        """Return the box that each anchor learns, int64 (A,), ``NOTHING`` or ``IGNORED``; every box has an anchor where one touches it."""
        per_place = self.classes * len(TURNS)
        matches = torch.full((len(self.anchors),), NOTHING, device=boxes.device)
        for label in range(self.classes):
            own = torch.nonzero(labels == label).flatten()
            if not len(own):
                continue
            of_class = torch.arange(len(TURNS), device=boxes.device) + label * len(TURNS)
            places = (torch.arange(0, len(self.anchors), per_place, device=boxes.device)[:, None] + of_class).flatten()
            overlaps = box_iou(_upright(self.anchors[places]), _upright(boxes[own]))
            best, which = overlaps.max(dim=1)
            chosen = torch.where(best >= self.matched[label], own[which], torch.where(best < self.unmatched[label], NOTHING, IGNORED))
            highest = overlaps.amax(dim=0)
            rows, columns = torch.nonzero((overlaps == highest) & (highest > 0), as_tuple=True)
            chosen[rows] = own[columns]
            matches[places] = chosen
        return matches


NOTHING, IGNORED = -1, -2


def _place_anchors(anchors: Sequence[Anchor], grid: Grid, stride: int) -> Tensor:
    """Return all anchors, float32 (rows * columns * classes * turns, 7); they lie evenly from the first edge of the grid to the last."""
    rows, columns = (length // stride for length in grid.size)
    y, x = torch.meshgrid(
        torch.linspace(grid.low[1], grid.high[1], rows), torch.linspace(grid.low[0], grid.high[0], columns), indexing="ij"
    )
    found = []
    for anchor in anchors:
        for turn in TURNS:
            rest = torch.tensor([anchor.bottom + anchor.size[2] / 2, *anchor.size, turn])
            found.append(torch.cat([x[..., None], y[..., None], rest.expand(rows, columns, 5)], dim=2))
    return torch.stack(found, dim=2).reshape(-1, 7)


def _upright(boxes: Tensor) -> Tensor:
    """Return XYXY (N, 4) of the nearest upright rectangle: length along x or along y."""
    across = (boxes[:, 6] % math.pi - math.pi / 2).abs() < math.pi / 4
    half = torch.where(across[:, None], boxes[:, [4, 3]], boxes[:, [3, 4]]) / 2
    return torch.cat([boxes[:, :2] - half, boxes[:, :2] + half], dim=1)


def encode(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Return boxes (N, 7) relative to anchors: offsets in diagonals and heights, logarithms of ratios, difference of yaws."""
    diagonal = torch.linalg.vector_norm(anchors[:, 3:5], dim=1, keepdim=True)
    offset, height = (boxes[:, :2] - anchors[:, :2]) / diagonal, (boxes[:, 2:3] - anchors[:, 2:3]) / anchors[:, 5:6]
    return torch.cat([offset, height, (boxes[:, 3:6] / anchors[:, 3:6]).log(), boxes[:, 6:] - anchors[:, 6:]], dim=1)


def decode(offsets: Tensor, anchors: Tensor) -> Tensor:
    """Return the boxes (..., 7) of offsets; the inverse of :func:`encode`."""
    diagonal = (anchors[..., 3:4] ** 2 + anchors[..., 4:5] ** 2).sqrt()
    places = offsets[..., :2] * diagonal + anchors[..., :2]
    heights = offsets[..., 2:3] * anchors[..., 5:6] + anchors[..., 2:3]
    return torch.cat(
        [places, heights, offsets[..., 3:6].clamp(max=5).exp() * anchors[..., 3:6], offsets[..., 6:] + anchors[..., 6:]], dim=-1
    )


def direction_of(yaw: Tensor) -> Tensor:
    """Return which half of the circle yaws lie in, int64 (N,), 0 or 1."""
    return (torch.remainder(yaw - DIRECTION_OFFSET, 2 * math.pi) >= math.pi).long()


def _taken(values: Tensor, places: Tensor) -> Tensor:
    return values.gather(1, places[..., None].expand(-1, -1, values.shape[2]))


def _focal(logits: Tensor, target: Tensor) -> Tensor:
    scores = logits.sigmoid()
    wrong = target * (1 - scores) + (1 - target) * scores
    weight = (target * ALPHA + (1 - target) * (1 - ALPHA)) * wrong**GAMMA
    return weight * functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
