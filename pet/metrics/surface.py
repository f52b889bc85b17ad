"""How well points of surfaces are found: geodesic point similarity and its average precision.

The rules are those of DensePose-COCO's evaluation (https://github.com/facebookresearch/detectron2/tree/main/projects/DensePose) with
what is odd about them: marked points count 255ths of their box, not 256ths; places in found boxes are cut to whole pixels towards
zero; u and v are read in 255ths; in images without a marked object nothing that is found counts; and boxes that overlap an object by 0.8
without a match at the last threshold are ignored, or not, at all thresholds, as that object is.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from pycocotools import mask as coco_mask
from scipy.ndimage import zoom

from pet.structures.surface_files import Box, surface_pixels
from pet.structures.surfaces import SurfaceMesh

Measure = Literal["gps", "gpsm"]
THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
MOST_DETECTIONS = 20
AREAS = {"": (0.0, 1e10), "m": (32.0**2, 96.0**2), "l": (96.0**2, 1e10)}
"""Ending of a figure's name -> least and greatest area of its people, square pixels."""
SAME_BOX = 0.8
MARKED_CELLS = 255.0


class MarkedObject(NamedTuple):
    """An object of the truth.

    Attributes:
        box: x, y, width, height, pixels.
        area: square pixels.
        crowd: it is a crowd region.
        points: float64 (Q, 5), x and y in 256ths of the box, part, u, v; None: it is not marked, and ignored.
        mask: compressed RLE of 256 x 256 pixels over the box; None: not known.
    """

    box: Box
    area: float
    crowd: bool
    points: np.ndarray | None = None
    mask: dict[str, Any] | None = None


class FoundObject(NamedTuple):
    """A detection.

    Attributes:
        box: x, y, width, height, pixels.
        score: from 0 to 1.
        surface: uint8 (3, M, M) over the box: part, u and v in 255ths.
    """

    box: Box
    score: float
    surface: np.ndarray


class SurfaceOverlaps(NamedTuple):
    """All that the precision needs of an image and a class: D detections, best first, and G objects.

    Attributes:
        scores: (D,).
        found_areas: (D,), of the boxes.
        similarity: geodesic point similarity (D, G), 0 for objects that are not marked.
        mask_iou: (D, G).
        box_iou: (D, G).
        marked: bool (G,).
        crowd: bool (G,).
        areas: (G,).
    """

    scores: np.ndarray
    found_areas: np.ndarray
    similarity: np.ndarray
    mask_iou: np.ndarray
    box_iou: np.ndarray
    marked: np.ndarray
    crowd: np.ndarray
    areas: np.ndarray


def point_similarity(found: FoundObject, pixels: np.ndarray, marked: MarkedObject, mesh: SurfaceMesh, truth: np.ndarray) -> float:
    """Return the geodesic point similarity of a detection and an object: the mean over its points of exp(-d^2 / (2 spread^2)).

    A point outside of the found box, or on its background, counts 0.

    Args:
        found: the detection.
        pixels: what :func:`surface_pixels` gives for it.
        marked: the object, with points.
        mesh: of the surface.
        truth: the chart points of the object's points.
    """
    assert marked.points is not None, "objects without points have no similarity"
    offsets = marked.points[:, :2] * marked.box[2:] / MARKED_CELLS + marked.box[:2] - np.array(found.box[:2])
    columns, rows = offsets.astype(np.int64).T
    # the size of the box, not of the pixels: a box narrower than a pixel holds no point
    inside = (columns >= 0) & (rows >= 0) & (columns < int(found.box[2])) & (rows < int(found.box[3]))
    if not inside.any():
        return 0.0
    read = pixels[:, np.where(inside, rows, 0), np.where(inside, columns, 0)]
    parts = np.where(inside, read[0], 0).astype(np.int64)
    places = mesh.chart_points(parts, read[1:].T / 255.0)
    known, hit = truth >= 0, (truth >= 0) & (places >= 0)
    similar = np.zeros(len(truth), np.float64)
    distances = mesh.distances.between(mesh.vertex[truth[hit]], mesh.vertex[places[hit]])
    similar[hit] = np.exp(-(distances**2) / (2 * mesh.spread[mesh.part[truth[hit]]] ** 2))
    return float(similar[known].mean()) if known.any() else 0.0


def overlaps(found: Sequence[FoundObject], objects: Sequence[MarkedObject], mesh: SurfaceMesh, size: tuple[int, int]) -> SurfaceOverlaps:
    """Return how detections and objects of one image and class fit, for the best 20 detections.

    Args:
        found: in any order.
        objects: all of the image, also those that are ignored.
        mesh: of the surface.
        size: (height, width) of the image.
    """
    found = sorted(found, key=lambda one: -one.score)[:MOST_DETECTIONS]
    pixels = [surface_pixels(one.surface, one.box) for one in found]
    crowd = np.array([one.crowd for one in objects], bool)
    similarity = np.zeros((len(found), len(objects)))
    for column, own in enumerate(objects):
        if own.points is not None and len(own.points):
            truth = mesh.chart_points(own.points[:, 2].astype(np.int64), own.points[:, 3:])
            for row, one in enumerate(found):
                similarity[row, column] = point_similarity(one, pixels[row], own, mesh, truth)
    empty = np.zeros((len(found), len(objects)))
    ignored = [int(is_crowd) for is_crowd in crowd]
    both = bool(found) and bool(objects)
    masks = [_rle(own[0] > 0, one.box, size) for one, own in zip(found, pixels, strict=True)]
    return SurfaceOverlaps(
        scores=np.array([one.score for one in found], np.float64),
        found_areas=np.array([one.box[2] * one.box[3] for one in found], np.float64),
        similarity=similarity,
        mask_iou=np.asarray(coco_mask.iou(masks, [_truth_rle(one, size) for one in objects], ignored)) if both else empty,
        box_iou=np.asarray(coco_mask.iou([list(one.box) for one in found], [list(one.box) for one in objects], ignored)) if both else empty,
        marked=np.array([one.points is not None for one in objects], bool),
        crowd=crowd,
        areas=np.array([one.area for one in objects], np.float64),
    )


def _truth_rle(own: MarkedObject, size: tuple[int, int]) -> Any:
    if own.mask is None:
        return _rle(np.zeros((0, 0), bool), own.box, size)
    mask = coco_mask.decode(own.mask).astype(np.float64)
    scales = max(own.box[3], 1.0) / mask.shape[0], max(own.box[2], 1.0) / mask.shape[1]
    return _rle(zoom(mask, scales, order=1, prefilter=False) > 0.5, own.box, size)


def _rle(mask: np.ndarray, box: Box, size: tuple[int, int]) -> Any:
    """Return the RLE of an image that has a mask at the whole pixel in which its box begins."""
    image = np.zeros(size, np.uint8, order="F")
    left, top = int(box[0]), int(box[1])
    right = min(int(box[0] + box[2]), size[1], left + mask.shape[1])
    bottom = min(int(box[1] + box[3]), size[0], top + mask.shape[0])
    if right > max(left, 0) and bottom > max(top, 0):
        image[max(top, 0) : bottom, max(left, 0) : right] = mask[max(-top, 0) : bottom - top, max(-left, 0) : right - left]
    return coco_mask.encode(image)


class _Matches(NamedTuple):
    """Of an image: bool (T, D), which detections are matched and which ignored, and bool (G,), which objects are."""

    matched: np.ndarray
    ignored: np.ndarray
    ignored_objects: np.ndarray


def _match(image: SurfaceOverlaps, measure: Measure, area: tuple[float, float]) -> _Matches:
    """Return which detections are right at each threshold, in the order of their scores."""
    left_out = ~image.marked | (image.areas < area[0]) | (image.areas > area[1])
    order = np.argsort(left_out, kind="stable")
    skipped, crowd, box_iou = left_out[order], image.crowd[order], image.box_iou[:, order]
    similarity = image.similarity[:, order]
    if measure == "gpsm":
        similarity = np.sqrt(image.mask_iou[:, order] * similarity)
    count, objects = similarity.shape
    matched, taken = np.zeros((len(THRESHOLDS), count), bool), np.zeros((len(THRESHOLDS), objects), bool)
    ignored = np.full((len(THRESHOLDS), count), bool(skipped.all()))
    for level, threshold in enumerate(THRESHOLDS):
        for row in range(count if objects else 0):
            best = _best(similarity[row], min(threshold, 1 - 1e-10), taken[level] & ~crowd, skipped)
            if best >= 0:
                matched[level, row] = taken[level, best] = True
                ignored[level, row] = skipped[best]
    for row in np.flatnonzero(~matched[-1]).tolist() if objects else []:
        free = np.where(taken[-1] & ~crowd, -1.0, box_iou[row])
        # of equal ones the last
        best = objects - 1 - int(free[::-1].argmax())
        if free[best] >= SAME_BOX:
            ignored[:, row] = skipped[best]
            if skipped[best]:
                matched[-1, row] = taken[-1, best] = True
    outside = (image.found_areas < area[0]) | (image.found_areas > area[1])
    return _Matches(matched, ignored | (~matched & outside), skipped)


def _best(similarity: np.ndarray, threshold: float, taken: np.ndarray, skipped: np.ndarray) -> int:
    """Return the free object of the greatest similarity from the threshold on, the last of equal ones; -1: none. Ignored ones come last."""
    usable = ~taken & (similarity >= threshold) & (similarity > 0)
    for group in (usable & ~skipped, usable & skipped):
        if group.any():
            values = np.where(group, similarity, -1.0)
            return len(values) - 1 - int(values[::-1].argmax())
    return -1


def surface_precision(images: Sequence[Sequence[SurfaceOverlaps]], measure: Measure) -> dict[str, float]:
    """Return ``AP``, ``AP50``, ``AP75``, ``APm``, ``APl``, ``AR``, ``AR50``, ``AR75``, ``ARm``, ``ARl``, from 0 to 1; NaN: nothing to find.

    Args:
        images: for each class its images, in the order of the data set.
        measure: ``gps``, the similarity of the points, or ``gpsm``, the root of its product with the overlap of the masks.
    """
    figures: dict[str, float] = {}
    for ending, area in AREAS.items():
        tables = [table for of_class in images if (table := _tables(of_class, measure, area)) is not None]
        for letter, place in (("AP", 0), ("AR", 1)):
            values = [table[place] for table in tables]
            figures[f"{letter}{ending}"] = float(np.mean(values)) if values else math.nan
            if not ending:
                figures |= {
                    f"{letter}{round(100 * THRESHOLDS[level])}": float(np.mean([one[level] for one in values])) if values else math.nan
                    for level in (0, 5)
                }
    return figures


def _tables(images: Sequence[SurfaceOverlaps], measure: Measure, area: tuple[float, float]) -> tuple[np.ndarray, np.ndarray] | None:
    """Return precision (T, 101) and recall (T,) of a class; None: there is nothing to find."""
    matches = [_match(image, measure, area) for image in images]
    wanted = sum(int((~one.ignored_objects).sum()) for one in matches)
    if not wanted:
        return None
    order = np.argsort(-np.concatenate([image.scores for image in images]), kind="stable")
    matched = np.concatenate([one.matched for one in matches], axis=1)[:, order]
    ignored = np.concatenate([one.ignored for one in matches], axis=1)[:, order]
    right, wrong = (np.cumsum(chosen & ~ignored, axis=1, dtype=np.float64) for chosen in (matched, ~matched))
    recall = right / wanted
    precision = np.maximum.accumulate((right / (right + wrong + np.spacing(1)))[:, ::-1], axis=1)[:, ::-1]
    table = np.zeros((len(THRESHOLDS), len(RECALLS)))
    for level in range(len(THRESHOLDS)):
        places = np.searchsorted(recall[level], RECALLS, side="left")
        reached = places < recall.shape[1]
        table[level, reached] = precision[level, places[reached]]
    return table, recall[:, -1] if recall.shape[1] else np.zeros(len(THRESHOLDS))
