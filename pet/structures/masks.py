"""The masks of the objects of an image, kept as they were written down until pixels are asked for."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as coco_mask

from pet.structures.affine import clip_to_image, contains, move_points, rectangle, shift, warp_labels
from petlib.errors import DataError

Outline = tuple[np.ndarray, ...] | dict[str, Any] | np.ndarray
"""Polygons, each float64 (P, 2), that an object is the union of; or a compressed COCO RLE; or a bitmap, uint8 (H, W).

No polygon at all: the outline of the object is not known, and it has no pixel.
"""


MOST_BYTES = 2 * 1024**3
"""Of the drawn masks of an image: thousands of objects in a photograph."""


class Frame(NamedTuple):
    """How the image of some outlines came to lie in the present one.

    Attributes:
        matrix: float64 (3, 3), from the coordinates of the outlines to the present ones.
        visible: convex polygon (K, 2) of the present image that shows something of the image of the outlines; None: all of it.
            What a crop has cut off does not come back when borders are added later.
    """

    matrix: np.ndarray
    visible: np.ndarray | None = None


class InstanceMasks:
    """Masks of N objects of an image. Nothing is ever changed: what moves or selects gives new masks.

    Moving is cheap, whatever the masks are made of: matrices are multiplied, and :meth:`rasterise` does the work once.

    Args:
        outlines: polygons, RLEs or bitmaps, see :data:`Outline`.
        size: (height, width) of the image.
        frames: how images came to lie in this one; None: the outlines have the coordinates of this image.
        places: for each outline the place of its frame in ``frames``; None: the first.
    """

    def __init__(
        self,
        outlines: Sequence[Outline],
        size: tuple[int, int],
        frames: Sequence[Frame] | None = None,
        places: Sequence[int] | None = None,
    ) -> None:
        self._outlines = tuple(outlines)
        self.size = (int(size[0]), int(size[1]))
        self._frames = (Frame(np.eye(3)),) if frames is None else tuple(frames)
        self._places = (0,) * len(self._outlines) if places is None else tuple(places)

    @classmethod
    def from_segmentations(cls, segmentations: Sequence[Any], size: tuple[int, int]) -> "InstanceMasks":
        """Return masks of what COCO files hold.

        Args:
            segmentations: for each object a list of polygons ``[x, y, x, y, ...]`` in pixels, or an RLE
                ``{"size": [height, width], "counts": ...}``, compressed or not; None: its outline is not known.
            size: (height, width) of the image.

        Raises:
            DataError: a polygon has fewer than three points or an odd number of coordinates, or an RLE has another size.
        """
        return cls([_read(index, item, size) for index, item in enumerate(segmentations)], size)

    @classmethod
    def from_bitmaps(cls, bitmaps: np.ndarray) -> "InstanceMasks":
        """Return masks of pixels, (N, H, W), whatever is not 0 belongs to the object."""
        return cls(list((bitmaps != 0).astype(np.uint8)), (bitmaps.shape[1], bitmaps.shape[2]))

    @classmethod
    def concatenate(cls, parts: Sequence["InstanceMasks"]) -> "InstanceMasks":
        """Return the masks of several ones of the same image size, one after another."""
        sizes = {part.size for part in parts}
        assert len(sizes) == 1, f"masks of one size expected, {sorted(sizes)} given"
        frames: list[Frame] = []
        places: list[int] = []
        for part in parts:
            places += [place + len(frames) for place in part._places]
            frames += part._frames
        return cls([outline for part in parts for outline in part._outlines], sizes.pop(), frames, places)

    def __len__(self) -> int:
        return len(self._outlines)

    def parts(self) -> tuple[tuple[Outline, ...], tuple[Frame, ...], tuple[int, ...]]:
        """Return what the masks are made of, as the constructor takes it: outlines, frames, and for each outline the place of its frame."""
        return self._outlines, self._frames, self._places

    @property
    def known(self) -> np.ndarray:
        """Which objects have an outline, bool (N,)."""
        return np.array([not isinstance(outline, tuple) or bool(outline) for outline in self._outlines], bool)

    def select(self, chosen: np.ndarray | Sequence[int] | Sequence[bool]) -> "InstanceMasks":
        """Return the masks of some objects: their places, or N truth values."""
        chosen = np.asarray(chosen)
        indices = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64)
        return InstanceMasks(
            [self._outlines[index] for index in indices], self.size, self._frames, [self._places[index] for index in indices]
        )

    def moved(self, matrix: np.ndarray, size: tuple[int, int]) -> "InstanceMasks":
        """Return the masks in an image of another ``size`` (height, width), moved by ``matrix`` (3, 3) from old to new coordinates.

        Polygons move exactly, pixels to the nearest place.
        """
        frames = [Frame(matrix @ frame.matrix, clip_to_image(frame.visible, matrix, self.size, size)) for frame in self._frames]
        return InstanceMasks(self._outlines, size, frames, self._places)

    def rasterise(self) -> np.ndarray:
        """Return uint8 (N, H, W), 1 where the object is; the pixels of polygons are those that pycocotools takes.

        Raises:
            DataError: they would take more than :data:`MOST_BYTES`.
        """
        if len(self) * self.size[0] * self.size[1] > MOST_BYTES:
            raise DataError(
                f"the masks of {len(self)} objects in an image of {self.size[1]}x{self.size[0]} pixels would take more than {MOST_BYTES:,} "
                "bytes; crop or resize the image before, or leave out objects"
            )
        result = np.zeros((len(self), *self.size), np.uint8)
        for index in range(len(self)):
            drawn = self._draw(index)
            if drawn is not None:
                top, left, pixels = drawn
                result[index, top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
        return result

    def areas(self) -> np.ndarray:
        """Return float32 (N,), the number of pixels of each object that are in the image."""
        drawn = [self._draw(index) for index in range(len(self))]
        return np.array([0 if item is None else int(item[2].sum()) for item in drawn], np.float32)

    def _draw(self, index: int) -> tuple[int, int, np.ndarray] | None:
        """Return top, left and pixels of the part of the image that an object lies in; None: it lies outside."""
        outline, frame = self._outlines[index], self._frames[self._places[index]]
        if isinstance(outline, tuple) and not outline:
            return None
        corners = move_points(_extent(outline), frame.matrix)
        low = np.maximum(np.floor(corners.min(axis=0)), 0).astype(int)
        high = np.minimum(np.ceil(corners.max(axis=0)), (self.size[1], self.size[0])).astype(int)
        if not (high > low).all():
            return None
        matrix = shift(-float(low[0]), -float(low[1])) @ frame.matrix
        size = int(high[1] - low[1]), int(high[0] - low[0])
        pixels = _rasterise(outline, matrix, size)
        if frame.visible is not None and not contains(frame.visible, corners):
            pixels = pixels & draw_polygons([frame.visible - low], size)
        return int(low[1]), int(low[0]), pixels


def draw_polygons(polygons: Sequence[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Return uint8 ``size`` (height, width), 1 in the union of polygons (P, 2), as pycocotools draws them."""
    flat = [polygon.ravel().tolist() for polygon in polygons if len(polygon) >= 3]
    if not flat:
        return np.zeros(size, np.uint8)
    pixels: np.ndarray = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(flat, *size)))
    return pixels


def _rasterise(outline: Outline, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if isinstance(outline, tuple):
        return draw_polygons([move_points(polygon, matrix) for polygon in outline], size)
    bitmap = coco_mask.decode(outline) if isinstance(outline, dict) else outline
    return warp_labels(np.ascontiguousarray(bitmap), matrix, size, 0)


def _extent(outline: Outline) -> np.ndarray:
    """Return points of an outline's own coordinates, (P, 2), between which all of it lies."""
    if isinstance(outline, tuple):
        return outline[0] if len(outline) == 1 else np.concatenate(outline)
    if isinstance(outline, dict):
        left, top, width, height = coco_mask.toBbox(outline)
        return rectangle(left, top, left + width, top + height)
    return rectangle(0, 0, outline.shape[1], outline.shape[0])


def _read(index: int, segmentation: Any, size: tuple[int, int]) -> Outline:
    if segmentation is None:
        return ()
    if isinstance(segmentation, Mapping):
        return _read_rle(index, segmentation, size)
    if not segmentation:
        raise DataError(f"segmentation of object {index}: no polygon given, at least one expected")
    polygons = tuple(np.asarray(polygon, np.float64) for polygon in segmentation)
    for polygon in polygons:
        if polygon.size < 6 or polygon.size % 2:
            raise DataError(
                f"segmentation of object {index}: a polygon of {polygon.size} numbers given, x and y of at least three points expected"
            )
    return tuple(polygon.reshape(-1, 2) for polygon in polygons)


def _read_rle(index: int, rle: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    if list(rle["size"]) != list(size):
        raise DataError(f"segmentation of object {index}: an RLE of size {list(rle['size'])} given, {list(size)} expected, as the image")
    counts = rle["counts"]
    if isinstance(counts, str | bytes):
        return {"size": list(size), "counts": counts}
    if sum(counts) != size[0] * size[1]:
        raise DataError(
            f"segmentation of object {index}: an RLE of {sum(counts)} pixels given, {size[0] * size[1]} expected "
            f"({size[0]} rows of {size[1]})"
        )
    compressed: dict[str, Any] = coco_mask.frPyObjects({"size": list(size), "counts": list(counts)}, *size)
    return compressed
