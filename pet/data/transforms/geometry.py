"""Crops, resizing and flips."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from pet.data.transforms.base import GeometricTransform, Move, check_gray, check_probability, check_range, check_size
from petlib.errors import ConfigError

INTERPOLATIONS = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC, "area": cv2.INTER_AREA, "nearest": cv2.INTER_NEAREST}
ANTIALIASED = {cv2.INTER_LINEAR: "bilinear", cv2.INTER_CUBIC: "bicubic"}
BORDERS = {"constant": cv2.BORDER_CONSTANT, "reflect": cv2.BORDER_REFLECT_101, "edge": cv2.BORDER_REPLICATE}


@dataclass(frozen=True)
class Stay(Move):
    """Nothing is moved."""

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the image."""
        return image


@dataclass(frozen=True)
class CropResize(Move):
    """The window from (top, left) with (height, width), in pixels, becomes an image of ``size`` (height, width).

    With ``antialias``, linear and cubic shrinking weigh all pixels that fall together, as PIL does.
    """

    top: int
    left: int
    height: int
    width: int
    size: tuple[int, int]
    interpolation: int
    antialias: bool = True

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the window, resized."""
        window = image[self.top : self.top + self.height, self.left : self.left + self.width]
        if window.shape[:2] == self.size:
            return np.ascontiguousarray(window)
        shrinks = self.height > self.size[0] or self.width > self.size[1]
        if self.antialias and shrinks and self.interpolation in ANTIALIASED:
            return _resize_antialiased(window, self.size, ANTIALIASED[self.interpolation])
        return cv2.resize(window, (self.size[1], self.size[0]), interpolation=self.interpolation)


@dataclass(frozen=True)
class PadCrop(Move):
    """The image is padded on all sides, then the window from (top, left) of ``size`` is cut out."""

    padding: tuple[int, int, int, int]
    top: int
    left: int
    size: tuple[int, int]
    border: int
    fill: int

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the window; ``padding`` is top, bottom, left, right."""
        if any(self.padding):
            image = cv2.copyMakeBorder(image, *self.padding, self.border, value=(self.fill,) * 3)
        height, width = self.size
        return np.ascontiguousarray(image[self.top : self.top + height, self.left : self.left + width])


@dataclass(frozen=True)
class Flip(Move):
    """The image is mirrored; ``code`` as in ``cv2.flip``: 1 left and right, 0 top and bottom."""

    code: int

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the mirrored image."""
        return cv2.flip(image, self.code)


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
    """

    def __init__(
        self,
        *,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        interpolation: str = "linear",
        antialias: bool = True,
    ) -> None:
        self.size = check_size("RandomResizedCrop", size)
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
        for _ in range(10):
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
    """

    def __init__(self, *, size: int | Sequence[int], padding: int = 0, border: str = "constant", fill: int = 0) -> None:
        self.size = check_size("RandomCrop", size)
        if padding < 0:
            raise ConfigError(f"RandomCrop: padding: {padding} given, at least 0 expected")
        if border not in BORDERS:
            raise ConfigError(f"RandomCrop: border: {border!r} given, one of {', '.join(BORDERS)} expected")
        self.padding = padding
        self.border = BORDERS[border]
        self.fill = check_gray("RandomCrop: fill", fill)

    def decide(self, size: tuple[int, int], rng: np.random.Generator) -> Move:
        """Draw the place."""
        padding, starts = [], []
        for length, wanted in zip(size, self.size, strict=True):
            lacking = max(wanted - length - 2 * self.padding, 0)
            before, after = self.padding + lacking // 2, self.padding + lacking - lacking // 2
            padding += [before, after]
            starts.append(int(rng.integers(length + before + after - wanted + 1)))
        return PadCrop((padding[0], padding[1], padding[2], padding[3]), starts[0], starts[1], self.size, self.border, self.fill)


class CenterCrop(GeometricTransform):
    """The window of ``size`` in the middle; smaller images are padded with ``fill``."""

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
    """Left and right change places in a share of the samples."""

    def __init__(self, *, probability: float = 0.5) -> None:
        self.probability = check_probability("RandomHorizontalFlip: probability", probability)

    def decide(self, size: tuple[int, int], rng: np.random.Generator) -> Move:
        """Draw whether to flip."""
        return Flip(1) if rng.random() < self.probability else Stay()


class RandomVerticalFlip(GeometricTransform):
    """Top and bottom change places in a share of the samples."""

    def __init__(self, *, probability: float = 0.5) -> None:
        self.probability = check_probability("RandomVerticalFlip: probability", probability)

    def decide(self, size: tuple[int, int], rng: np.random.Generator) -> Move:
        """Draw whether to flip."""
        return Flip(0) if rng.random() < self.probability else Stay()


def _resize_antialiased(image: np.ndarray, size: tuple[int, int], mode: str) -> np.ndarray:
    # torch warns of arrays that cannot be written into
    pixels = torch.from_numpy(image if image.flags.writeable else image.copy()).permute(2, 0, 1).unsqueeze(0)
    resized = torch.nn.functional.interpolate(pixels, size, mode=mode, antialias=True)
    return np.ascontiguousarray(resized[0].permute(1, 2, 0).numpy())


def check_interpolation(name: str, interpolation: str) -> int:
    """Return OpenCV's number of an interpolation.

    Raises:
        ConfigError: it is unknown.
    """
    if interpolation not in INTERPOLATIONS:
        raise ConfigError(f"{name}: interpolation: {interpolation!r} given, one of {', '.join(INTERPOLATIONS)} expected")
    return INTERPOLATIONS[interpolation]
