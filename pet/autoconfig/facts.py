"""What decides the task and the settings: kinds of labels, classes, sizes of images and objects."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pet.data.files.images import image_size
from pet.data.targets.dataset import Dataset, ImageTruth
from petlib.data.protocols import NamedFiles

MOST_IMAGES = 500
"""Images whose sizes and objects are looked at, spread over the data."""
RECTANGLE = 0.99
"""An outline that fills so much of its box is the box."""


class DataFacts(NamedTuple):
    """What is known of training data.

    Attributes:
        kinds: the kinds of targets.
        classes: their names in the order of their labels.
        num_images: images, or pairs.
        size: height and width of an image, medians, pixels.
        object_sizes: float64 (N,), square roots of the areas of boxes as shares of the shorter edge of their images, ascending.
        outlines: share of the objects whose outline is more than their box.
        keypoints: how many keypoints an object has; 0: none is marked.
        keypoint_labels: labels of the classes with keypoints.
    """

    kinds: frozenset[str]
    classes: Sequence[str]
    num_images: int
    size: tuple[int, int]
    object_sizes: np.ndarray
    outlines: float
    keypoints: int
    keypoint_labels: Sequence[int]


def look_at(dataset: Dataset) -> DataFacts:
    """Return what is known of a data set, from its labels and the heads of some image files."""
    places = np.unique(np.linspace(0, len(dataset) - 1, num=min(MOST_IMAGES, len(dataset)), dtype=int)).tolist()
    truths = [truth for place in places if (truth := dataset.truth(place)) is not None]
    if truths:
        sizes = [(truth.height, truth.width) for truth in truths]
    else:
        sizes = [image_size(Path(dataset.file_of(place))) for place in places if isinstance(dataset, NamedFiles)]
    height, width = np.median(np.array(sizes or [(0, 0)]), axis=0).astype(int).tolist()
    info = dataset.info
    marked = [_labels_with_keypoints(truth) for truth in truths]
    labels = sorted({label for own in marked for label in own})
    return DataFacts(
        kinds=info.kinds,
        classes=info.classes,
        num_images=len(dataset),
        size=(height, width),
        object_sizes=np.sort(np.concatenate([_object_sizes(truth) for truth in truths])) if truths else np.zeros(0),
        outlines=float(np.mean([flag for truth in truths for flag in _has_outline(truth)] or [False])),
        keypoints=len(info.keypoint_set.names) if info.keypoint_set and labels else 0,
        keypoint_labels=labels,
    )


def _object_sizes(truth: ImageTruth) -> np.ndarray:
    sides = truth.boxes[:, 2:] - truth.boxes[:, :2]
    sizes: np.ndarray = np.sqrt(np.prod(np.maximum(sides, 0), axis=1, dtype=np.float64))
    return sizes / min(truth.height, truth.width)


def _has_outline(truth: ImageTruth) -> list[bool]:
    segmentations = truth.segmentations or [None] * len(truth.boxes)
    areas = np.prod(truth.boxes[:, 2:] - truth.boxes[:, :2], axis=1).tolist()
    return [_is_outline(own, area) for own, area, crowd in zip(segmentations, areas, truth.crowd, strict=True) if not crowd]


def _is_outline(segmentation: Any, box_area: float) -> bool:
    if not segmentation:
        return False
    if isinstance(segmentation, dict):
        return True
    parts = [np.reshape(np.asarray(part, np.float64), (-1, 2)) for part in segmentation]
    area = sum(abs(float(np.sum(part[:, 0] * np.roll(part[:, 1], -1) - part[:, 1] * np.roll(part[:, 0], -1)))) / 2 for part in parts)
    return area < RECTANGLE * box_area


def _labels_with_keypoints(truth: ImageTruth) -> list[int]:
    if truth.keypoints is None:
        return []
    labels: list[int] = truth.labels[(truth.keypoints[..., 2] > 0).any(axis=1)].tolist()
    return labels
