"""Charts of detections: how scores and sizes of right and wrong ones are spread, and which classes are taken for which."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pet.data.targets.dataset import ImageTruth
from pet.evaluation.detection_results import Detections
from pet.metrics.box_matching import IGNORED, match_boxes
from pet.visual.charts import Chart, Line, LineChart, make_calibration, make_confusion, make_histogram

OVERLAP = 0.5
WEAKEST = 0.02
"""Detections with lower scores are left out: detectors give a hundred of them for each image, which hide the others."""

BACKGROUND = "(nothing)"


class _Matched(NamedTuple):
    """Detections and objects of all images, those of one class matched with each other.

    Attributes:
        scores: (N,), of the detections that count.
        right: bool (N,).
        sizes: (M,), square roots of the areas of the objects, pixels.
        found: (M,), the score of the detection of each; 0: it was missed.
    """

    scores: np.ndarray
    right: np.ndarray
    sizes: np.ndarray
    found: np.ndarray


def chart_detections(truths: Sequence[ImageTruth], detections: Detections, classes: Sequence[str]) -> list[Chart]:
    """Return the charts of boxes at an intersection over union of 0.5; ``detections.images`` are places in ``truths``, ascending."""
    kept = detections.select(np.flatnonzero(detections.scores >= WEAKEST))
    bounds = np.searchsorted(kept.images, np.arange(len(truths) + 1))
    images = [kept.select(np.arange(first, last)) for first, last in zip(bounds, bounds[1:], strict=False)]
    matched = _join([_match_by_class(truth, found) for truth, found in zip(truths, images, strict=True)])
    if not len(matched.sizes) or not len(matched.scores):
        return []
    threshold, best = _best_threshold(matched)
    at_best = f"at the score {threshold:.2f}, where F1 is highest ({best:.0%})"
    sure = matched.found >= threshold
    return [
        make_histogram(
            "Scores of detections",
            "score",
            {"right": matched.scores[matched.right], "wrong": matched.scores[~matched.right]},
            note=f"Right: of the right class with an IoU of at least {OVERLAP:g}. Scores below {WEAKEST:g} are left out.",
        ),
        make_calibration(matched.scores, matched.right, what="detections"),
        make_histogram(
            "Sizes of objects",
            "square root of the area, pixels",
            {"found": matched.sizes[sure], "missed": matched.sizes[~sure]},
            note=f"Found: {at_best}.",
        ),
        _confusion(truths, images, classes, threshold, at_best),
    ]


def chart_precision(kind: str, recalls: np.ndarray, curves: dict[str, np.ndarray]) -> LineChart:
    """Return precision over recall, the mean over the classes, at several overlaps."""
    lines = [Line(name, recalls.tolist(), values.tolist()) for name, values in curves.items()]
    return LineChart(f"Precision and recall: {kind}", "recall", "precision", lines, note="The mean over the classes.")


def _match_by_class(truth: ImageTruth, found: Detections) -> _Matched:
    right, counts = np.zeros(len(found.scores), bool), np.ones(len(found.scores), bool)
    scores_of = np.zeros(len(truth.labels))
    for label in np.unique(found.labels):
        own = np.flatnonzero(found.labels == label)
        there = np.flatnonzero(truth.crowd | (truth.labels == label))
        places = match_boxes(truth.boxes[there], found.boxes[own], found.scores[own], ignored=truth.crowd[there], least=OVERLAP).places
        hits = places >= 0
        right[own], counts[own] = hits, places != IGNORED
        scores_of[there[places[hits]]] = found.scores[own[hits]]
    sizes = np.sqrt(np.maximum(truth.areas, 0))
    return _Matched(found.scores[counts], right[counts], sizes[~truth.crowd], scores_of[~truth.crowd])


def _join(parts: Sequence[_Matched]) -> _Matched:
    return _Matched(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _best_threshold(matched: _Matched) -> tuple[float, float]:
    """Return the score from which on detections have the highest F1, and that."""
    order = np.argsort(-matched.scores, kind="stable")
    hits = np.cumsum(matched.right[order])
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + len(matched.sizes))
    place = int(f1.argmax())
    return float(matched.scores[order[place]]), float(f1[place])


def _confusion(truths: Sequence[ImageTruth], images: Sequence[Detections], classes: Sequence[str], threshold: float, when: str) -> Chart:
    """Return which class objects were taken for, boxes matched whatever their class."""
    counts = np.zeros((len(classes) + 1, len(classes) + 1), np.int64)
    nothing = len(classes)
    for truth, found in zip(truths, images, strict=True):
        kept = found.scores >= threshold
        places = match_boxes(truth.boxes, found.boxes[kept], found.scores[kept], ignored=truth.crowd, least=OVERLAP).places
        labels, hits = found.labels[kept], places >= 0
        np.add.at(counts, (truth.labels[places[hits]], labels[hits]), 1)
        np.add.at(counts[nothing], labels[places == -1], 1)
        missed = ~truth.crowd
        missed[places[hits]] = False
        np.add.at(counts[:, nothing], truth.labels[missed], 1)
    note = f"Detections {when}. Last column: missed objects; last row: detections where there is nothing."
    return make_confusion("Confusion of boxes", [*classes, BACKGROUND], counts, note=note)
