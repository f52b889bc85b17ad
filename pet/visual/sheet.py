"""Pictures put together: a strip below one that names its colours, several on one sheet."""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from pet.visual.canvas import scale_to_fit
from pet.visual.palette import WHITE, Colour
from pet.visual.text import render, shorten, text_width

GROUND = 255
GAP = 8
TEXT_SIZE = 14
LEAST_WIDTH = 160
"""Pixels of a column, for the titles."""


def make_sheet(pictures: Sequence[np.ndarray], titles: Sequence[str], *, columns: int, cell: tuple[int, int]) -> np.ndarray:
    """Return pictures side by side, row by row, each with a title above it; nothing is cut.

    Args:
        pictures: uint8 (H, W, 3), RGB; those larger than a cell are made smaller. Draw them at the size of a cell, see
            :func:`pet.visual.canvas.scale_to_fit`, so that their text stays readable.
        titles: one line each; shortened where they are wider than a cell.
        columns: pictures of a row.
        cell: (height, width) of the room of each picture.

    Returns:
        uint8 (H, W, 3).
    """
    assert len(pictures) == len(titles), f"{len(pictures)} pictures and {len(titles)} titles"
    fitted = [_fitted(picture, cell) for picture in pictures]
    rows = [range(start, min(start + columns, len(fitted))) for start in range(0, len(fitted), columns)]
    column_width = min(max([LEAST_WIDTH, *(picture.shape[1] for picture in fitted)]), cell[1])
    width = columns * (column_width + GAP) + GAP
    parts = [np.full((GAP, width, 3), GROUND, np.uint8)]
    for row in rows:
        title_height = render("x", TEXT_SIZE).shape[0]
        height = title_height + max(fitted[index].shape[0] for index in row) + GAP
        part = np.full((height, width, 3), GROUND, np.uint8)
        for column, index in enumerate(row):
            left = GAP + column * (column_width + GAP)
            title = render(shorten(titles[index], TEXT_SIZE, column_width), TEXT_SIZE)
            part[:title_height, left : left + title.shape[1]] = 255 - title[..., None]
            picture = fitted[index]
            part[title_height : title_height + picture.shape[0], left : left + picture.shape[1]] = picture
        parts.append(part)
    return np.concatenate(parts)


def _fitted(picture: np.ndarray, cell: tuple[int, int]) -> np.ndarray:
    scale = scale_to_fit((picture.shape[0], picture.shape[1]), cell)
    if scale >= 1:
        return picture
    size = max(int(picture.shape[1] * scale), 1), max(int(picture.shape[0] * scale), 1)
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


LEGEND_GROUND: Colour = (24, 24, 24)

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
    strip = np.full(((row + 1) * row_height, width, 3), LEGEND_GROUND, np.uint8)
    for (x, y), name, (_, colour) in zip(places, names, entries, strict=True):
        text = render(name, text_size)
        top = y + (text.shape[0] - text_size) // 2
        cv2.rectangle(strip, (x, top), (x + text_size - 1, top + text_size - 1), colour, -1)
        window = strip[y : y + text.shape[0], x + text_size + gap :]
        covered = text[: window.shape[0], : window.shape[1], None].astype(np.float32) / 255
        inside = window[:, : covered.shape[1]]
        inside[:] = (inside * (1 - covered) + np.array(WHITE, np.float32) * covered).round().astype(np.uint8)
    return np.concatenate([picture, strip])
