"""Boxes with identities as text, in the format of MOTChallenge: a line for each box of each frame.

``frame, identity, left, top, width, height, confidence, class, visibility`` of annotations since MOT16; MOT15 has ten columns, the last
three of which are places in the world; results have ten too, of which the last three are -1. Frames, and pixels as well, count from 1
(https://motchallenge.net/instructions/).
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pet.data.files.opening import read_text
from petlib.errors import DataError
from petlib.suggest import shortened

COLUMNS_OF_CLASSES = (8, 9)
"""Lines of so many columns have a class in the eighth one."""
GREATEST = 2.0**31
FIRST_PIXEL = 1.0


class MotRows(NamedTuple):
    """The lines of a file, R of them, in the order of frames, and within a frame as they are in the file.

    Attributes:
        frames: int64 (R,), from 1 on.
        ids: int64 (R,).
        boxes: float64 (R, 4): left, top, width, height as in the file.
        confidences: float64 (R,); of annotations 0: not to be counted; 1 where lines have no such column.
        classes: int64 (R,), from 1 on; 1 where lines have no such column.
        visibility: float64 (R,), the share of the object that is to be seen; 1 where lines have no such column.
    """

    frames: np.ndarray
    ids: np.ndarray
    boxes: np.ndarray
    confidences: np.ndarray
    classes: np.ndarray
    visibility: np.ndarray

    def select(self, chosen: np.ndarray) -> "MotRows":
        """Return some of the lines."""
        return MotRows(*(values[chosen] for values in self))

    def corners(self) -> np.ndarray:
        """Return the boxes as Pet has them, float64 (R, 4) XYXY: pixel i, counted from 0, covers [i, i + 1)."""
        left_top = self.boxes[:, :2] - FIRST_PIXEL
        return np.concatenate([left_top, left_top + self.boxes[:, 2:]], axis=1)


def read_mot(path: Path, *, what: str) -> MotRows:
    """Return the lines of a file; fields are separated by commas or blanks.

    Args:
        path: the file.
        what: what it is called in messages.

    Raises:
        DataError: it cannot be read, or a line is no such line.
    """
    lines = [line for line in read_text(path, what=what).splitlines() if line.strip()]
    separator = "," if lines and "," in lines[0] else None
    try:
        table = np.loadtxt(lines, delimiter=separator, ndmin=2, comments=None) if lines else np.zeros((0, 6))
    except ValueError as error:
        raise DataError(f"{path}: {what} has a line that cannot be read: {error}; numbers {EXPECTED}") from error
    if table.shape[1] < 6:
        raise DataError(f"{path}: {what} begins with {shortened(lines[0])!r}; {EXPECTED}")
    return _as_rows(path, what, table)


EXPECTED = "'frame, identity, left, top, width, height, confidence, class, visibility' expected, the first six at least"


def _as_rows(path: Path, what: str, table: np.ndarray) -> MotRows:
    whole = table[:, [0, 1, 7]] if table.shape[1] in COLUMNS_OF_CLASSES else table[:, :2]
    wrong = ~np.isfinite(table[:, :6]).all(axis=1) | (np.abs(table[:, :6]) > GREATEST).any(axis=1)
    wrong |= (whole != np.round(whole)).any(axis=1) | (table[:, 0] < 1)
    if wrong.any():
        line = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{path}: line {line + 1} of {what}: {', '.join(f'{value:g}' for value in table[line, :8])} given; whole numbers of frame "
            "(from 1 on), identity and class, and four numbers of a box expected"
        )
    table = table[np.argsort(table[:, 0], kind="stable")]
    ones = np.ones(len(table))
    columns = table.shape[1]
    return MotRows(
        frames=table[:, 0].astype(np.int64),
        ids=table[:, 1].astype(np.int64),
        boxes=table[:, 2:6].copy(),
        confidences=table[:, 6].copy() if columns > 6 else ones,
        classes=(table[:, 7] if columns in COLUMNS_OF_CLASSES else ones).astype(np.int64),
        visibility=table[:, 8].copy() if columns == 9 else ones.copy(),
    )


def format_results(frames: Iterable[tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]]) -> str:
    """Return the text of a file of results, which MOTChallenge's server takes.

    Args:
        frames: of each its number, from 1 on, and of the tracks in it: ids (N,), boxes (N, 4) XYXY in pixels, scores (N,), and the numbers
            of their classes, from 1 on; None: there is one class, written as -1.
    """
    lines = []
    for frame, ids, boxes, scores, classes in frames:
        numbers = [-1] * len(ids) if classes is None else classes.tolist()
        for identity, (left, top, right, bottom), score, number in zip(ids.tolist(), boxes.tolist(), scores.tolist(), numbers, strict=True):
            box = f"{left + FIRST_PIXEL:.2f},{top + FIRST_PIXEL:.2f},{right - left:.2f},{bottom - top:.2f}"
            lines.append(f"{frame},{identity},{box},{score:.6g},{number},-1,-1\n")
    return "".join(lines)


def format_annotations(rows: MotRows) -> str:
    """Return the text of a file of annotations, as those since MOT16."""
    return "".join(
        f"{frame},{identity},{','.join(f'{value:g}' for value in box)},{confidence:g},{label},{visibility:.3f}\n"
        for frame, identity, box, confidence, label, visibility in zip(*(values.tolist() for values in rows), strict=True)
    )
