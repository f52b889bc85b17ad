"""Where windows lie along an axis of an image, and how much each counts."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Axis:
    """Windows along one axis.

    Windows lie in a grid, so the weight of a pixel is the product of its weights along both axes, and each axis can be scaled
    by itself so that the weights of all windows at a place add up to 1.

    Attributes:
        starts: first pixel of each window.
        seen: pixels of the image in a window: less than the window where the image is smaller.
        steps: for each window, how many of its pixels no later window reaches; of the last one all.
        weights: for each window float32 (seen,), above 0.
    """

    starts: list[int]
    seen: int
    steps: list[int]
    weights: list[np.ndarray]


def plan_axis(length: int, window: int, overlap: float) -> Axis:
    """Return windows that cover an axis and lie at equal distances, the first at its beginning, the last at its end.

    Args:
        length: of the axis, pixels.
        window: pixels of a window.
        overlap: least share of a window that its neighbour covers too, from 0 to below 1.
    """
    assert length > 0 and window > 0 and 0 <= overlap < 1, f"length {length}, window {window}, overlap {overlap}"
    seen = min(length, window)
    stride = max(int(window * (1 - overlap)), 1)
    count = math.ceil((length - seen) / stride) + 1
    starts = np.linspace(0, length - seen, count).round().astype(int).tolist()
    steps = [after - start for start, after in zip(starts, [*starts[1:], length], strict=True)]
    ramp = _ramp(seen, seen - min(steps[:-1], default=seen))
    total = np.zeros(length)
    for start in starts:
        total[start : start + seen] += ramp
    return Axis(starts, seen, steps, [(ramp / total[start : start + seen]).astype(np.float32) for start in starts])


def _ramp(length: int, overlap: int) -> np.ndarray:
    """Return weights that rise over ``overlap`` pixels as a raised cosine, stay at 1, and fall likewise; float64, above 0."""
    places = np.arange(length) + 0.5
    to_edge = np.minimum(places, length - places)
    ramp: np.ndarray = np.square(np.sin(np.pi / 2 * np.minimum(to_edge / max(overlap, 1), 1.0)))
    return ramp
