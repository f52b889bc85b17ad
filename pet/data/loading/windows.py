"""Large images become windows of a training: around their objects, and some of what lies between them."""

import logging
import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from pet.data.files.windows import Window, windows_of
from pet.data.targets.boxes import clip_boxes
from pet.data.targets.dataset import Dataset, ImageTruth, read_truths
from pet.data.transforms.geometry import RandomCrop
from pet.structures.moves import CropResize
from pet.typed import AnyConfig
from petlib.data.protocols import NamedFiles, Sample

logger = logging.getLogger(__name__)


class _Place(NamedTuple):
    """A window and the image that it is of, by its place in the data set."""

    image: int
    window: Window


class TrainingWindows(Dataset):
    """Windows of the images of a data set, each a sample of its own; smaller images stay whole.

    Each object is whole in at least one window, at a place that is drawn, if it is not longer than that; objects near it are in the same
    window. Windows without objects are drawn from those that lie next to each other. All is drawn once, so that an epoch shows each window
    once; ``RandomCrop`` among the transforms varies what is seen of it.

    Coordinates are those of the window; ``meta["matrix"]`` leads there from those of the file, and ``meta["window"]`` says where it lies.

    Args:
        dataset: images with objects, which it knows without reading them.
        size: edge of a window, pixels.
        background: share of the windows that have no object, from 0 to below 1; fewer where there is not as much background.
        min_share: share of the area of its box that must be in a window, or an object is none there.
        seed: of what is drawn.

    Raises:
        DataError: the data set does not know its objects.
    """

    def __init__(self, dataset: Dataset, *, size: int, background: float = 0.1, min_share: float = 0.3, seed: int = 0) -> None:
        assert size > 0 and 0 <= background < 1, f"windows of {size} pixels, {background:g} of them background"
        self._dataset, self._min_share = dataset, min_share
        self._crop = RandomCrop(size=size, min_share=min_share)
        rng = np.random.default_rng(seed)
        around: list[_Place] = []
        between: list[_Place] = []
        for image, truth in enumerate(read_truths(dataset)):
            around += [_Place(image, window) for window in windows_around(truth, size, rng)]
            between += [_Place(image, window) for window in _windows_between(truth, size)]
        count = min(round(len(around) * background / (1 - background)), len(between))
        chosen = np.sort(rng.permutation(len(between))[:count])
        self._places = np.array([(place.image, *place.window) for place in (*around, *(between[one] for one in chosen))], np.int64)
        self._places = self._places.reshape(-1, 5)
        groups = dataset.info.groups
        images = self._places[:, 0]
        self.num_background = count
        self.info = replace(dataset.info, groups=images if groups is None else groups[images])

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Sample:
        image, window = self._place(index)
        sample = self._dataset[image]
        if (window.height, window.width) == sample["image"].shape[:2]:
            return sample
        cut = self._crop.carry_out(sample, CropResize(*window, size=(window.height, window.width)))
        return {**cut, "meta": {**cut["meta"], "window": tuple(window)}}

    def file_of(self, index: int) -> str:
        """Return the file of a sample without reading it; empty where the data set does not know it."""
        return self._dataset.file_of(self._place(index).image) if isinstance(self._dataset, NamedFiles) else ""

    def truth(self, index: int) -> ImageTruth | None:
        """Return size and boxes of a window; what else is known of its objects only the sample has."""
        image, window = self._place(index)
        truth = self._dataset.truth(image)
        if truth is None:
            return None
        boxes, kept = _inside(truth.boxes, window, self._min_share)
        plain = truth._replace(boxes=boxes, height=window.height, width=window.width, segmentations=None, keypoints=None, surfaces=None)
        return plain.select(kept)

    def _place(self, index: int) -> _Place:
        image, *window = self._places[index].tolist()
        return _Place(image, Window(*window))


def windows_around(truth: ImageTruth, size: int, rng: np.random.Generator) -> list[Window]:
    """Return windows of ``size`` pixels that show each object of an image, whole if it fits; none where there are no objects."""
    boxes = np.clip(truth.boxes[~truth.crowd].astype(np.float64), 0, [truth.width, truth.height] * 2)
    height, width = min(size, truth.height), min(size, truth.width)
    seen = np.zeros(len(boxes), bool)
    windows = []
    for place in rng.permutation(len(boxes)):
        if seen[place]:
            continue
        left, top, right, bottom = boxes[place]
        window = Window(
            _draw_start(top, bottom, height, truth.height, rng), _draw_start(left, right, width, truth.width, rng), height, width
        )
        windows.append(window)
        seen |= _inside(boxes, window, 1.0)[1]
        # one that is longer than the window is whole in none
        seen[place] = True
    return windows


def _draw_start(begin: float, end: float, window: int, length: int, rng: np.random.Generator) -> int:
    """Return where a window begins that holds what lies between ``begin`` and ``end`` of a side, or is held by it."""
    low, high = sorted((math.ceil(end) - window, math.floor(begin)))
    return int(rng.integers(max(low, 0), min(high, length - window) + 1))


def _windows_between(truth: ImageTruth, size: int) -> list[Window]:
    """Return the windows, next to each other, that nothing of an object or of a crowd lies in."""
    return [
        window
        for window in windows_of((truth.height, truth.width), size, size)
        if not (np.minimum(truth.boxes[:, 2:], _far_corner(window)) > np.maximum(truth.boxes[:, :2], (window.left, window.top)))
        .all(axis=1)
        .any()
    ]


def _far_corner(window: Window) -> tuple[int, int]:
    return window.left + window.width, window.top + window.height


def _inside(boxes: np.ndarray, window: Window, min_share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes (N, 4) cut off at a window, in its coordinates, and which of them have enough in it, bool (N,)."""
    moved = boxes - np.array([window.left, window.top] * 2, np.float64)
    return clip_boxes(moved, (window.height, window.width), min_share)


def cut_into_windows(cfg: AnyConfig, dataset: Dataset) -> Dataset:
    """Return the windows of ``TRAIN.SLIDING``; the data set itself where it is off, or a task has no setting for it.

    Raises:
        DataError: the data set does not know its objects.
    """
    if "SLIDING" not in cfg.TRAIN or not cfg.TRAIN.SLIDING.SIZE:
        return dataset
    settings = cfg.TRAIN.SLIDING
    windows = TrainingWindows(dataset, size=settings.SIZE, background=settings.BACKGROUND, min_share=settings.MIN_SHARE, seed=cfg.MISC.SEED)
    again = "; DATA.CACHE disk decodes each image once, not for each of its windows" if cfg.DATA.CACHE == "none" else ""
    logger.info("%d windows of %d images, %d of them without objects%s", len(windows), len(dataset), windows.num_background, again)
    return windows
