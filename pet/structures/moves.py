"""Geometric changes with all their numbers fixed, so that image and targets get the same one."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from pet.structures.affine import centred, shift, warp_labels

OPENCV_CHANNELS = 4


def in_groups(image: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return ``change(image)`` for an image (H, W, C), four channels at a time where it has more.

    Args:
        image: uint8, uint16 or float32.
        change: treats all channels the same way; it may return (H, W) for one channel, as OpenCV does.
    """
    channels = image.shape[2]
    if 1 < channels <= OPENCV_CHANNELS:
        return change(image)
    groups = [
        _with_channels(change(np.ascontiguousarray(image[:, :, start : start + OPENCV_CHANNELS])))
        for start in range(0, channels, OPENCV_CHANNELS)
    ]
    return groups[0] if len(groups) == 1 else np.concatenate(groups, axis=2)


def _with_channels(image: np.ndarray) -> np.ndarray:
    return image if image.ndim == 3 else image[:, :, None]


ANTIALIASED = {cv2.INTER_LINEAR: "bilinear", cv2.INTER_CUBIC: "bicubic"}
QUARTER_TURNS = {1: cv2.ROTATE_90_COUNTERCLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_CLOCKWISE}
BORDERS = {"constant": cv2.BORDER_CONSTANT, "reflect": cv2.BORDER_REFLECT_101, "edge": cv2.BORDER_REPLICATE}

Size = tuple[int, int]
"""Height and width in pixels."""


class Move(ABC):
    """One geometric change."""

    @abstractmethod
    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the moved image, (H, W, C) uint8, uint16 or float32, in the same dtype."""

    @abstractmethod
    def matrix(self, size: Size) -> np.ndarray:
        """Return float64 (3, 3), from coordinates of an image of ``size`` to those of the moved one; pixel i covers [i, i + 1)."""

    @abstractmethod
    def size_after(self, size: Size) -> Size:
        """Return the size that an image of ``size`` gets."""

    def labels(self, labels: np.ndarray, fill: int) -> np.ndarray:
        """Return a moved map of labels, (H, W) uint8 or uint16; no labels are mixed. ``fill`` comes in from outside."""
        size = labels.shape[0], labels.shape[1]
        return warp_labels(labels, self.matrix(size), self.size_after(size), fill)


@dataclass(frozen=True)
class Stay(Move):
    """Nothing is moved."""

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the image."""
        return image

    def matrix(self, size: Size) -> np.ndarray:
        """Return the identity."""
        return np.eye(3)

    def size_after(self, size: Size) -> Size:
        """Return ``size``."""
        return size


@dataclass(frozen=True)
class CropResize(Move):
    """The window from (top, left) with (height, width), in pixels, becomes an image of ``size`` (height, width).

    With ``antialias``, linear and cubic shrinking weigh all pixels that fall together, as PIL does.
    """

    top: int
    left: int
    height: int
    width: int
    size: Size
    interpolation: int = cv2.INTER_LINEAR
    antialias: bool = True

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the window, resized."""
        window = self._window(image)
        if window.shape[:2] == self.size:
            return np.ascontiguousarray(window)
        shrinks = self.height > self.size[0] or self.width > self.size[1]
        if self.antialias and shrinks and self.interpolation in ANTIALIASED:
            return _resize_antialiased(window, self.size, ANTIALIASED[self.interpolation])
        return in_groups(window, lambda part: cv2.resize(part, (self.size[1], self.size[0]), interpolation=self.interpolation))

    def matrix(self, size: Size) -> np.ndarray:
        """Return the shift of the window and its scales."""
        y, x = self.size[0] / self.height, self.size[1] / self.width
        return np.array([[x, 0.0, -self.left * x], [0.0, y, -self.top * y], [0.0, 0.0, 1.0]])

    def size_after(self, size: Size) -> Size:
        """Return the fixed size."""
        return self.size

    def labels(self, labels: np.ndarray, fill: int) -> np.ndarray:
        """Return the window, each pixel from the nearest one."""
        window = self._window(labels)
        if window.shape == self.size:
            return np.ascontiguousarray(window)
        return cv2.resize(window, (self.size[1], self.size[0]), interpolation=cv2.INTER_NEAREST_EXACT)

    def _window(self, image: np.ndarray) -> np.ndarray:
        return image[self.top : self.top + self.height, self.left : self.left + self.width]


@dataclass(frozen=True)
class PadCrop(Move):
    """The image is padded by ``padding`` (top, bottom, left, right), then the window from (top, left) of ``size`` is cut out."""

    padding: tuple[int, int, int, int]
    top: int
    left: int
    size: Size
    border: int = cv2.BORDER_CONSTANT
    fill: float = 0

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the window."""
        return in_groups(image, lambda part: self._cut(part, self.border, (self.fill,) * OPENCV_CHANNELS))

    def matrix(self, size: Size) -> np.ndarray:
        """Return the shift."""
        return shift(self.padding[2] - self.left, self.padding[0] - self.top)

    def size_after(self, size: Size) -> Size:
        """Return the fixed size."""
        return self.size

    def labels(self, labels: np.ndarray, fill: int) -> np.ndarray:
        """Return the window; what an image repeats beyond its edge has no labels."""
        return self._cut(labels, cv2.BORDER_CONSTANT, (fill,))

    def _cut(self, image: np.ndarray, border: int, fill: tuple[float, ...]) -> np.ndarray:
        if any(self.padding):
            image = cv2.copyMakeBorder(image, *self.padding, border, value=fill)
        height, width = self.size
        return np.ascontiguousarray(image[self.top : self.top + height, self.left : self.left + width])


@dataclass(frozen=True)
class Flip(Move):
    """The image is mirrored; ``code`` as in ``cv2.flip``: 1 left and right, 0 top and bottom."""

    code: int

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the mirrored image."""
        return in_groups(image, lambda part: cv2.flip(part, self.code))

    def matrix(self, size: Size) -> np.ndarray:
        """Return the mirroring at the middle."""
        if self.code == 1:
            return np.array([[-1.0, 0.0, size[1]], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        return np.array([[1.0, 0.0, 0.0], [0.0, -1.0, size[0]], [0.0, 0.0, 1.0]])

    def size_after(self, size: Size) -> Size:
        """Return ``size``."""
        return size

    def labels(self, labels: np.ndarray, fill: int) -> np.ndarray:
        """Return the mirrored map."""
        return cv2.flip(labels, self.code)


@dataclass(frozen=True)
class QuarterTurns(Move):
    """The image is turned counter-clockwise by ``count`` (1 to 3) times 90 degrees; no pixel is mixed."""

    count: int

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the turned image."""
        return in_groups(image, lambda part: cv2.rotate(part, QUARTER_TURNS[self.count]))

    def matrix(self, size: Size) -> np.ndarray:
        """Return the turn and the shift back into the image."""
        height, width = size
        if self.count == 1:
            return np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, width], [0.0, 0.0, 1.0]])
        if self.count == 2:
            return np.array([[-1.0, 0.0, width], [0.0, -1.0, height], [0.0, 0.0, 1.0]])
        return np.array([[0.0, -1.0, height], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])

    def size_after(self, size: Size) -> Size:
        """Return ``size``; after one or three turns height and width have changed places."""
        return size if self.count == 2 else (size[1], size[0])

    def labels(self, labels: np.ndarray, fill: int) -> np.ndarray:
        """Return the turned map."""
        return cv2.rotate(labels, QUARTER_TURNS[self.count])


@dataclass(frozen=True)
class Turn(Move):
    """The image is turned counter-clockwise around its centre by ``degrees``.

    Its size stays and corners are lost, or it grows (``grows``) so that the whole turned image is inside.
    """

    degrees: float
    interpolation: int = cv2.INTER_LINEAR
    fill: float = 0
    grows: bool = False

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the turned image."""
        size = image.shape[0], image.shape[1]
        return warp(image, self.matrix(size), self.size_after(size), interpolation=self.interpolation, fill=self.fill)

    def matrix(self, size: Size) -> np.ndarray:
        """Return the rotation."""
        height, width = self.size_after(size)
        cosine, sine = np.cos(np.radians(self.degrees)), np.sin(np.radians(self.degrees))
        turn = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        matrix: np.ndarray = shift(width / 2, height / 2) @ turn @ shift(-size[1] / 2, -size[0] / 2)
        return matrix

    def size_after(self, size: Size) -> Size:
        """Return ``size``, or that of the upright box around the turned image."""
        if not self.grows:
            return size
        cosine, sine = abs(np.cos(np.radians(self.degrees))), abs(np.sin(np.radians(self.degrees)))
        # a thousandth of a pixel: a turn by 0 or 90 degrees adds no line of rounding errors
        height, width = (math.ceil(length - 1e-3) for length in (size[0] * cosine + size[1] * sine, size[1] * cosine + size[0] * sine))
        return height, width


class Affine(Move):
    """Any affine map, of images of any size, to an image of one size: windows, scales, turns, mirrors and shears in one step.

    Pixels are read once, where the centre of each new one comes from; so shrinking to less than half leaves fine patterns ragged.

    Args:
        matrix: float64 (3, 3), from coordinates of the image to those of the moved one; pixel i covers [i, i + 1).
        size: (height, width) of the moved image.
        interpolation: ``cv2.INTER_LINEAR``, ``cv2.INTER_CUBIC`` or ``cv2.INTER_NEAREST``.
        fill: value of the pixels that come in from outside.
    """

    def __init__(self, matrix: np.ndarray, size: Size, *, interpolation: int = cv2.INTER_LINEAR, fill: float = 0) -> None:
        self._matrix = np.asarray(matrix, np.float64)
        self.size = size
        self.interpolation = interpolation
        self.fill = fill

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the moved image."""
        return warp(image, self._matrix, self.size, interpolation=self.interpolation, fill=self.fill)

    def matrix(self, size: Size) -> np.ndarray:
        """Return the matrix, which is the same for every image."""
        return self._matrix

    def size_after(self, size: Size) -> Size:
        """Return the fixed size."""
        return self.size


@dataclass(frozen=True)
class Chain(Move):
    """Several moves, one after another."""

    moves: tuple[Move, ...]

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the image after all moves."""
        for move in self.moves:
            image = move(image)
        return image

    def matrix(self, size: Size) -> np.ndarray:
        """Return the product."""
        result = np.eye(3)
        for move in self.moves:
            result, size = move.matrix(size) @ result, move.size_after(size)
        return result

    def size_after(self, size: Size) -> Size:
        """Return the size after the last move."""
        for move in self.moves:
            size = move.size_after(size)
        return size

    def labels(self, labels: np.ndarray, fill: int) -> np.ndarray:
        """Return the map after all moves."""
        for move in self.moves:
            labels = move.labels(labels, fill)
        return labels


def warp(image: np.ndarray, matrix: np.ndarray, size: Size, *, interpolation: int, fill: float) -> np.ndarray:
    """Return an image (H, W, C), any channels, at its new place in an image of ``size``; ``matrix`` (3, 3) leads there."""
    backwards = centred(np.linalg.inv(matrix))[:2]
    flags, values = interpolation | cv2.WARP_INVERSE_MAP, (fill,) * OPENCV_CHANNELS

    def change(part: np.ndarray) -> np.ndarray:
        return cv2.warpAffine(part, backwards, (size[1], size[0]), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=values)

    return in_groups(image, change)


def _resize_antialiased(image: np.ndarray, size: Size, mode: str) -> np.ndarray:
    if image.dtype == np.uint16:
        # torch resizes no uint16
        smooth = _resize_antialiased(image.astype(np.float32), size, mode)
        values: np.ndarray = np.clip(np.rint(smooth), 0, np.iinfo(np.uint16).max).astype(np.uint16)
        return values
    # torch warns of arrays that cannot be written into; in this order of calls the strides are those of channels last: 2.6 times as fast
    pixels = torch.from_numpy(image if image.flags.writeable else image.copy()).unsqueeze(0).permute(0, 3, 1, 2)
    resized = torch.nn.functional.interpolate(pixels, size, mode=mode, antialias=True)
    return np.ascontiguousarray(resized[0].permute(1, 2, 0).numpy())
