"""A strip below a picture that names its colours."""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from pet.visual.palette import WHITE, Colour
from pet.visual.text import render, shorten, text_width

GROUND: Colour = (24, 24, 24)

Legend = dict[str, Colour]
"""Names and what colour means them."""


def coloured(entries: Iterable[tuple[str, Colour | None]]) -> Legend:
    """Return the names that have a colour."""
    return {name: colour for name, colour in entries if colour is not None}


def add_legend(picture: np.ndarray, entries: Sequence[tuple[str, Colour]], text_size: int) -> np.ndarray:
    """Return a picture with names and their colours below it, in as many rows as they need.

    Args:
        picture: uint8 (H, W, 3).
        entries: names and colours; nothing is added where there are none.
        text_size: of the font, pixels.
    """
    if not entries:
        return picture
    width, gap = picture.shape[1], text_size // 2
    row_height = render("x", text_size).shape[0] + gap
    names = [shorten(name, text_size, max(width - text_size - 3 * gap, 1)) for name, _ in entries]
    places, x, row = [], gap, 0
    for name in names:
        needed = text_size + gap + text_width(name, text_size)
        if x > gap and x + needed + gap > width:
            x, row = gap, row + 1
        places.append((x, row * row_height + gap // 2))
        x += needed + 2 * gap
    strip = np.full(((row + 1) * row_height, width, 3), GROUND, np.uint8)
    for (x, y), name, (_, colour) in zip(places, names, entries, strict=True):
        text = render(name, text_size)
        top = y + (text.shape[0] - text_size) // 2
        cv2.rectangle(strip, (x, top), (x + text_size - 1, top + text_size - 1), colour, -1)
        window = strip[y : y + text.shape[0], x + text_size + gap :]
        covered = text[: window.shape[0], : window.shape[1], None].astype(np.float32) / 255
        inside = window[:, : covered.shape[1]]
        inside[:] = (inside * (1 - covered) + np.array(WHITE, np.float32) * covered).round().astype(np.uint8)
    return np.concatenate([picture, strip])
