"""Label images: files whose pixels are numbers of classes, parts or persons."""

import io
from pathlib import Path

import numpy as np

from pet.data.files.image_cache import CACHE
from pet.data.files.image_size import PNG_START, opened, size_of
from pet.data.files.limits import LIMITS, check_pixels
from pet.data.files.opening import read_file
from pet.data.files.orientation import orientation_of, turned
from pet.data.targets.dataset import IGNORE
from petlib.errors import DataError

WITHOUT_ALPHA = {"RGBA": "RGB", "LA": "L", "PA": "P"}
MOST_COLOURS = 12
PNG_DEPTH, PNG_KIND, PNG_GRAY = 24, 25, 0
"""Places of bit depth and colour type in a PNG file, and the colour type of gray images (https://www.w3.org/TR/png-3/#11IHDR)."""


def read_label_image(path: str | Path, *, colours: bool = False, always_colours: bool = False) -> np.ndarray:
    """Return the numbers of a label image: uint8 or, from 16-bit files, uint16, shape (height, width).

    Gray images of 1 to 16 bits give their values, palette images the places in the palette, images of three equal channels the first
    of them; transparency is no label. Like images they are turned upright, and come from the
    cache of decoded images where one is open.

    Args:
        path: the file.
        colours: give images with three channels as they are, uint8 (height, width, 3).
        always_colours: give all images so, those of a palette with its colours.

    Raises:
        DataError: the file is missing, damaged, a JPEG (whose values are not kept exactly), has channels that differ, or more pixels
            than ``DATA.MAX_PIXELS``.
    """
    reading = f"labels {colours:d}{always_colours:d}"
    return CACHE.get(path, reading, lambda: _decode(path, colours=colours, always_colours=always_colours))


def _decode(path: str | Path, *, colours: bool, always_colours: bool) -> np.ndarray:
    data = read_file(path, what="the label image", most_bytes=LIMITS.image_bytes)
    check_pixels(*size_of(data, str(path), what="a label image"), path)
    with opened(io.BytesIO(data), f"{path}: not a label image that can be decoded ({len(data)} bytes)") as image:
        image.load()
        mode = "RGB" if always_colours else WITHOUT_ALPHA.get(image.mode, image.mode)
        kind, labels = image.format, turned(np.asarray(image.convert(mode) if mode != image.mode else image), orientation_of(data))
    if kind == "JPEG":
        raise DataError(f"{path}: the label image is a JPEG, which does not keep the values of pixels; a PNG is expected")
    if mode == "RGB":
        return labels if colours or always_colours else _one_of_equal(labels, path)
    if labels.ndim != 2 or mode not in ("1", "L", "P", "I;16", "I;16B"):
        raise DataError(f"{path}: the label image has the mode {mode}, one number a pixel expected (8 or 16 bits, gray or palette)")
    if mode.startswith("I;16"):
        return labels.astype(np.uint16)
    return labels.astype(np.uint8) // _gray_step(data)


def _one_of_equal(labels: np.ndarray, path: str | Path) -> np.ndarray:
    """Return the first of three equal channels (H, W, 3)."""
    first = labels[..., 0]
    if (first == labels[..., 1]).all() and (first == labels[..., 2]).all():
        return np.ascontiguousarray(first)
    found = np.unique(labels.reshape(-1, 3), axis=0)
    shown = ", ".join(str(colour.tolist()) for colour in found[:MOST_COLOURS]) + (", ..." if len(found) > MOST_COLOURS else "")
    raise DataError(
        f"{path}: the label image has colours, {shown}, one number a pixel expected; give the colour of each class, in the order of "
        "Source.classes, as label_colours in CatalogEntry, or take one channel with InitMask (raw_labels: true)"
    )


def read_checked_labels(path: str | Path, *, size: tuple[int, int], count: int) -> np.ndarray:
    """Return a label image as uint8 (height, width) whose values are below ``count``, or 255 for pixels that do not count.

    Args:
        path: the file.
        size: height and width of the image that it belongs to.
        count: number of classes or parts.

    Raises:
        DataError: it cannot be read, has another size, or other values.
    """
    labels = read_label_image(path)
    check_label_size(labels, size=size, path=path)
    occurring = np.flatnonzero(np.bincount(labels.ravel()))
    wrong = occurring[(occurring >= count) & (occurring != IGNORE)]
    if len(wrong):
        raise DataError(
            f"{path}: the label image has the value {wrong[0]}, 0 to {count - 1} expected for {count} classes (and {IGNORE} for pixels "
            f"that do not count); the values are {', '.join(map(str, occurring[:20]))}{', ...' if len(occurring) > 20 else ''}"
        )
    return labels.astype(np.uint8, copy=False)


def check_label_size(labels: np.ndarray, *, size: tuple[int, int], path: str | Path) -> None:
    """Compare a label image with the image that it belongs to, whose ``size`` is height and width.

    Raises:
        DataError: they differ.
    """
    if labels.shape != size:
        height, width = labels.shape
        raise DataError(f"{path}: the label image is {width}x{height} (width x height), its image {size[1]}x{size[0]}")


def _gray_step(data: bytes) -> int:
    """Return what Pillow multiplies gray values of 2 and 4 bits by, so that white becomes 255; it leaves the others."""
    if data.startswith(PNG_START) and data[PNG_KIND] == PNG_GRAY and data[PNG_DEPTH] in (2, 4):
        return 255 // ((1 << data[PNG_DEPTH]) - 1)
    return 1
