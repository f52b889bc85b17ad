"""Losses of detectors that give a set of objects: who is matched with whom, and how far its boxes and scores are from what they should be.

Queries, one a detection, come stacked: (S, B, Q, ...) for S layers that are all compared with the same objects, B images and Q queries.
Boxes are float (..., 4), centre, width and height as shares of the image. All losses are sums, divided by a number that is given, because
it has to be the same in all processes and for all parts of an accumulated step: :class:`ObjectCounts`.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import box_convert, generalized_box_iou_loss

from petlib.distributed.collectives import all_reduce_max, all_reduce_mean

EPSILON = 1e-8


class ObjectCounts(NamedTuple):
    """What there is to learn from, on average over all processes and the parts of a step.

    Attributes:
        objects: of a part, at least 1.
        matched: of them, those that a query can be matched with.
        images: of a part.
        most: objects of the image that has the most of them in any process and part, at least 1.
    """

    objects: float
    matched: float
    images: float
    most: int


class Objects(NamedTuple):
    """The objects of B images, of which each has up to M.

    Attributes:
        labels: int64 (B, M), classes from 0; those behind the objects of an image are 0.
        boxes: float32 (B, M, 4); likewise.
        counts: how many objects each image has.
    """

    labels: Tensor
    boxes: Tensor
    counts: list[int]

    @property
    def present(self) -> Tensor:
        """Which places hold an object, bool (B, M)."""
        places = torch.arange(self.labels.shape[1], device=self.labels.device)
        return places < torch.tensor(self.counts, device=self.labels.device)[:, None]


class Matches(NamedTuple):
    """Pairs of a query and an object, int64 (P,) each: layer, image, query, object of the image."""

    layers: Tensor
    images: Tensor
    queries: Tensor
    objects: Tensor

    def of_queries(self, values: Tensor) -> Tensor:
        """Return (P, ...) of values (S, B, Q, ...)."""
        return values[self.layers, self.images, self.queries]

    def of_objects(self, values: Tensor) -> Tensor:
        """Return (P, ...) of values (B, M, ...)."""
        return values[self.images, self.objects]


class Costs(NamedTuple):
    """How a query and an object are compared: weights of class, distance and overlap, and the two numbers of the focal loss."""

    label: float
    box: float
    overlap: float
    alpha: float = 0.25
    gamma: float = 2.0


def count_objects(batch: dict[str, Any], *, num_queries: int) -> Tensor:
    """Return what :func:`agree_on_counts` takes of a part, float64 (4,): objects, those that can be matched, images, the most of one."""
    counts = [len(boxes) for boxes in batch["boxes"]]
    matched = sum(min(count, num_queries) for count in counts)
    return torch.tensor([sum(counts), matched, len(counts), max(counts, default=0)], dtype=torch.float64)


def agree_on_counts(parts: Tensor) -> ObjectCounts:
    """Return the counts that all processes divide by.

    Args:
        parts: float64 (P, 4), what :func:`count_objects` gave for each part of this process's step.
    """
    objects, matched, images = all_reduce_mean(parts[:, :3].mean(dim=0)).tolist()
    most = int(all_reduce_max(parts[:, 3].max()))
    return ObjectCounts(max(objects, 1.0), matched, images, max(most, 1))


@torch.no_grad()
def match_queries(logits: Tensor, boxes: Tensor, objects: Objects, costs: Costs, further: Tensor | None = None) -> Matches:
    """Return the pairs of queries and objects that cost least in sum, each of them in at most one pair (https://arxiv.org/abs/2005.12872).

    Args:
        logits: float32 (S, B, Q, K).
        boxes: float32 (S, B, Q, 4).
        objects: of the B images.
        costs: what counts.
        further: added to the costs, float32 (S, B, Q, M); None: nothing.
    """
    from scipy.optimize import linear_sum_assignment  # slow to import

    labels = objects.labels[None, :, None].expand(len(logits), -1, logits.shape[2], -1)
    scores = logits.sigmoid().gather(3, labels)
    present = costs.alpha * (1 - scores) ** costs.gamma * -(scores + EPSILON).log()
    absent = (1 - costs.alpha) * scores**costs.gamma * -(1 - scores + EPSILON).log()
    distances = torch.cdist(boxes, objects.boxes[None].expand(len(boxes), -1, -1, -1), p=1)
    cost = costs.label * (present - absent) + costs.box * distances - costs.overlap * _pairwise_giou(boxes, objects.boxes)
    if further is not None:
        cost = cost + further
    largest = torch.finfo(cost.dtype).max
    table = cost.nan_to_num(nan=largest, posinf=largest, neginf=largest).cpu().numpy()
    pairs = [
        (np.full(len(queries), layer), np.full(len(queries), image), queries, found)
        for layer in range(len(table))
        for image, count in enumerate(objects.counts)
        for queries, found in [linear_sum_assignment(table[layer, image, :, :count])]
    ]
    return Matches(*(torch.from_numpy(np.concatenate(column).astype(np.int64)).to(logits.device) for column in zip(*pairs, strict=True)))


def matched_overlaps(boxes: Tensor, objects: Objects, matches: Matches) -> Tensor:
    """Return the intersection over union of each pair, float32 (P,), without gradients; ``boxes`` are float32 (S, B, Q, 4)."""
    first, second = matches.of_queries(boxes).detach(), matches.of_objects(objects.boxes)
    inner, union = _inner_and_union(_corners(first), _corners(second))
    return inner / union.clamp(min=EPSILON)


def box_losses(boxes: Tensor, objects: Objects, matches: Matches, *, count: float) -> tuple[Tensor, Tensor]:
    """Return the absolute differences and the generalised intersection over union (https://arxiv.org/abs/1902.09630) of all pairs."""
    found, wanted = matches.of_queries(boxes), matches.of_objects(objects.boxes)
    overlap = generalized_box_iou_loss(_corners(found), _corners(wanted), reduction="sum")
    return (found - wanted).abs().sum() / count, overlap / count


def varifocal_loss(logits: Tensor, overlaps: Tensor, labels: Tensor, matches: Matches, *, alpha: float, gamma: float) -> Tensor:
    """Return the sum of the varifocal loss (https://arxiv.org/abs/2008.13367): matched queries learn their overlap as their score.

    Args:
        logits: float32 (S, B, Q, K).
        overlaps: of each pair, (P,).
        labels: of the objects, int64 (B, M).
        matches: the pairs.
        alpha: weight of all other scores.
        gamma: the more, the less scores count that are low already.
    """
    wanted = torch.zeros_like(logits)
    place = (matches.layers, matches.images, matches.queries, matches.of_objects(labels))
    weight = alpha * logits.detach().sigmoid() ** gamma
    weight[place] = overlaps
    wanted[place] = overlaps
    return functional.binary_cross_entropy_with_logits(logits, wanted, weight=weight, reduction="sum")


def overlap_aware_loss(logits: Tensor, overlaps: Tensor, labels: Tensor, matches: Matches, *, alpha: float) -> Tensor:
    """Return the sum of the cross entropies of LW-DETR (https://arxiv.org/abs/2406.03459): matches learn a mean of score and overlap.

    Args:
        logits: float32 (S, B, Q, K).
        overlaps: of each pair, (P,).
        labels: of the objects, int64 (B, M).
        matches: the pairs.
        alpha: share of the score in that mean.
    """
    scores = logits.sigmoid()
    place = (matches.layers, matches.images, matches.queries, matches.of_objects(labels))
    quality = (scores[place].detach() ** alpha * overlaps ** (1 - alpha)).clamp(min=0.01)
    present, absent = torch.zeros_like(logits), scores**2
    present[place] = quality
    absent = absent.index_put(place, 1 - quality)
    return -(present * functional.logsigmoid(logits) + absent * functional.logsigmoid(-logits)).sum()


def _corners(boxes: Tensor) -> Tensor:
    corners: Tensor = box_convert(boxes, "cxcywh", "xyxy")
    return corners


def _inner_and_union(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return the areas of intersection and union of boxes (..., 4), XYXY."""
    sides = (torch.minimum(first[..., 2:], second[..., 2:]) - torch.maximum(first[..., :2], second[..., :2])).clamp(min=0)
    inner = sides.prod(dim=-1)
    areas = [(one[..., 2:] - one[..., :2]).prod(dim=-1) for one in (first, second)]
    return inner, areas[0] + areas[1] - inner


def _pairwise_giou(boxes: Tensor, others: Tensor) -> Tensor:
    """Return the generalised overlap (S, B, Q, M) of boxes (S, B, Q, 4) with others (B, M, 4)."""
    first, second = _corners(boxes)[:, :, :, None], _corners(others)[None, :, None]
    inner, union = _inner_and_union(first, second)
    hull = (torch.maximum(first[..., 2:], second[..., 2:]) - torch.minimum(first[..., :2], second[..., :2])).clamp(min=0).prod(dim=-1)
    return inner / union.clamp(min=EPSILON) - (hull - union) / hull.clamp(min=EPSILON)
