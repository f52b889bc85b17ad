"""Crops, resizing and flips."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from pet.data.targets.dataset import IGNORE, DatasetInfo
from pet.data.targets.kinds import kinds_in
from pet.data.targets.label_maps import check_one_channel
from pet.data.targets.left_right import swap_of_classes
from pet.data.transforms.base import (
    GeometricTransform,
    check_gray,
    check_label,
    check_probability,
    check_range,
    check_share,
    check_size,
)
from pet.structures.moves import BORDERS, CropResize, Flip, Move, PadCrop, Stay
from petlib.data.protocols import Dataset, Sample
from petlib.errors import ConfigError

WINDOWS = 10
"""How many random windows are tried."""

INTERPOLATIONS = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC, "area": cv2.INTER_AREA, "nearest": cv2.INTER_NEAREST}


class RandomResizedCrop(GeometricTransform):
    """A window of random area and aspect ratio becomes an image of ``size``.

    Source: Szegedy et al., Going Deeper with Convolutions, 2014 (https://arxiv.org/abs/1409.4842). Ten windows are tried;
    where none fits into the image, the centre is taken.

    Args:
        size: pixels, one number or [height, width].
        scale: least and greatest area of the window as shares of the image's.
        ratio: least and greatest width / height of the window, drawn evenly on a logarithmic scale.
        interpolation: ``linear``, ``cubic``, ``area`` or ``nearest``.
        antialias: whether linear and cubic shrinking weigh all pixels, as PIL and torchvision do; off is faster and rougher.
        min_share: share of its box that must be in the window, or an object is dropped.
    """

    def __init__(
        self,
        *,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        interpolation: str = "linear",
        antialias: bool = True,
        min_share: float = 0.0,
    ) -> None:
        self.size = check_size("RandomResizedCrop", size)
        self.min_share = check_share("RandomResizedCrop: min_share", min_share)
        self.scale = check_range("RandomResizedCrop: scale", scale, high=1.0)
        self.ratio = check_range("RandomResizedCrop: ratio", ratio)
        if self.ratio[0] <= 0.0:
            raise ConfigError(f"RandomResizedCrop: ratio: {list(ratio)} given, numbers above 0 expected")
        self.interpolation = check_interpolation("RandomResizedCrop", interpolation)
        self.antialias = antialias

    def decide(self, size: tuple[int, int], rng: np.random.Generator) -> Move:
        """Draw the window."""
        rows, columns = size
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        for _ in range(WINDOWS):
            area = rows * columns * rng.uniform(*self.scale)
            ratio = math.exp(rng.uniform(low, high))
            width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < width <= columns and 0 < height <= rows:
                top, left = int(rng.integers(rows - height + 1)), int(rng.integers(columns - width + 1))
                return CropResize(top, left, height, width, self.size, self.interpolation, self.antialias)
        width = min(columns, max(1, round(rows * self.ratio[1])))
        height = min(rows, max(1, round(columns / self.ratio[0])))
        top, left = (rows - height) // 2, (columns - width) // 2
        return CropResize(top, left, height, width, self.size, self.interpolation, self.antialias)


class RandomCrop(GeometricTransform):
    """A window of ``size`` at a random place of the padded image, as in the recipes for CIFAR.

    Args:
        size: pixels, one number or [height, width].
        padding: pixels added on each side first; more where the image is smaller than the window.
        border: ``constant`` (the ``fill`` value), ``reflect`` or ``edge``.
        fill: gray value from 0 to 255.
        min_share: share of its box that must be in the window, or an object is dropped.
        max_class_share: greatest share of one class among the pixels of ``semseg`` that count. Up to ten windows are tried, and
            the last one is taken as it is; 1: any window will do. Source: ``cat_max_ratio`` of MMSegmentation's RandomCrop
            (https://github.com/open-mmlab/mmsegmentation).
        label_fill: the label in ``semseg`` of the padding.
    """

    def __init__(
        self,
        *,
        size: int | Sequence[int],
        padding: int = 0,
        border: str = "constant",
        fill: float = 0,
        min_share: float = 0.0,
        max_class_share: float = 1.0,
        label_fill: int = IGNORE,
    ) -> None:
        self.size = check_size("RandomCrop", size)
        if padding < 0:
            raise ConfigError(f"RandomCrop: padding: {padding} given, at least 0 expected")
        if border not in BORDERS:
            raise ConfigError(f"RandomCrop: border: {border!r} given, one of {', '.join(BORDERS)} expected")
        self.padding = padding
        self.border = BORDERS[border]
        self.fill = check_gray("RandomCrop: fill", fill)
        self.min_share = check_share("RandomCrop: min_share", min_share)
        self.max_class_share = check_share("RandomCrop: max_class_share", max_class_share)
        self.label_fill = check_label("RandomCrop: label_fill", label_fill)

    def plan(self, sample: Sample, rng: np.random.Generator) -> Move:
        """Draw the place, again where one class takes too much of the window."""
        move = super().plan(sample, rng)
        labels = sample.get("semseg")
        if self.max_class_share == 1.0 or labels is None:
            return move
        check_one_channel(sample)
        for _ in range(WINDOWS - 1):
            if largest_class_share(move.labels(labels, self.label_fill)) <= self.max_class_share:
                break
            move = super().plan(sample, rng)
        return move

    def decide(self, size: tuple[int, int], rng: np.random.Generator) -> Move:
        """Draw the place."""
        padding, starts = [], []
        for length, wanted in zip(size, self.size, strict=True):
            lacking = max(wanted - length - 2 * self.padding, 0)
            before, after = self.padding + lacking // 2, self.padding + lacking - lacking // 2
            padding += [before, after]
            starts.append(int(rng.integers(length + before + after - wanted + 1)))
        return PadCrop((padding[0], padding[1], padding[2], padding[3]), starts[0], starts[1], self.size, self.border, self.fill)


def largest_class_share(labels: np.ndarray) -> float:
    """Return the share of the most frequent class among the pixels of uint8 labels that count; 1 where none does."""
    counts = np.bincount(labels.ravel(), minlength=IGNORE + 1)[:IGNORE]
    return float(counts.max() / counts.sum()) if counts.any() else 1.0


class CenterCrop(GeometricTransform):
    """The window of ``size`` in the middle; smaller images are padded with ``fill``.

    Args:
        size: one number for both edges, or [height, width].
        fill: gray value from 0 to 255.
    """

    def __init__(self, *, size: int | Sequence[int], fill: int = 0) -> None:
        self.size = check_size("CenterCrop", size)
        self.fill = check_gray("CenterCrop: fill", fill)

    def decide(self, size: tuple[int, int], rng: np.random.Generator) -> Move:
        """Find the middle."""
        padding, starts = [], []
        for length, wanted in zip(size, self.size, strict=True):
            lacking = max(wanted - length, 0)
            padding += [lacking // 2, lacking - lacking // 2]
            starts.append(round((length + lacking - wanted) / 2.0))
        border = BORDERS["constant"]
        return PadCrop((padding[0], padding[1], padding[2], padding[3]), starts[0], starts[1], self.size, border, self.fill)


class Resize(GeometricTransform):
    """The whole image becomes another size.

    Args:
        size: one number: the shorter edge gets it and the aspect ratio stays; [height, width]: exactly this size.
        interpolation: ``linear``, ``cubic``, ``area`` or ``nearest``.
        antialias: whether linear and cubic shrinking weigh all pixels, as PIL and torchvision do; off is faster and rougher.
    """

    def __init__(self, *, size: int | Sequence[int], interpolation: str = "linear", antialias: bool = True) -> None:
        self.size = check_size("Resize", size)
        self.keeps_ratio = isinstance(size, int)
        self.interpolation = check_interpolation("Resize", interpolation)
        self.antialias = antialias

    def decide(self, size: tuple[int, int], rng: np.random.Generator) -> Move:
        """Compute the size."""
        rows, columns = size
        target = self.size
        if self.keeps_ratio:
            shorter = self.size[0]
            target = (shorter, int(shorter * columns / rows)) if rows <= columns else (int(shorter * rows / columns), shorter)
        return Stay() if target == size else CropResize(0, 0, rows, columns, target, self.interpolation, self.antialias)


class RandomHorizontalFlip(GeometricTransform):
    """Left and right change places in a share of the samples.

    Actions whose names say left or right change with them: ``pushing from left to right`` becomes ``pushing from right to left``.

    Args:
        probability: the share, from 0 to 1.
        swap_classes: False: all classes stay as they are.
        dataset: whose classes these are; given by the builder.

    Attributes:
        swap: the class that each one becomes; None: all stay.

    Raises:
        ConfigError: an action has a side and its mirror image is none of the classes.
    """

    mirrors = True

    def __init__(self, *, probability: float = 0.5, swap_classes: bool = True, dataset: Dataset | None = None) -> None:
        self.probability = check_probability("RandomHorizontalFlip: probability", probability)
        info = getattr(dataset, "info", None)
        self.swap: np.ndarray | None = None
        if swap_classes and isinstance(info, DatasetInfo) and info.sided_classes:
            try:
                self.swap = np.array(swap_of_classes(info.classes))
            except ConfigError as error:
                raise ConfigError(
                    f"transform RandomHorizontalFlip: {error}; take it out of TRANSFORMS, or say with swap_classes: false that all "
                    "classes stay"
                ) from None

    def carry_out(self, sample: Sample, move: Move) -> Sample:
        """Return the mirrored sample."""
        mirrored = super().carry_out(sample, move)
        if self.swap is not None:
            for kind in kinds_in(sample).targets:
                mirrored |= kind.renumber(mirrored, self.swap)[0]
        return mirrored

    def decide(self, size: tuple[int, int], rng: np.random.Generator) -> Move:
        """Draw whether to flip."""
        return Flip(1) if rng.random() < self.probability else Stay()


class RandomVerticalFlip(GeometricTransform):
    """Top and bottom change places in a share of the samples, and so do left and right keypoints.

    Args:
        probability: the share, from 0 to 1.
    """

    mirrors = True

    def __init__(self, *, probability: float = 0.5) -> None:
        self.probability = check_probability("RandomVerticalFlip: probability", probability)

    def decide(self, size: tuple[int, int], rng: np.random.Generator) -> Move:
        """Draw whether to flip."""
        return Flip(0) if rng.random() < self.probability else Stay()


def check_interpolation(name: str, interpolation: str) -> int:
    """Return OpenCV's number of an interpolation.

    Raises:
        ConfigError: it is unknown.
    """
    if interpolation not in INTERPOLATIONS:
        raise ConfigError(f"{name}: interpolation: {interpolation!r} given, one of {', '.join(INTERPOLATIONS)} expected")
    return INTERPOLATIONS[interpolation]
