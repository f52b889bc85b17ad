"""How precisely positions are found, measured in distances between neighbours: density normalised average precision.

Source: Song et al., 2021 (https://arxiv.org/abs/2107.12746), section 3.2.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

NEIGHBOURS = 3
"""Of a true dot, the mean of whose distances is its unit."""
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 11))
"""Shares of that unit up to which a found dot is right; the mean over all of them is the figure without a threshold."""


class RankedDots(NamedTuple):
    """The found dots of an image and which of them are right.

    Attributes:
        scores: float64 (M,), descending.
        right: bool (T, M), at each of :data:`THRESHOLDS`.
        truth: number of true dots.
    """

    scores: np.ndarray
    right: np.ndarray
    truth: int


def rank_dots(found: np.ndarray, scores: np.ndarray, truth: np.ndarray, size: tuple[int, int]) -> RankedDots:
    """Return which found dots are right: from the highest score on, each takes the nearest free true dot, measured in units of that.

    Args:
        found: (M, 2), x, y, pixels.
        scores: (M,).
        truth: (N, 2), likewise.
        size: (height, width) of the image: its shorter edge is the unit of a dot without neighbours.
    """
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    found = np.asarray(found, np.float64).reshape(-1, 2)[order]
    truth = np.asarray(truth, np.float64).reshape(-1, 2)
    right = np.zeros((len(THRESHOLDS), len(found)), bool)
    if len(found) and len(truth):
        candidates = _candidates(found, truth, _units(truth, float(min(size))))
        for own, threshold in zip(right, THRESHOLDS, strict=True):
            taken = np.zeros(len(truth), bool)
            for place, near in candidates:
                chosen = next((dot for share, dot in near if share <= threshold and not taken[dot]), None)
                if chosen is not None:
                    taken[chosen] = own[place] = True
    return RankedDots(np.asarray(scores, np.float64)[order], right, len(truth))


def average_precisions(images: Sequence[RankedDots]) -> np.ndarray:
    """Return the area below the curve of precision over recall of all images at each of :data:`THRESHOLDS`; NaN without a true dot."""
    truth = sum(image.truth for image in images)
    if not truth:
        return np.full(len(THRESHOLDS), np.nan)
    scores = np.concatenate([image.scores for image in images])
    right = np.concatenate([image.right for image in images], axis=1)[:, np.argsort(-scores, kind="stable")]
    precisions = right.cumsum(axis=1) / np.arange(1, right.shape[1] + 1)
    # no smaller than at any greater recall
    precisions = np.maximum.accumulate(precisions[:, ::-1], axis=1)[:, ::-1]
    areas: np.ndarray = (precisions * right).sum(axis=1) / truth
    return areas


def _units(truth: np.ndarray, alone: float) -> np.ndarray:
    """Return the mean distance (N,) of each dot to its nearest neighbours, of which there may be fewer than three."""
    count = min(NEIGHBOURS, len(truth) - 1)
    if not count:
        return np.full(len(truth), alone)
    distances, _ = cKDTree(truth).query(truth, k=count + 1)
    units: np.ndarray = distances[:, 1:].mean(axis=1)
    return units


def _candidates(found: np.ndarray, truth: np.ndarray, units: np.ndarray) -> list[tuple[int, list[tuple[float, int]]]]:
    """Return of each found dot that is near to true ones these, with the distance in their units, the nearest first."""
    near: dict[int, list[tuple[float, int]]] = {}
    for dot, places in enumerate(cKDTree(found).query_ball_point(truth, units * THRESHOLDS[-1])):
        for place in places:
            distance = float(np.hypot(*(found[place] - truth[dot])))
            # two dots at one place have no distance to be measured in
            near.setdefault(place, []).append((distance / float(units[dot]) if units[dot] else 0.0, dot))
    return [(place, sorted(near[place])) for place in sorted(near)]
