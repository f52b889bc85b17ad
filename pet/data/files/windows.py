"""Large images are read in windows."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from petlib.errors import ConfigError


class Window(NamedTuple):
    """A part of an image file, in pixels from its upper left corner."""

    top: int
    left: int
    height: int
    width: int


def check_window(window: int, stride: int) -> int:
    """Return the distance of neighbouring windows, pixels.

    Args:
        window: edge of a window; 0: images are read whole.
        stride: the distance; 0: half a window.

    Raises:
        ConfigError: a number is negative, or pixels would lie between the windows.
    """
    if window < 0 or stride < 0 or stride > window:
        raise ConfigError(f"window {window} and stride {stride} given; a window of pixels (0: whole images) and a stride up to it expected")
    return stride or max(window // 2, 1)


def windows_of(size: tuple[int, int], window: int, stride: int) -> Iterator[Window]:
    """Yield the windows that cover an image of ``size`` (height, width), row by row.

    A side that is not longer than a window is taken whole; the last window of a row or column ends at the border of the image.
    """
    height, width = size
    for top in window_starts(height, window, stride):
        for left in window_starts(width, window, stride):
            yield Window(top, left, min(window, height), min(window, width))


def window_starts(length: int, window: int, stride: int) -> list[int]:
    """Return where the windows of a side of ``length`` pixels begin."""
    last = max(length - window, 0)
    return [*range(0, last, stride), last]


def spaced_windows(size: tuple[int, int], window: int, overlap: float) -> list[Window]:
    """Return the windows, at equal distances, that cover an image of ``size`` (height, width), row by row; see :func:`spaced_starts`."""
    height, width = size
    tops, lefts = (spaced_starts(length, window, overlap) for length in size)
    return [Window(top, left, min(window, height), min(window, width)) for top in tops for left in lefts]


def spaced_starts(length: int, window: int, overlap: float) -> list[int]:
    """Return where windows begin that cover a side at equal distances, the first at its beginning, the last at its end.

    Args:
        length: of the side, pixels.
        window: edge of a window, pixels.
        overlap: least share of a window that its neighbour covers too, from 0 to below 1.
    """
    assert length > 0 and window > 0 and 0 <= overlap < 1, f"length {length}, window {window}, overlap {overlap}"
    last = max(length - window, 0)
    stride = max(int(window * (1 - overlap)), 1)
    starts: list[int] = np.linspace(0, last, math.ceil(last / stride) + 1).round().astype(int).tolist()
    return starts
