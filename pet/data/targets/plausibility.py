"""What the objects of many images say together: numbers that can be read, and cannot be meant."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pet.data.targets.boxes import NO_OBJECTS
from pet.data.targets.dataset import ImageTruth
from pet.data.targets.kinds import sample_size
from pet.data.targets.observation import Found, evidence_of_box
from petlib.data.protocols import Sample

OTHER_FORM = "boxes do not fit their images"
SHARES = "boxes lie within one pixel"
REPEATED = "objects are given more than once"
WRONG_AREA = "the area of objects cannot be theirs"
ELSEWHERE = {"outlines": "outlines lie elsewhere than their boxes", "keypoints": "keypoints lie elsewhere than their boxes"}

LEAVING_SHARE = 0.05
"""Some boxes of any data reach out of their images; from this share on another way to write them is tried."""

MOST_LEAVING = 0.2
FITTING_SHARE = 0.995
DOUBTFUL_SHARE = 0.05
"""Objects, of all, from which a finding is no slip of the pen."""


class _Objects(NamedTuple):
    """The N objects of an image, or of all.

    Attributes:
        boxes: float64 (N, 4), XYXY, as the files have them.
        sizes: float64 (N, 2): width and height of the image of each.
        areas: float64 (N,).
        repeated: bool (N,): the same box and class came before in the image.
        outlines: float64 (N, 4), XYXY around all polygons; NaN: there are none, or it is no polygon.
        keypoints: float64 (N, 4), XYXY around all labelled keypoints; NaN likewise.
        images: int64 (N,), which image.
    """

    boxes: np.ndarray
    sizes: np.ndarray
    areas: np.ndarray
    repeated: np.ndarray
    outlines: np.ndarray
    keypoints: np.ndarray
    images: np.ndarray


class ObjectLook:
    """Collects the objects of images, crowd regions left out, and says what is implausible about all of them.

    ``check.py`` shows it every image, the first look of a training some of them.

    Attributes:
        images: number of images that were looked at.
    """

    def __init__(self) -> None:
        self.images = 0
        self._files: list[str] = []
        self._parts: list[_Objects] = []

    def add(self, truth: ImageTruth) -> None:
        """Look at an image."""
        self.images += 1
        self._files.append(truth.file)
        chosen = np.flatnonzero(~truth.crowd)
        if len(chosen):
            boxes, count = truth.boxes[chosen].astype(np.float64), len(chosen)
            self._parts.append(
                _Objects(
                    boxes,
                    np.full((count, 2), (truth.width, truth.height), np.float64),
                    truth.areas[chosen].astype(np.float64),
                    _repeated(boxes, truth.labels[chosen]),
                    _around_outlines(truth, chosen),
                    _around_keypoints(truth, chosen),
                    np.full(count, self.images - 1),
                )
            )

    def findings(self) -> Iterator[Found]:
        """Yield what is implausible, with the likely cause and what to do."""
        if not self._parts:
            if self.images:
                yield NO_OBJECTS, f"{self.images} images were looked at", False
            return
        objects = _Objects(*(np.concatenate(columns) for columns in zip(*self._parts, strict=True)))
        for kind, chosen, cause in _doubts(objects):
            first = int(np.flatnonzero(chosen)[0])
            box = ", ".join(f"{value:g}" for value in objects.boxes[first].round(3))
            example = f"the first: left, top, right, bottom {box} in {self._files[objects.images[first]]}"
            evidence = evidence_of_box(objects.boxes[first])._replace(files=(self._files[objects.images[first]],))
            yield kind, f"{np.count_nonzero(chosen):,} of {len(chosen):,} objects ({example}): {cause}", False, evidence


def truth_of_sample(sample: Sample) -> ImageTruth:
    """Return the objects of a sample of data that give no truth; ``sample`` has boxes."""
    boxes, (height, width) = sample["boxes"], sample_size(sample)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    crowd, keypoints = np.zeros(len(boxes), bool), sample.get("keypoints")
    meta = sample["meta"]
    return ImageTruth(
        meta.get("id", 0), str(meta.get("file", "a sample")), height, width, boxes, sample["labels"], crowd, areas, None, keypoints
    )


def _doubts(objects: _Objects) -> Iterator[tuple[str, np.ndarray, str]]:
    """Yield kind of finding, bool (N,): the objects concerned, and cause with advice."""
    boxes, extents = objects.boxes, objects.boxes[:, 2:] - objects.boxes[:, :2]
    shares = np.asarray((boxes[:, :2] <= 1.001).all(axis=1) & (extents <= 1.001).all(axis=1) & (objects.sizes > 2).all(axis=1))
    if shares.mean() >= 1 - DOUBTFUL_SHARE:
        form = "" if (boxes[:, 2:] <= 1.001).all() else ", and write [left, top, width, height]"
        yield SHARES, shares, f"they are shares of width and height, as YOLO writes them; multiply them by the size of the image{form}"
        return
    leaving = np.asarray((boxes[:, :2] < -1).any(axis=1) | (boxes[:, 2:] > objects.sizes + 1).any(axis=1))
    if leaving.mean() >= LEAVING_SHARE and (cause := _cause_of_leaving(objects, float(leaving.mean()))):
        yield OTHER_FORM, leaving, cause
    if objects.repeated.any():
        yield REPEATED, objects.repeated, "the same box and class again in one image; leave the repetitions out, or they count as missed"
    wrong = _wrong_areas(objects.areas, extents.prod(axis=1))
    if wrong.mean() >= DOUBTFUL_SHARE:
        area = objects.areas[np.flatnonzero(wrong)[0]]
        yield WRONG_AREA, wrong, f"its area is {area:g}; figures by size and of keypoints need it: correct it, or leave out 'area'"
    for name in ("outlines", "keypoints"):
        around: np.ndarray = getattr(objects, name)
        away = np.abs(around[:, :2] + around[:, 2:] - boxes[:, :2] - boxes[:, 2:]) / 2 > extents
        elsewhere, known = away.any(axis=1), np.isfinite(around).all(axis=1)
        if known.any() and elsewhere.sum() >= MOST_LEAVING * known.sum():
            unit = "shares from 0 to 1" if np.nanmax(around) <= 1.001 else "for images of another size, or relative to their boxes"
            yield ELSEWHERE[name], elsewhere, f"the {name} may be {unit}; pixels of the image are expected"


def _cause_of_leaving(objects: _Objects, share: float) -> str:
    """Return why boxes may leave their images, and what to do: another order or meaning of the four numbers, in which they all fit."""
    first, second = objects.boxes[:, :2], objects.boxes[:, 2:] - objects.boxes[:, :2]
    limits = objects.sizes + 1
    fits = {
        "[left, top, right, bottom]": (first >= -1) & (second > first) & (second <= limits),
        "[centre x, centre y, width, height]": (first - second / 2 >= -1) & (first + second / 2 <= limits),
        "[top, left, height, width]": (first >= -1) & ((first + second) <= limits[:, ::-1]),
    }
    for form, fitting in fits.items():
        if fitting.all(axis=1).mean() >= FITTING_SHARE:
            return f"they reach out of their images, and read as {form} all fit; write [left, top, width, height]"
    return "they reach out of their images, which may have had another size when they were marked" if share >= MOST_LEAVING else ""


def _wrong_areas(areas: np.ndarray, extents: np.ndarray) -> np.ndarray:
    """Return bool (N,): areas that are larger than their boxes, next to nothing, or one and the same although the boxes are not."""
    if len(areas) > 2 and np.ptp(areas) == 0 and (np.ptp(extents) > 0.1 * extents.max() or areas[0] < 0.05 * extents[0]):
        return np.ones(len(areas), bool)
    wrong: np.ndarray = (areas > 1.1 * extents + 10) | (1000 * areas < extents)
    return wrong


def _repeated(boxes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    repeated = np.ones(len(boxes), bool)
    _, first = np.unique(np.column_stack([boxes.round(1), labels]), axis=0, return_index=True)
    repeated[first] = False
    return repeated


def _around_outlines(truth: ImageTruth, chosen: np.ndarray) -> np.ndarray:
    around = np.full((len(chosen), 4), np.nan)
    for row, place in enumerate(chosen.tolist() if truth.segmentations is not None else []):
        polygons = truth.segmentations[place] if truth.segmentations is not None else None
        if isinstance(polygons, list) and polygons:
            columns, rows = ([polygon[axis::2] for polygon in polygons] for axis in (0, 1))
            around[row] = min(map(min, columns)), min(map(min, rows)), max(map(max, columns)), max(map(max, rows))
    return around


def _around_keypoints(truth: ImageTruth, chosen: np.ndarray) -> np.ndarray:
    around = np.full((len(chosen), 4), np.nan)
    if truth.keypoints is not None:
        points = truth.keypoints[chosen].astype(np.float64)
        labelled = points[..., 2:] > 0
        some = labelled.any(axis=(1, 2))
        low, high = (np.where(labelled, points[..., :2], fill) for fill in (np.inf, -np.inf))
        around[some] = np.concatenate([low.min(axis=1), high.max(axis=1)], axis=1)[some]
    return around
