"""Colours of classes: far apart from each other, and the same for a class in every picture."""

from functools import lru_cache

import numpy as np

Colour = tuple[int, int, int]
"""Red, green, blue, each from 0 to 255."""

BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)
STEPS = 20
"""Values of each channel that colours are chosen from; finer ones can hardly be distinguished."""

COUNT = 2048
"""Colours before they repeat."""

LIGHTNESS = (38.0, 92.0)
LEAST_CHROMA = 28.0
# D65, the white of sRGB (IEC 61966-2-1)
WHITE_POINT = np.array([0.95047, 1.0, 1.08883])
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])


def class_colour(index: int) -> Colour:
    """Return the colour of a class.

    The colours of the first classes are the farthest apart, in lightness as well as in hue, and each further one is as far as can
    be from all before it; so the colour of a class does not depend on how many there are. After 2,048 they repeat.

    Args:
        index: label of the class, from 0.
    """
    colours = _colours()
    red, green, blue = colours[index % len(colours)]
    return int(red), int(green), int(blue)


def class_colours(count: int) -> np.ndarray:
    """Return the colours of the classes 0 to ``count`` - 1, uint8 (count, 3)."""
    return np.array([class_colour(index) for index in range(count)], np.uint8).reshape(-1, 3)


def text_colour(background: Colour) -> Colour:
    """Return black or white, whichever can be read better on ``background``.

    The contrast is that of the Web Content Accessibility Guidelines 2.1 (https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio);
    the better one of the two is at least 4.58, and 4.5 counts as readable.
    """
    luminance = float(TO_XYZ[1] @ _linear(np.array(background) / 255))
    return BLACK if (luminance + 0.05) ** 2 > 1.05 * 0.05 else WHITE


@lru_cache(maxsize=1)
def _colours() -> np.ndarray:
    """Return the colours in the order of the classes, uint8 (N, 3).

    Each is the candidate with the greatest distance, in CIELAB, to the nearest one before it: Glasbey et al., Colour displays for
    categorical images, Color Research and Application 32(4), 2007 (https://doi.org/10.1002/col.20327).
    """
    candidates = _candidates()
    lab = _to_lab(candidates / 255)
    order = [int(np.argmin(np.abs(candidates.astype(int) - (230, 25, 45)).sum(axis=1)))]
    distances = np.full(len(candidates), np.inf)
    while len(order) < COUNT:
        distances = np.minimum(distances, np.square(lab - lab[order[-1]]).sum(axis=1))
        order.append(int(distances.argmax()))
    return candidates[order]


def _candidates() -> np.ndarray:
    """Return colours that are neither near black or white nor gray, so that they contrast with photographs."""
    values = np.linspace(0, 255, STEPS).round().astype(np.uint8)
    cube = np.stack(np.meshgrid(values, values, values, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = _to_lab(cube / 255)
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    chosen: np.ndarray = cube[(lab[:, 0] >= LIGHTNESS[0]) & (lab[:, 0] <= LIGHTNESS[1]) & (chroma >= LEAST_CHROMA)]
    return chosen


def _linear(rgb: np.ndarray) -> np.ndarray:
    linear: np.ndarray = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear


def _to_lab(rgb: np.ndarray) -> np.ndarray:
    """Return CIE 1976 L*a*b* of sRGB values from 0 to 1, both (N, 3)."""
    ratio = _linear(rgb) @ TO_XYZ.T / WHITE_POINT
    bent = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = bent[:, 0], bent[:, 1], bent[:, 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)
