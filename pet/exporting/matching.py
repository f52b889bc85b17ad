"""Whether two lists of detections, or of dots, are the same."""

from collections.abc import Sequence

import numpy as np

from pet.exporting.verify import relative_difference
from petlib.errors import ConfigError

AT_LEAST = 10
"""Detections of an image that are compared where none reaches the score."""
SAME_PLACES = 0.9
"""Share of keypoints whose places have to agree."""
SAME_CELLS = 0.999
"""Share of the cells of surfaces that have to agree."""
SAME_DOTS = 0.999
"""Share of the dots that have to lie inside of the image, or outside, on both sides."""


class DetectionDifference:
    """Compares the outputs of detectors: ``boxes`` (N, 4) XYXY, ``scores`` (N,), ``labels`` (N,), and further ones with a row for each.

    The order may differ where scores hardly do. Every detection from a score on is paired with one of its class on the other side, the
    nearest in box and score; the difference is the greatest one of all pairs and outputs, and infinite where a detection has no
    partner. Outputs above 1, boxes among them, are compared by their share of the largest value. Outputs after those of
    objects are compared as they are.

    Args:
        score: from which detections are compared; where an image has none, its best ten are.
        per_object: how many outputs have a row for each detection.
        keypoints: place of the keypoints among them; None: there are none.
        surface: place of the surfaces among them; None: there are none.

    Attributes:
        compared: detections that were paired.
    """

    def __init__(self, *, score: float, per_object: int, keypoints: int | None = None, surface: int | None = None) -> None:
        assert per_object >= 3, "boxes, scores and labels"
        self.score = score
        self.per_object = per_object
        self.own_measures = {keypoints: keypoint_difference, surface: surface_difference}
        self.compared = 0

    def __call__(self, found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
        """Return the greatest difference."""
        objects, others = slice(0, self.per_object), slice(self.per_object, None)
        differences = [relative_difference(one, other) for one, other in zip(found[others], expected[others], strict=True)]
        differences.append(self._one_way(expected[objects], found[objects]))
        differences.append(self._one_way(found[objects], expected[objects]))
        return max(differences, key=lambda value: (np.isnan(value), value))

    def describe(self) -> str:
        """Return how many pairs were compared, for a report.

        Raises:
            ConfigError: none were, so that nothing is known of the file.
        """
        if not self.compared:
            raise ConfigError(
                "none of the compared inputs has a detection, so that nothing is known of the file; nothing was written. Name test data "
                "with objects (build_evaluation.dataset, export_model.samples), and weights of a training that has found some"
            )
        return f"{self.compared // 2} pairs of detections"

    def _one_way(self, wanted: Sequence[np.ndarray], given: Sequence[np.ndarray]) -> float:
        """Return the greatest difference of the detections of ``wanted`` to their partners."""
        scores = wanted[1]
        # what is no number is compared as well
        rows = np.flatnonzero(~(scores < self.score))
        if not len(rows):
            rows = np.arange(len(scores))
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        if (scores[rows] < self.score).all():
            rows = rows[:AT_LEAST]
        free = np.ones(len(given[1]), bool)
        partners = []
        for row in rows:
            partner = _partner(int(row), wanted, given, free)
            if partner is None:
                return float("inf")
            free[partner] = False
            partners.append(partner)
        self.compared += len(rows)
        chosen = np.asarray(partners, np.int64)
        pairs = [(two[chosen], one[rows]) for one, two in zip(wanted, given, strict=True)]
        differences = [self.own_measures.get(place, relative_difference)(*pair) for place, pair in enumerate(pairs)]
        return max(differences, key=lambda value: (np.isnan(value), value))


class DotsDifference:
    """Compares the outputs of networks that find dots: ``count`` (B,), ``dots`` (B, P, 2) and ``dot_scores`` (B, P), and others.

    The last digits of a place decide whether a dot at the border of the image has a score or 0. So a thousandth of the scores, and
    always one, may be 0 on one side only. Counts are compared by :func:`count_difference`, and all else as it is.

    Args:
        threshold: score from which a dot counts.
        place: of ``count`` among the outputs; ``dots`` and ``dot_scores`` follow it.
    """

    def __init__(self, *, threshold: float, place: int) -> None:
        self.threshold = threshold
        self.place = place

    def __call__(self, found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
        """Return the greatest difference."""
        (count, _, scores), (right_count, _, right_scores) = (outputs[self.place : self.place + 3] for outputs in (found, expected))
        own = (self.place, self.place + 2)
        differences = [relative_difference(*pair) for place, pair in enumerate(zip(found, expected, strict=True)) if place not in own]
        if count.shape != right_count.shape or scores.shape != right_scores.shape:
            return float("inf")
        at_border = (scores == 0) != (right_scores == 0)
        if at_border.sum() > max(1, at_border.size * (1 - SAME_DOTS)):
            at_border[:] = False
        differences.append(relative_difference(scores[~at_border], right_scores[~at_border]))
        differences.append(count_difference(count, right_count, right_scores, self.threshold, at_border.sum(axis=1)))
        return max(differences, key=lambda value: (np.isnan(value), value))


def count_difference(found: np.ndarray, expected: np.ndarray, scores: np.ndarray, threshold: float, free: np.ndarray) -> float:
    """Return by how much scores (B, P) would have to change for counts (B,) to be those that were found: infinite where none would do.

    A count is the number of scores above a threshold. Where it differs by n this is the distance of the n-th nearest score to the
    threshold, without as many dots of the image as ``free`` (B,) says.
    """
    apart = np.maximum(np.abs(found.astype(np.float64) - expected) - free, 0)
    nearest = np.sort(np.abs(scores.astype(np.float64) - threshold), axis=1)
    return max((_distance(float(count), own) for count, own in zip(apart, nearest, strict=True)), default=0.0)


def _distance(count: float, nearest: np.ndarray) -> float:
    if count == 0:
        return 0.0
    # no number, and no whole one, is a count
    return float(nearest[int(count) - 1]) if count in range(1, len(nearest) + 1) else float("inf")


def keypoint_difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference of keypoints (N, K, 3): x, y and height of a heatmap.

    A heatmap can have two places of one height. So for a tenth of the keypoints the difference of the height counts where that of the
    place is larger.
    """
    if found.shape != expected.shape or not found.size:
        return relative_difference(found, expected)
    heights = np.abs(found[..., 2] - expected[..., 2]) / max(float(np.abs(expected[..., 2]).max()), 1.0)
    places = np.abs(found[..., :2] - expected[..., :2]).max(axis=-1) / max(float(np.abs(expected[..., :2]).max()), 1.0)
    return float(max(np.quantile(places, SAME_PLACES), np.minimum(places, heights).max(), heights.max()))


def surface_difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the difference that all but a thousandth of the cells of surfaces, uint8 (N, 3, M, M), keep below, from 0 to 1.

    Parts that differ count 1: where two are equally probable, either may be found. u and v are rounded to 255ths, so one does not count.
    """
    if found.shape != expected.shape or not found.size:
        return relative_difference(found, expected)
    apart = np.abs(found.astype(np.int64) - expected)
    steps = np.maximum(apart[:, 1:].max(axis=1) - 1, 0) / 255
    return float(np.quantile(np.where(apart[:, 0] > 0, 1.0, steps), SAME_CELLS, method="lower"))


def _partner(row: int, wanted: Sequence[np.ndarray], given: Sequence[np.ndarray], free: np.ndarray) -> int | None:
    """Return the place of the free detection of the same class that is nearest in box and score; None: there is none."""
    same = np.flatnonzero((given[2] == wanted[2][row]) & free)
    if not len(same):
        return None
    scale = max(float(np.abs(wanted[0]).max(initial=1.0)), 1.0)
    distance = np.abs(given[0][same] - wanted[0][row]).max(axis=1) / scale + np.abs(given[1][same] - wanted[1][row])
    return int(same[distance.argmin()])
