"""Several pictures on one sheet."""

from collections.abc import Sequence

import cv2
import numpy as np

from pet.visual.canvas import scale_to_fit
from pet.visual.text import render, shorten

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
