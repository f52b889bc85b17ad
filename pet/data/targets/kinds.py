"""What data sets of images with targets give, beside the fields of their samples. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from petlib.data.protocols import Sample

IGNORE = 255
"""The value of a label image whose pixels count neither in a loss nor in a metric."""

IMAGE_FIELDS = ("image", "image2")
"""The fields that hold pixels: the image and, where a sample is a pair of dates, the second date of the same place and size."""

TARGET_FIELDS = {
    "label": ("label",),
    "boxes": ("boxes", "labels"),
    "masks": ("masks",),
    "keypoints": ("keypoints",),
    "semseg": ("semseg",),
    "parsing": ("parsing", "instances", "instance_ids"),
}
"""Kind of target -> the fields of a sample that hold it. Kinds are what heads ask for and data sets provide."""


@dataclass(frozen=True)
class KeypointSet:
    """What the keypoints of a data set are.

    Attributes:
        names: the K names, in the order of the coordinates.
        swap: K places: keypoint i of a mirrored image is keypoint ``swap[i]`` of the image (left and right change).
        skeleton: pairs of places that a picture joins by a line.
        sigmas: K spreads of the object keypoint similarity, as fractions of the object's scale (pycocotools' ``kpt_oks_sigmas``).
    """

    names: tuple[str, ...]
    swap: tuple[int, ...]
    skeleton: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]


@dataclass(frozen=True)
class PartSet:
    """What the part labels of a parsing data set are.

    Attributes:
        names: the P names, with the background first.
        swap: P labels: label i of a mirrored image is label ``swap[i]`` of the image (left and right change).
    """

    names: tuple[str, ...]
    swap: tuple[int, ...]


class ImageTruth(NamedTuple):
    """Everything that a data set knows of the objects of an image, in the coordinates of the image file, for evaluation and checks.

    Unlike samples it holds crowd regions (COCO's ``iscrowd``, and VOC's ``difficult``), which evaluations ignore.

    Attributes:
        id: the image's own id in its data set, written into result files.
        file: path of the image.
        height: rows of the image, pixels.
        width: columns of the image, pixels.
        boxes: float32 (M, 4), XYXY, absolute pixels; pixel i covers [i, i + 1).
        labels: int64 (M,), classes from 0.
        crowd: bool (M,).
        areas: float32 (M,), square pixels; of the mask where there is one (COCO's ``area``), else of the box.
        segmentations: M times polygons (lists of x, y, x, y, ...) or a COCO RLE; None: the data set has no masks.
        keypoints: float32 (M, K, 3): x, y, visibility (0 absent, 1 hidden, 2 visible); None: the data set has none.
    """

    id: int | str
    file: str
    height: int
    width: int
    boxes: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray
    areas: np.ndarray
    segmentations: list[Any] | None = None
    keypoints: np.ndarray | None = None


class VisionDataset(Protocol):
    """Images with any kinds of targets.

    Attributes:
        classes: names of the classes in the order of their labels.
        numbered: the labels are bare numbers, so that ``classes`` ends with the greatest one that occurs.
        kinds: the kinds of targets that the files have, keys of :data:`TARGET_FIELDS`.
        semseg_classes: names of the classes of ``semseg``; empty where there is none.
        keypoint_set: what the keypoints are; None where there are none.
        part_set: what the part labels are; None where there are none.
        category_ids: the data set's own number of each class (COCO's category ids), written into result files.
        skipped: what was left out while the files were read, reason -> how often; to be printed.
    """

    classes: list[str]
    numbered: bool
    kinds: frozenset[str]
    semseg_classes: list[str]
    keypoint_set: KeypointSet | None
    part_set: PartSet | None
    category_ids: Sequence[int]
    skipped: dict[str, int]

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample: ...

    def truth(self, index: int, /) -> ImageTruth:
        """Return the objects of an image without reading the image; their number is 0 where the data set has no boxes."""
        ...
