"""Where the labels of objects are placed: inside of the picture, and next to each other rather than over each other."""

from typing import NamedTuple

import numpy as np

from pet.visual.palette import Colour, text_colour
from pet.visual.text import render, shorten

Rectangle = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom lie outside."""


MOST_COVERED = 0.5
"""Share of the picture that plates may cover; beyond, what they name cannot be seen."""

MOST_SMALL = 3
"""Labels that even a tiny picture has."""

SMALLEST_TEXT = 14
"""Pixels of a font that can be read."""

LINES_OF_AN_OBJECT = 4
"""Text is at most as high as this share of its object, so that the labels of small objects cover no others."""

LONG_NAME = 14
"""Names are left as they are up to this width, in sizes of the font."""


class _Label(NamedTuple):
    text: str
    suffix: str
    box: Rectangle
    colour: Colour


class LabelLayer:
    """Labels that are collected while objects are drawn, and written last, over everything else.

    Args:
        size: (height, width) of the picture.
        text_size: of the font of large objects, pixels; that of small ones is smaller.
    """

    def __init__(self, size: tuple[int, int], text_size: int) -> None:
        self._size = size
        self._text_size = text_size
        self._labels: list[_Label] = []

    def add(self, text: str, suffix: str, box: Rectangle, colour: Colour) -> None:
        """Take a label; the most important ones first.

        Args:
            text: e.g. the class; a long one is shortened where its box is not as wide either.
            suffix: what follows and is never shortened, e.g. the score.
            box: what the label belongs to; it is written above of it where there is room.
            colour: of the plate behind the text, which is black or white.
        """
        self._labels.append(_Label(text, suffix, box, colour))

    def write(self, pixels: np.ndarray) -> None:
        """Write the labels into a picture, uint8 (height, width, 3); none where they would cover more than half of it."""
        room = MOST_COVERED * self._size[0] * self._size[1]
        plates: list[np.ndarray] = []
        for label in self._labels:
            plates.append(self._plate(label))
            room -= plates[-1].shape[0] * plates[-1].shape[1]
            if room < 0 and len(plates) > MOST_SMALL:
                return
        taken = np.zeros(self._size, bool)
        placed = []
        for label, plate in zip(self._labels, plates, strict=True):
            left, top, right, bottom = place = _best_place(label.box, (plate.shape[0], plate.shape[1]), self._size, taken)
            taken[top:bottom, left:right] = True
            placed.append((plate, place))
        # the most important ones on top
        for plate, (left, top, right, bottom) in reversed(placed):
            pixels[top:bottom, left:right] = plate[: bottom - top, : right - left]

    def _plate(self, label: _Label) -> np.ndarray:
        """Return the text on its ground, uint8 (h, w, 3)."""
        left, top, right, bottom = label.box
        text_size = min(self._text_size, max(SMALLEST_TEXT, max(right - left, bottom - top) // LINES_OF_AN_OBJECT))
        padding = max(2, text_size // 5)
        room = max(min(max(right - left, LONG_NAME * text_size), self._size[1]) - 2 * padding, 1)
        suffix = f" {label.suffix}" if label.suffix else ""
        room_of_name = room - (render(suffix, text_size).shape[1] + text_size // 2 if suffix else 0)
        return make_plate(shorten(label.text, text_size, room_of_name) + suffix, text_size, padding, label.colour)


def make_plate(text: str, text_size: int, padding: int, colour: Colour) -> np.ndarray:
    """Return text on a ground of ``colour``, black or white, whichever can be read; uint8 (h, w, 3)."""
    covered = render(text, text_size)
    plate = np.empty((covered.shape[0], covered.shape[1] + 2 * padding, 3), np.uint8)
    plate[:] = colour
    share = covered[..., None].astype(np.float32) / 255
    inside = plate[:, padding : plate.shape[1] - padding]
    inside[:] = (inside * (1 - share) + np.array(text_colour(colour), np.float32) * share).round().astype(np.uint8)
    return plate


def _best_place(box: Rectangle, plate: tuple[int, int], size: tuple[int, int], taken: np.ndarray) -> Rectangle:
    """Return where a plate (height, width) hides the least of the others; of equal places the first that one would look at.

    ``taken``, bool of the size of the picture, says where there is a plate already: so a place costs the same however many there are.
    """
    (left, top, right, bottom), (height, width) = box, plate
    above, inside = (left, top - height), (left, top)
    first, second = (above, inside) if top >= height else (inside, above)
    preferred = [
        first,
        second,
        (right - width, top - height),
        (left, bottom),
        (right - width, bottom),
        (left, bottom - height),
        (right - width, top),
        (right - width, bottom - height),
    ]
    # a place outside of the picture becomes the nearest one inside
    places = [_moved_inside(x, y, height, width, size) for x, y in preferred]
    hidden = [np.count_nonzero(taken[top:bottom, left:right]) for left, top, right, bottom in places]
    return places[hidden.index(min(hidden))]


def _moved_inside(x: int, y: int, height: int, width: int, size: tuple[int, int]) -> Rectangle:
    left, top = max(min(x, size[1] - width), 0), max(min(y, size[0] - height), 0)
    return left, top, min(left + width, size[1]), min(top + height, size[0])
