"""Which found box is which true one: a matching in the order of the scores, for pictures and histograms of mistakes."""

from typing import NamedTuple

import numpy as np

NOTHING, IGNORED = -1, -2
"""In place of a true box: none fits; it lies on a region that does not count."""


class BoxMatches(NamedTuple):
    """What became of N found boxes.

    Attributes:
        places: int64 (N,), the true box of each, :data:`NOTHING` or :data:`IGNORED`.
        overlaps: float64 (N,), intersection over union with it.
    """

    places: np.ndarray
    overlaps: np.ndarray


def match_boxes(truth: np.ndarray, found: np.ndarray, scores: np.ndarray, *, ignored: np.ndarray, least: float = 0.5) -> BoxMatches:
    """Return which true box each found one takes; the highest score chooses first, and a true box is taken once.

    Args:
        truth: (M, 4), XYXY.
        found: (N, 4), XYXY.
        scores: (N,).
        ignored: bool (M,), true regions that excuse what lies on them and may be taken more than once.
        least: intersection over union from which two boxes are the same object.
    """
    places, best = np.full(len(found), NOTHING, np.int64), np.zeros(len(found))
    if not len(truth) or not len(found):
        return BoxMatches(places, best)
    overlaps = box_overlaps(found, truth)
    free = np.ones(len(truth), bool)
    for place in np.argsort(-scores, kind="stable"):
        own = np.where(free & ~ignored, overlaps[place], 0.0)
        target = int(own.argmax())
        if own[target] >= least:
            places[place], best[place], free[target] = target, own[target], False
        elif ignored.any() and overlaps[place][ignored].max() >= least:
            places[place] = IGNORED
    return BoxMatches(places, best)


def box_overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the intersection over union (N, M) of boxes (N, 4) and (M, 4), XYXY; 0 where one has no area."""
    first, second = first.astype(np.float64), second.astype(np.float64)
    lower = np.maximum(first[:, None, :2], second[None, :, :2])
    upper = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.prod(np.clip(upper - lower, 0, None), axis=2)
    areas = np.prod(first[:, 2:] - first[:, :2], axis=1)[:, None] + np.prod(second[:, 2:] - second[:, :2], axis=1)[None] - shared
    overlaps: np.ndarray = np.divide(shared, areas, out=np.zeros_like(shared), where=areas > 0)
    return overlaps


def average_precision(scores: np.ndarray, right: np.ndarray, count: int) -> float:
    """Return the area below precision over recall of found boxes, ``right`` bool (N,), when ``count`` > 0 were to be found."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    precision = hits / np.arange(1, len(hits) + 1)
    return float((precision * right[order]).sum() / count)
