"""Objects that were found in the windows of a large image become those of the image, each of them once.

- What a window's border cuts off is dropped where another window sees that object whole, or more of it.
- An object that is longer than the overlap is cut by both windows: pieces that agree in the overlap become one object.
- What two windows see whole is kept once, with the better score.

What no other window sees stays as the network gave it.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pet.data.files.windows import Window
from pet.models.detection.joined_fields import join_fields
from pet.structures.moves import Size

LEAST_CUT_DISTANCE = 2.0
CUT_SHARE = 0.05
"""An object ends at a border if it ends nearer to it than so many pixels, or than this share of its length."""
SAME_OBJECT = 0.3
"""Intersection over union from which two windows see one object; boxes of small objects differ much from window to window."""
AGREEING = 0.5
"""The same, of what both windows see of an object that both cut."""
PART_OF_OBJECT = 0.7
"""Share of the area of a piece that lies in another object from which it is a part of that."""
FAR_SIDES = np.array([False, False, True, True])
"""Left, top, right, bottom: those at which coordinates are the greatest."""


class _Objects(NamedTuple):
    """The objects of all windows in the coordinates of the image.

    Attributes:
        boxes: float64 (N, 4), XYXY.
        scores: float64 (N,).
        labels: int64 (N,).
        owners: int64 (N,), the window that each was found in.
        cut: bool (N, 4), whether the border of that window cuts it at its left, top, right and bottom.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    owners: np.ndarray
    cut: np.ndarray


class _Groups(NamedTuple):
    """Objects of the image, of one or of several pieces.

    Attributes:
        of: int64 (N,), the group of each object of a window.
        boxes: float64 (G, 4), around all pieces.
        scores: float64 (G,), the best of the pieces.
        pieces: bool (G,), a border cuts what is alone.
    """

    of: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    pieces: np.ndarray


def join_windows(found: Sequence[dict[str, Tensor]], windows: Sequence[Window], size: Size) -> dict[str, Tensor]:
    """Return the objects of an image, the best score first.

    Args:
        found: for each window ``boxes`` (N, 4), XYXY in the coordinates of the image, ``scores`` (N,), ``labels`` (N,), and what else
            there is of each object.
        windows: the windows.
        size: (height, width) of the image.
    """
    fields = {name: torch.cat([one[name] for one in found]) for name in found[0]}
    owners = np.repeat(np.arange(len(windows)), [len(one["boxes"]) for one in found])
    edges = np.array([(one.left, one.top, one.left + one.width, one.top + one.height) for one in windows], np.float64)
    boxes = fields["boxes"].double().cpu().numpy()
    cut = _cut_sides(boxes, edges[owners], size)
    chosen = np.flatnonzero(~_seen_better(boxes, cut, edges, owners, size))
    scores, labels = fields["scores"].double().cpu().numpy(), fields["labels"].cpu().numpy()
    objects = _Objects(boxes[chosen], scores[chosen], labels[chosen], owners[chosen], cut[chosen])
    pairs = np.array(list(_pairs(objects, edges)), np.int64).reshape(-1, 2)
    groups = _join_pieces(objects, pairs, edges)
    kept = _without_doubles(groups, groups.of[pairs])
    members = [chosen[np.flatnonzero(groups.of == group)] for group in kept]
    return join_fields(fields, members, groups.boxes[kept])


def _cut_sides(boxes: np.ndarray, seen: np.ndarray, size: Size) -> np.ndarray:
    """Return bool (N, 4): which sides of boxes lie at borders of their windows ``seen`` (N, 4) that are none of the image."""
    limits = np.array([0.0, 0.0, size[1], size[0]])
    lengths = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    near = np.abs(boxes - seen) < np.maximum(LEAST_CUT_DISTANCE, CUT_SHARE * lengths)
    cut: np.ndarray = near & (seen != limits)
    return cut


def _seen_better(boxes: np.ndarray, cut: np.ndarray, edges: np.ndarray, owners: np.ndarray, size: Size) -> np.ndarray:
    """Return bool (N,): of which boxes another window shows all, and goes on where a border cuts them."""
    outwards = np.where(FAR_SIDES, 1.0, -1.0)
    better = np.zeros(len(boxes), bool)
    for window in edges:
        beyond = (window - edges[owners]) * outwards
        # a side that is not cut must not be cut there either: else each of two windows would leave an object to the other
        clear = ((window - boxes) * outwards >= 0) & ~_cut_sides(boxes, window, size)
        better |= np.where(cut, beyond >= 0, clear).all(axis=1) & (cut & (beyond > 0)).any(axis=1)
    return better


def _pairs(objects: _Objects, edges: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield two objects of one class that lie over each other and were found in different windows."""
    starts = np.searchsorted(objects.owners, np.arange(len(edges) + 1))
    overlapping = intersections(edges, edges) > 0
    for first, second in zip(*np.nonzero(np.triu(overlapping, 1)), strict=True):
        ours, theirs = (slice(starts[one], starts[one + 1]) for one in (first, second))
        same = objects.labels[ours, None] == objects.labels[None, theirs]
        over = same & (intersections(objects.boxes[ours], objects.boxes[theirs]) > 0)
        for one, other in zip(*np.nonzero(over), strict=True):
            yield int(one) + ours.start, int(other) + theirs.start


def _join_pieces(objects: _Objects, pairs: np.ndarray, edges: np.ndarray) -> _Groups:
    """Return pieces as one object each that agree where both of their windows look."""
    first, second = pairs.T
    shared = _overlaps(edges[objects.owners[first]], edges[objects.owners[second]])
    inside = [_overlaps(objects.boxes[part], shared) for part in (first, second)]
    both_cut = objects.cut[first].any(axis=1) & objects.cut[second].any(axis=1)
    joined = pairs[both_cut & (unions_shared(*inside) >= AGREEING)]
    of = _components(len(objects.boxes), joined)
    number = int(of.max(initial=-1)) + 1
    low, high, scores = np.full((number, 2), np.inf), np.full((number, 2), -np.inf), np.full(number, -np.inf)
    np.minimum.at(low, of, objects.boxes[:, :2])
    np.maximum.at(high, of, objects.boxes[:, 2:])
    np.maximum.at(scores, of, objects.scores)
    pieces = np.zeros(number, bool)
    pieces[of] = objects.cut.any(axis=1)
    return _Groups(of, np.hstack([low, high]), scores, pieces & (np.bincount(of, minlength=number) == 1))


def _components(count: int, joined: np.ndarray) -> np.ndarray:
    """Return for each of ``count`` pieces the number of the group that pairs ``joined`` (J, 2) make of them."""
    of = np.arange(count)
    while (of[joined[:, 0]] != of[joined[:, 1]]).any():
        least = of[joined].min(axis=1)
        np.minimum.at(of, joined[:, 0], least)
        np.minimum.at(of, joined[:, 1], least)
    return np.unique(of, return_inverse=True)[1]


def _without_doubles(groups: _Groups, pairs: np.ndarray) -> list[int]:
    """Return the groups that are no doubles and no parts of others, the best first; ``pairs`` (P, 2) are those that may be."""
    first, second = pairs.T
    same = unions_shared(groups.boxes[first], groups.boxes[second]) >= SAME_OBJECT
    rivals: dict[int, list[int]] = {}
    for place in np.flatnonzero((first != second) & (same | _is_part(groups, first, second) | _is_part(groups, second, first))):
        rivals.setdefault(int(first[place]), []).append(int(second[place]))
        rivals.setdefault(int(second[place]), []).append(int(first[place]))
    dropped: set[int] = set()
    # pieces come last: what is whole is not dropped for them
    for group in np.lexsort((-groups.scores, groups.pieces)).tolist():
        if group not in dropped:
            dropped.update(rivals.get(group, ()))
    best_first: list[int] = np.argsort(-groups.scores, kind="stable").tolist()
    return [group for group in best_first if group not in dropped]


def _is_part(groups: _Groups, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return bool (P,): whether groups ``one`` are pieces most of which lies in the groups ``other``."""
    boxes = groups.boxes[one]
    share = areas(_overlaps(boxes, groups.boxes[other])) / np.maximum(areas(boxes), 1e-9)
    part: np.ndarray = groups.pieces[one] & (share >= PART_OF_OBJECT)
    return part


def _overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return what boxes (..., 4) have in common, without area where that is nothing."""
    low, high = np.maximum(first[..., :2], second[..., :2]), np.minimum(first[..., 2:], second[..., 2:])
    return np.concatenate([low, np.maximum(low, high)], axis=-1)


def areas(boxes: np.ndarray) -> np.ndarray:
    """Return the areas (...) of boxes (..., 4)."""
    found: np.ndarray = (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1)
    return found


def intersections(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the areas (N, M) that boxes (N, 4) and (M, 4) have in common."""
    return areas(_overlaps(first[:, None], second[None]))


def unions_shared(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the intersection over union (P,) of pairs of boxes (P, 4)."""
    common = areas(_overlaps(first, second))
    shared: np.ndarray = common / np.maximum(areas(first) + areas(second) - common, 1e-9)
    return shared
