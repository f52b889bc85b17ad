"""Masks of detectors that give a set of objects: what they cost in matching, and their losses at points (https://arxiv.org/abs/1912.08193).

Masks of queries are logits, float (S, B, Q, h, w), see :mod:`pet.losses.set_prediction`; those of objects uint8 (B, M, H, W), 1 inside,
with 255 for all pixels of an object that has no outline. Points are shares of the image, float32 (..., P, 2) of x, y.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pet.losses.set_prediction import Matches
from petlib.data.reader import DRAW
from petlib.data.seeding import KeyedGenerators, generator_of_global_state

UNKNOWN = 255
OVERSAMPLING, UNCERTAIN = 3, 0.75
"""Candidates for each point that is chosen, and the share of those that are chosen because they are uncertain; the others are random."""


class MaskRules(NamedTuple):
    """How masks are compared.

    Attributes:
        label: weight of the cross entropy of pixels.
        dice: weight of the dice loss.
        share: one of so many pixels of a mask is looked at.
    """

    label: float
    dice: float
    share: int


def draw_points(batch: dict[str, Any], images: Tensor, count: int, *, purpose: str) -> Tensor:
    """Return random points for each image, float32 (B, count, 2).

    They follow from the place of the image in the training, so that they are the same whichever process computes it and in which part of a
    step; of batches without ``meta`` from the state of numpy's generator.

    Args:
        batch: with the ``meta`` of its samples.
        images: B images, whose device counts.
        count: how many.
        purpose: what they are for; points for other purposes are others.
    """
    generators = KeyedGenerators(0, purpose)
    metas = batch.get("meta") or [{}] * len(images)
    drawn = [(generators.at(*meta[DRAW]) if DRAW in meta else generator_of_global_state()).random((count, 2)) for meta in metas]
    return torch.from_numpy(np.stack(drawn).astype(np.float32)).to(images.device)


@torch.no_grad()
def mask_costs(masks: Tensor, wanted: Tensor, points: Tensor, rules: MaskRules) -> Tensor:
    """Return what it costs to match each query with each object, float32 (S, B, Q, M); nothing where the object has no outline.

    Args:
        masks: of the queries.
        wanted: of the objects.
        points: the same for all masks of an image, (B, P, 2).
        rules: weights.
    """
    labels = sample_nearest(wanted.flatten(0, 1), points.repeat_interleave(wanted.shape[1], dim=0)).reshape(*wanted.shape[:2], -1)
    inside = (labels == 1).float().transpose(1, 2)
    costs = []
    for layer in masks:
        logits = functional.grid_sample(layer.float(), (2 * points - 1)[:, :, None], align_corners=False)[..., 0]
        entropy = functional.softplus(-logits) @ inside + functional.softplus(logits) @ (1 - inside)
        scores = logits.sigmoid()
        sums = scores.sum(dim=2, keepdim=True) + inside.sum(dim=1, keepdim=True)
        dice = 1 - (2 * scores @ inside + 1) / (sums + 1)
        costs.append(rules.label * entropy / points.shape[1] + rules.dice * dice)
    return torch.stack(costs) * (wanted[:, None, :, 0, 0] != UNKNOWN)


def mask_losses(
    masks: Tensor, wanted: Tensor, matches: Matches, draw: Callable[[int, str], Tensor], *, share: int, count: float
) -> tuple[Tensor, Tensor]:
    """Return cross entropy and dice loss of the matched masks, each a sum over pairs that is divided by ``count``.

    Args:
        masks: of the queries.
        wanted: of the objects.
        matches: the pairs; those with an object without an outline teach nothing.
        draw: ``(count, purpose)`` gives so many points for each image, (B, count, 2).
        share: one of so many pixels is looked at, of small masks as many as they are high.
        count: what the sums are divided by.
    """
    known = matches.of_objects(wanted[..., 0, 0]) != UNKNOWN
    layers, images, queries, objects = (column[known] for column in matches)
    logits = masks[layers, images, queries].float()
    height, width = logits.shape[1:]
    points = _choose_points(logits, images, draw, count=max(height, height * width // share))
    found = sample_logits(logits, points)
    inside = sample_nearest(wanted, points, rows=(images, objects)).float()
    entropy = functional.binary_cross_entropy_with_logits(found, inside, reduction="none").mean(dim=1).sum()
    scores = found.sigmoid()
    dice = 1 - (2 * (scores * inside).sum(dim=1) + 1) / (scores.sum(dim=1) + inside.sum(dim=1) + 1)
    # without any pair the sum of no masks still is a function of the weights, which all have to learn
    nothing = masks.sum() * 0
    return entropy / count + nothing, dice.sum() / count


@torch.no_grad()
def _choose_points(logits: Tensor, images: Tensor, draw: Callable[[int, str], Tensor], *, count: int) -> Tensor:
    """Return the points (N, count, 2) of each mask: mostly those of many where it is least certain."""
    candidates = draw(OVERSAMPLING * count, "uncertain points")[images]
    uncertain = int(UNCERTAIN * count)
    best = (-sample_logits(logits, candidates).abs()).topk(uncertain, dim=1).indices
    chosen = candidates.gather(1, best[..., None].expand(-1, -1, 2))
    return torch.cat([chosen, draw(count - uncertain, "further points")[images]], dim=1)


def sample_logits(logits: Tensor, points: Tensor) -> Tensor:
    """Return (N, P) of masks (N, h, w) at points (N, P, 2), between pixels what is between their values."""
    return functional.grid_sample(logits[:, None], (2 * points - 1)[:, :, None], align_corners=False)[:, 0, :, 0]


def sample_nearest(masks: Tensor, points: Tensor, *, rows: tuple[Tensor, ...] | None = None) -> Tensor:
    """Return (N, P) of masks at points (N, P, 2), the values of the nearest pixels.

    Args:
        masks: (N, H, W), or where ``rows`` are given with more dimensions in front.
        points: the points.
        rows: where the mask of each row of points lies in the dimensions in front.
    """
    height, width = masks.shape[-2:]
    columns = (points[..., 0] * width - 0.5).round().long().clamp(0, width - 1)
    lines = (points[..., 1] * height - 0.5).round().long().clamp(0, height - 1)
    places = rows or (torch.arange(len(masks), device=masks.device),)
    return masks[(*(place[:, None] for place in places), lines, columns)]


def masks_in_boxes(logits: Tensor, boxes: Tensor, sides: Tensor, *, edge: int) -> Tensor:
    """Return the probabilities of pixels over the area of each box, float32 (N, edge, edge).

    Args:
        logits: masks over the whole image, (N, h, w).
        boxes: (N, 4), XYXY, pixels.
        sides: width, height, width and height of the image, float32 (4,).
        edge: height and width of what is returned.
    """
    steps = (torch.arange(edge, device=boxes.device, dtype=torch.float32) + 0.5) / edge
    shares = boxes.float() / sides
    x = shares[:, None, 0] + steps * (shares[:, None, 2] - shares[:, None, 0])
    y = shares[:, None, 1] + steps * (shares[:, None, 3] - shares[:, None, 1])
    grid = torch.stack([x[:, None, :].expand(-1, edge, -1), y[:, :, None].expand(-1, -1, edge)], dim=3)
    found = functional.grid_sample(logits[:, None].float(), 2 * grid - 1, align_corners=False, padding_mode="border")
    return found[:, 0].sigmoid()
