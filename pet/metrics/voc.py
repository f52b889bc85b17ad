"""Average precision as the PASCAL VOC challenge defines it (http://host.robots.ox.ac.uk/pascal/VOC/voc2012/devkit_doc.pdf)."""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

Way = Literal["area", "11point"]


class VocTruth(NamedTuple):
    """The M objects of all images.

    Attributes:
        images: int64 (M,), number of the image.
        boxes: floating point (M, 4), XYXY, absolute pixels, continuous coordinates (a box from x to x + 1 is one pixel wide).
        labels: int64 (M,), classes from 0.
        difficult: bool (M,); such an object need not be found, and finding it is no mistake.
    """

    images: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    difficult: np.ndarray


class VocDetections(NamedTuple):
    """The N detections in all images.

    Attributes:
        images: int64 (N,), number of the image.
        boxes: floating point (N, 4), as in :class:`VocTruth`.
        scores: floating point (N,); of equal ones the earlier detection counts as the better.
        labels: int64 (N,), classes from 0.
    """

    images: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class VocResult:
    """What VOC measures.

    Attributes:
        mean: mean of the classes' average precision, from 0 to 1; NaN where no class has ground truth.
        per_class: label -> average precision; classes without ground truth that is not difficult are left out.
    """

    mean: float
    per_class: dict[int, float]


def voc_precision(truth: VocTruth, detections: VocDetections, *, way: Way = "area", iou: float = 0.5) -> VocResult:
    """Return the average precision of every class.

    Each detection belongs to the object of its class that it overlaps most. The best detection of an object is right,
    further ones of the same object are wrong; those of difficult objects do not count.

    Args:
        truth: the objects.
        detections: what was found.
        way: ``area`` below the curve of precision over recall, made monotonic (VOC 2010 and later), or the mean precision
            at the 11 recalls 0, 0.1, ..., 1 (``11point``, VOC 2007).
        iou: intersection over union from which an object is found.
    """
    per_class = {}
    for label in np.unique(truth.labels[~truth.difficult]).tolist():
        objects = VocTruth(*(values[truth.labels == label] for values in truth))
        found = VocDetections(*(values[detections.labels == label] for values in detections))
        order = np.argsort(-found.scores, kind="stable")
        right, counts = _match(objects, VocDetections(*(values[order] for values in found)), iou)
        hits = np.cumsum(right[counts])
        recall = hits / np.count_nonzero(~objects.difficult)
        precision = hits / np.arange(1, len(hits) + 1)
        per_class[label] = _area(recall, precision) if way == "area" else _mean_of_eleven(recall, precision)
    return VocResult(float(np.mean(list(per_class.values()))) if per_class else math.nan, per_class)


def _match(objects: VocTruth, found: VocDetections, iou: float) -> tuple[np.ndarray, np.ndarray]:
    """Return which detections (of one class, the best first) are right, and which of them count at all; both bool (N,)."""
    nearest, overlap = _nearest_objects(objects, found)
    matched = overlap >= iou
    counts = ~matched
    counts[matched] = ~objects.difficult[nearest[matched]]
    # the first detection in the order of the scores takes the object
    places = np.flatnonzero(matched & counts)
    _, first = np.unique(nearest[places], return_index=True)
    right = np.zeros(len(matched), dtype=bool)
    right[places[first]] = True
    return right, counts


def _nearest_objects(objects: VocTruth, found: VocDetections) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each detection, the place of the object of its image that it overlaps most, and the IoU; 0 where there is none."""
    order = np.argsort(objects.images, kind="stable")
    images = objects.images[order]
    first = np.searchsorted(images, found.images, side="left")
    number = np.searchsorted(images, found.images, side="right") - first
    # all pairs of a detection and an object of its image, without a loop over the images
    detection = np.repeat(np.arange(len(number)), number)
    begin = np.cumsum(number) - number
    candidate = order[np.arange(len(detection)) - begin[detection] + first[detection]]
    overlaps = _pairwise_iou(found.boxes[detection], objects.boxes[candidate])
    nearest, best = np.zeros(len(number), dtype=np.int64), np.zeros(len(number))
    # written from the least to the greatest overlap, of equal ones the first object last
    ranking = np.lexsort((-np.arange(len(overlaps)), overlaps))
    nearest[detection[ranking]] = candidate[ranking]
    best[detection[ranking]] = overlaps[ranking]
    return nearest, best


def _pairwise_iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    boxes, others = boxes.astype(np.float64), others.astype(np.float64)
    sides = np.minimum(boxes[:, 2:], others[:, 2:]) - np.maximum(boxes[:, :2], others[:, :2])
    intersection = sides.clip(min=0).prod(axis=1)
    union = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (others[:, 2:] - others[:, :2]).prod(axis=1) - intersection
    overlaps: np.ndarray = np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
    return overlaps


def _area(recall: np.ndarray, precision: np.ndarray) -> float:
    steps = np.diff(recall, prepend=0.0)
    highest_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float((steps * highest_from_here).sum())


def _mean_of_eleven(recall: np.ndarray, precision: np.ndarray) -> float:
    # half a rounding error, so that a recall of 3 / 10 reaches 0.3
    reached = [precision[recall >= wanted - 1e-9] for wanted in np.linspace(0, 1, 11)]
    return float(np.mean([values.max(initial=0.0) for values in reached]))
