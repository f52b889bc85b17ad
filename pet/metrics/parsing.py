"""Instance-level human parsing: how well the parts of each object are found.

The definitions are those of MHP v2 (https://arxiv.org/abs/1804.03287) as Parsing R-CNN reports them for CIHP
(https://arxiv.org/abs/1811.12596); where the papers are silent, those of their published evaluation code:

* The IoU of a detection and an object is the mean, over the part labels that occur in one of them, of the parts' intersections over
  unions in the whole image; the background is one of the labels.
* A detection belongs to the object of its image with the greatest IoU. In the order of the scores it is right if that IoU exceeds the
  threshold and no detection before it took the object; what remains is wrong, also where another object was free.
* AP is the area below the envelope of the precision as a function of the recall. APp is the mean of the AP at the thresholds
  0.1, 0.2, ..., 0.9, APp50 the AP at 0.5.
* PCP50 is the mean over all objects of the share of their parts (without background) whose IoU exceeds 0.5 in the detection that took
  them at the threshold 0.5; 0 for an object that none took.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from petlib.distributed.collectives import all_gather_objects

IGNORE_LABEL = 255
THRESHOLDS = tuple(tenths / 10 for tenths in range(1, 10))
PCP_THRESHOLD = 0.5
ROW = np.dtype(
    [("image", np.int64), ("label", np.int64), ("score", np.float64), ("object", np.int64), ("iou", np.float64), ("correct", np.float64)]
)
"""What is kept of a detection: the object with the greatest IoU (-1: none), that IoU, and the share of the object's parts above 0.5."""


@dataclass
class _Counts:
    rows: list[npt.NDArray[np.void]] = field(default_factory=list)
    objects: int = 0
    labels: set[int] = field(default_factory=set)


class ParsingMetrics:
    """APp and PCP over the images of all processes, from a few numbers for each detection.

    Objects count where they have a part pixel. Detections count where their class does: where some object of that class, in any
    image, has parts. Among these classes no difference is made.

    Args:
        num_parts: number of part labels, with the background, which is 0.
    """

    def __init__(self, num_parts: int) -> None:
        assert num_parts > 1, f"num_parts is {num_parts}"
        self.num_parts = num_parts
        self._counts = _Counts()

    @property
    def labels(self) -> frozenset[int]:
        """The classes with parts that this process has seen."""
        return frozenset(self._counts.labels)

    def update(self, image: int, pieces: Sequence["PartPiece"], truth: "PartTruth") -> None:
        """Take one image.

        Args:
            image: a number that no other image has, on any process.
            pieces: the detections.
            truth: the objects.
        """
        objects = _Objects(truth, self.num_parts)
        self._counts.objects += len(objects.areas)
        self._counts.labels |= {label for label, known in zip(truth.labels, objects.has_parts, strict=True) if known}
        rows = [(image, piece.label, piece.score, *objects.best(piece)) for piece in pieces]
        self._counts.rows.append(np.array(rows, ROW))

    def compute(self) -> dict[str, float]:
        """Return ``parsing/APp``, ``parsing/APp50`` and ``parsing/PCP50``, all NaN without an object; every process calls it."""
        rows, objects = self._merge()
        precisions = {threshold: average_precision(_first_takers(rows, threshold), objects) for threshold in THRESHOLDS}
        taken = rows[_first_takers(rows, PCP_THRESHOLD)]
        return {
            "parsing/APp": float(np.mean(list(precisions.values()))),
            "parsing/APp50": precisions[0.5],
            "parsing/PCP50": float(taken["correct"].sum()) / objects if objects else math.nan,
        }

    def all_labels(self) -> frozenset[int]:
        """Return the classes with parts that any process has seen; every process calls it."""
        return frozenset().union(*all_gather_objects(self.labels))

    def _merge(self) -> tuple[npt.NDArray[np.void], int]:
        """Return the detections that count, the best first, and the number of objects, of all processes."""
        mine = np.concatenate([np.zeros(0, ROW), *self._counts.rows])
        shares = all_gather_objects((mine, self._counts.objects, self.labels))
        labels = sorted(frozenset().union(*(share[2] for share in shares)))
        rows = np.concatenate([share[0] for share in shares])
        rows = rows[np.isin(rows["label"], labels)]
        # by image where scores are equal, so that the result does not depend on who saw which image
        order = np.lexsort((rows["image"], -rows["score"]))
        return rows[order], sum(share[1] for share in shares)


@dataclass(frozen=True)
class PartPiece:
    """The part labels of a detection.

    Attributes:
        label: class of the object.
        score: the greater the better.
        top: first row of the image that ``parts`` covers.
        left: first column.
        parts: uint8 (h, w), part labels; all of the image outside is background.
    """

    label: int
    score: float
    top: int
    left: int
    parts: npt.NDArray[np.uint8]

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the image."""
        height, width = self.parts.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


class PartTruth(NamedTuple):
    """The objects of an image.

    Attributes:
        parsing: uint8 (H, W), part labels; 255 does not count.
        instances: whole numbers (H, W), the object of each pixel; 0: none.
        instance_ids: of each object its value in ``instances``; 0: it has no parts.
        labels: of each object its class.
    """

    parsing: npt.NDArray[np.uint8]
    instances: npt.NDArray[np.integer]
    instance_ids: Sequence[int]
    labels: Sequence[int]


def paint(pieces: Sequence[PartPiece], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return one label image, uint8 (H, W), with the parts of all detections, those of better ones in front of others."""
    image = np.zeros(size, np.uint8)
    for piece in sorted(pieces, key=lambda piece: piece.score):
        canvas = image[piece.window]
        np.copyto(canvas, piece.parts, where=piece.parts > 0)
    return image


def average_precision(right: npt.NDArray[np.bool_], objects: int) -> float:
    """Return the area below the precision envelope.

    Args:
        right: bool (N,), the best detection first: whether it is right.
        objects: number of objects that there are; 0 gives NaN.
    """
    if not objects:
        return math.nan
    if not len(right):
        return 0.0
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    # recall grows by 1 / objects with every right detection
    return float(envelope[right].sum()) / objects


def _first_takers(rows: npt.NDArray[np.void], threshold: float) -> npt.NDArray[np.bool_]:
    """Return bool (N,): which of the detections, the best first, are the first above a threshold for their object."""
    first = np.zeros(len(rows), dtype=bool)
    candidates = np.flatnonzero((rows["iou"] > threshold) & (rows["object"] >= 0))
    _, places = np.unique(rows[["image", "object"]][candidates], return_index=True)
    first[candidates[places]] = True
    return first


class _Objects:
    """The objects of one image that have parts, and how much each part of a detection meets each of theirs."""

    def __init__(self, truth: PartTruth, num_parts: int) -> None:
        parsing, instances = truth.parsing, truth.instances
        self._num_parts = num_parts
        self._counted = parsing != IGNORE_LABEL
        self._total = int(self._counted.sum())
        ids = np.asarray(truth.instance_ids, dtype=np.int64).reshape(-1)
        # object 0 is none, so that one count of pairs (object, part) covers all
        lookup = np.zeros(max(int(instances.max(initial=0)), int(ids.max(initial=0))) + 1, dtype=np.int64)
        lookup[ids] = np.arange(1, len(ids) + 1)
        lookup[0] = 0
        part = np.where(self._counted & (parsing < num_parts), parsing, 0).astype(np.int64)
        cells = np.where(part > 0, lookup[instances.astype(np.int64)], 0) * num_parts + part
        areas = np.bincount(cells.ravel(), minlength=(len(ids) + 1) * num_parts).reshape(-1, num_parts)
        areas[:, 0] = 0
        self.has_parts: list[bool] = (areas[1:].sum(axis=1) > 0).tolist()
        self._kept = np.flatnonzero(areas[1:].sum(axis=1) > 0) + 1
        self._num_objects = len(ids)
        self._cells = cells
        self.areas = areas[self._kept]

    def best(self, piece: PartPiece) -> tuple[int, float, float]:
        """Return the object with the greatest IoU (-1: there is none), the IoU, and the share of its parts with an IoU above 0.5."""
        if not len(self.areas):
            return -1, 0.0, 0.0
        ious = self._ious(piece)
        means = np.nanmean(ious, axis=1)
        best = int(means.argmax())
        correct = int((ious[best, 1:] > PCP_THRESHOLD).sum()) / int((self.areas[best] > 0).sum())
        return best, float(means[best]), correct

    def _ious(self, piece: PartPiece) -> npt.NDArray[np.float64]:
        """Return (objects, parts): intersection over union of each part; NaN where neither has it."""
        inside = np.where(self._counted[piece.window], piece.parts, 0).astype(np.int64)
        parts = np.bincount(inside.ravel(), minlength=self._num_parts)[: self._num_parts]
        parts[0] = 0
        cells = self._cells[piece.window][inside > 0]
        side = self._num_parts
        # pixels of the detection by (object and part of the truth, part of the detection)
        pairs = np.bincount(cells * side + inside[inside > 0], minlength=(self._num_objects + 1) * side * side)
        pairs = pairs.reshape(-1, side, side)[self._kept]
        common = pairs.diagonal(axis1=1, axis2=2).copy()
        union = self.areas + parts - common
        # the background is what neither covers, and grows with the image
        both = pairs.sum(axis=(1, 2))
        common[:, 0] = self._total - (self.areas.sum(axis=1) + parts.sum() - both)
        union[:, 0] = self._total - both
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(common / union, dtype=np.float64)
