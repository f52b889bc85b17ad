"""Masks of a COCO file: which of them can be used."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from pet.data.files.json_values import as_numbers, as_whole_number
from pet.data.files.limits import shown
from pet.data.files.skipped import SkipCounter
from petlib.errors import DataError

NO_MASK = "object without a mask, kept as a box alone"
NO_PIXEL = "object whose RLE has no pixel, kept as a box alone"
NO_POLYGON = "object whose polygons have fewer than 3 points or no area, kept as a box alone"
POOR_POLYGON = "polygon of fewer than 3 points or without area; its object has others"


GREATEST_COORDINATE = 1_000_000
LONGEST_OUTLINE = 2_000_000
"""Pixels; drawing takes some hundred bytes for each."""

MOST_NUMBERS_OF_A_LINE = 10
"""Of a polygon of which it is looked at whether it has an area: x and y of five points."""

MOST_GROUPS = 6
"""Of a count in an RLE, which are 30 bits."""


class SegmentationReader:
    """Checks the ``segmentation`` of annotations.

    Args:
        path: the file, for messages.
        skipped: counts the masks that cannot be used.
    """

    def __init__(self, *, path: Path, skipped: SkipCounter) -> None:
        self._path = path
        self._skipped = skipped

    def read(self, annotation: dict[str, Any], size: tuple[int, int]) -> Any:
        """Return polygons with at least 3 points each, or an RLE; None: there is nothing to use, which has been counted.

        Args:
            annotation: a row of the file.
            size: height and width of its image.

        Raises:
            DataError: an RLE does not fit the image, or the entry is neither polygons of pairs nor an RLE.
        """
        segmentation = annotation.get("segmentation")
        if segmentation is None or segmentation in ([], {}, ""):
            self._skipped.add(NO_MASK, describe(annotation))
            return None
        if isinstance(segmentation, list):
            return self._polygons(annotation, segmentation)
        if isinstance(segmentation, dict) and {"counts", "size"} <= segmentation.keys():
            if not self._read_counts(annotation, segmentation, size)[1::2].any():
                self._skipped.add(NO_PIXEL, describe(annotation))
                return None
            return {"size": [*size], "counts": segmentation["counts"]}
        raise self._error(annotation, f"its segmentation is {shown(segmentation)}, polygons or an RLE with 'counts' and 'size' expected")

    def _polygons(self, annotation: dict[str, Any], polygons: list[Any]) -> list[Any] | None:
        try:
            finite = all(isinstance(polygon, list) and math.isfinite(sum(polygon)) for polygon in polygons)
        except (TypeError, OverflowError):
            # numbers as text, as some programs write them
            read = [as_numbers(polygon) for polygon in polygons]
            finite = None not in read
            polygons = read if finite else polygons
        if not finite:
            raise self._error(annotation, f"its segmentation is {shown(polygons)}, a list of polygons [x, y, x, y, ...] expected")
        if len(polygons) > 1 and all(len(polygon) == 2 for polygon in polygons):
            given = f"its segmentation {shown(polygons)} has a point in the place of each polygon"
            raise self._error(annotation, f"{given}; [[x, y, x, y, ...]] expected")
        odd = next((polygon for polygon in polygons if len(polygon) % 2), None)
        if odd is not None:
            raise self._error(annotation, f"a polygon of its segmentation has {len(odd)} numbers, pairs of x and y expected")
        usable = [polygon for polygon in polygons if len(polygon) >= 6 and not _is_line(polygon)]
        for polygon in usable:
            self._check_length(annotation, polygon)
        if not usable:
            self._skipped.add(NO_POLYGON, describe(annotation))
            return None
        for _ in range(len(polygons) - len(usable)):
            self._skipped.add(POOR_POLYGON, describe(annotation))
        return usable

    def _check_length(self, annotation: dict[str, Any], polygon: list[float]) -> None:
        """Refuse an outline that would take gigabytes to draw: each pixel of its length does, wherever it lies."""
        low, high = min(polygon), max(polygon)
        if max(abs(low), abs(high)) > GREATEST_COORDINATE:
            raise self._error(annotation, f"a point of its segmentation lies {max(abs(low), abs(high)):g} pixels away from the image")
        # nearly all outlines are shorter than this bound
        if (high - low) * len(polygon) <= LONGEST_OUTLINE:
            return
        points = np.array(polygon, np.float64).reshape(-1, 2)
        length = float(np.abs(points - np.roll(points, 1, axis=0)).max(axis=1).sum())
        if length > LONGEST_OUTLINE:
            raise self._error(
                annotation, f"a polygon of its segmentation is {length:,.0f} pixels long, at most {LONGEST_OUTLINE:,} are drawn"
            )

    def _read_counts(self, annotation: dict[str, Any], rle: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
        height, width = size
        if not isinstance(rle["size"], list) or [as_whole_number(edge) for edge in rle["size"]] != [height, width]:
            raise self._error(
                annotation, f"its RLE is for an image of size {shown(rle['size'])} (height, width), the image has {[height, width]}"
            )
        try:
            counts = rle_counts(rle["counts"], height * width)
        except (TypeError, ValueError, OverflowError) as error:
            raise self._error(annotation, f"the counts of its RLE are {shown(rle['counts'])}: {error}") from error
        if counts.sum() != height * width:
            raise self._error(
                annotation, f"the counts of its RLE add up to {counts.sum()} pixels, its image has {height} x {width} = {height * width}"
            )
        return counts

    def _error(self, annotation: dict[str, Any], message: str) -> DataError:
        return DataError(f"{self._path}: {describe(annotation)}: {message}")


def _is_line(polygon: list[float]) -> bool:
    """Return whether a polygon of a few points has no area; the edges of many points cost time, and hardly lie on a line."""
    if len(polygon) > MOST_NUMBERS_OF_A_LINE:
        return False
    points = list(zip(polygon[::2], polygon[1::2], strict=True))
    return sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in zip(points, [*points[1:], points[0]], strict=True)) == 0


def rle_counts(counts: list[int] | str | bytes, most: int) -> np.ndarray:
    """Return the counts of a run-length encoding, int64: pixels outside and inside of the object by turns.

    Text holds each count in groups of five bits, the lowest first, with 48 added; a sixth bit says that more groups follow, the
    highest bit of the last one is the sign. From the fourth count on it is the difference to the count two places before
    (format: https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c).

    Raises:
        ValueError: a count is negative or above ``most``, or the text ends in the middle of one or has letters of another alphabet.
        TypeError: it is neither text nor a list of whole numbers.
    """
    if not isinstance(counts, str | bytes):
        numbers = [as_whole_number(count) for count in counts] if isinstance(counts, list) else [None]
        if None in numbers:
            raise TypeError("whole numbers expected")
        values = np.array(numbers, np.int64)
    else:
        values = _decode_counts(counts.encode("latin-1") if isinstance(counts, str) else counts)
    if values.size and values.min() < 0:
        raise ValueError(f"the count {values.min()} is negative")
    # the drawing library keeps each in 32 bits and writes whatever they say
    if values.size and values.max() > most:
        raise ValueError(f"the count {values.max()} is greater than the {most} pixels of the image")
    return values


def _decode_counts(text: bytes) -> np.ndarray:
    groups = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if groups.size and (groups.min() < 0 or groups.max() > 63):
        raise ValueError("they hold a letter that no RLE has")
    ends = np.flatnonzero(groups < 32)
    if not groups.size or ends.size == 0 or ends[-1] != groups.size - 1:
        raise ValueError("they end in the middle of a number")
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > MOST_GROUPS:
        raise ValueError("a number is too long")
    shifts = 5 * (np.arange(groups.size) - np.repeat(starts, lengths))
    values = np.add.reduceat((groups & 31) << shifts, starts)
    values -= np.where(groups[ends] & 16, np.int64(1) << (5 * lengths), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def describe(annotation: dict[str, Any]) -> str:
    """Return which annotation it is, for messages."""
    number = shown(annotation["id"]) if "id" in annotation else "(without id)"
    return f"annotation {number} of image {shown(annotation.get('image_id'))}"
