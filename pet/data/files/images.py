"""Image files become arrays; their size is read from the head of the file, or compared with a record."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from pet.data.files.image_cache import CACHE
from pet.data.files.image_size import JPEG_START, PNG_START, opened, size_of
from pet.data.files.limits import LIMITS, check_pixels
from pet.data.files.opening import read_file
from pet.data.files.orientation import LYING, orientation_of, turned, turned_size
from petlib.errors import DataError

PILLOW_ALONE = ("AVIF", "GIF", "JPEG2000")
JPEG_SCAN, JPEG_END, PNG_END = b"\xff\xda", b"\xff\xd9", b"IEND"


class EncodedImage(NamedTuple):
    """An image that was decoded.

    Attributes:
        data: what it was decoded from.
        pixels: what it was decoded to.
        unchanged: with the channels that it has, see :func:`decode_image`.
    """

    data: bytes
    pixels: np.ndarray
    unchanged: bool


_listeners: list[list[EncodedImage]] = []


@contextmanager
def encoded_images() -> Iterator[list[EncodedImage]]:
    """Give a list that gets what this process decodes in the block, for who writes samples without encoding them anew."""
    seen: list[EncodedImage] = []
    _listeners.append(seen)
    try:
        yield seen
    finally:
        _listeners.remove(seen)


def silence_opencv() -> None:
    """Keep OpenCV from printing its own words about damaged files next to our messages, in this process."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def read_image(path: str | Path, *, unchanged: bool = False, record: str = "") -> np.ndarray:
    """Return an image file as RGB, uint8, shape (height, width, 3), turned upright as its EXIF orientation says.

    It comes from the cache of decoded images where one is open (:mod:`pet.data.files.image_cache`).

    Gray and palette images become RGB, 16 bits become 8, transparency is dropped. Of an animation the first picture is read.

    Args:
        path: the file.
        unchanged: give the channels that the file has, (height, width, C), in 8 or 16 bits, upright too.
        record: what names the file, e.g. ``list.txt:25``, for messages.

    Raises:
        DataError: the file is missing, empty, cut off or no image, or has more pixels than ``DATA.MAX_PIXELS``.
    """

    def decode() -> np.ndarray:
        data = read_file(path, what="the image", most_bytes=LIMITS.image_bytes)
        return decode_image(data, name=os.fspath(path), unchanged=unchanged)

    try:
        return CACHE.get(path, "unchanged" if unchanged else "colours", decode)
    except DataError as error:
        error.filename = os.fspath(path)
        if record:
            error.args = (f"{error}; it is named by {record}",)
        raise


def decode_image(data: bytes, *, name: str, unchanged: bool = False) -> np.ndarray:
    """Return encoded image data as an array like :func:`read_image`; ``name`` is for messages.

    Raises:
        DataError: the data are empty, cut off, no image, or one of more pixels than ``DATA.MAX_PIXELS``.
    """
    if not data:
        raise DataError(f"{name}: the image file is empty")
    check_pixels(*size_of(data, name), name)
    # OpenCV fills the missing part of a file that was cut off with gray and says nothing
    if _looks_cut_off(data):
        _check_with_pillow(data, name)
    flags = cv2.IMREAD_UNCHANGED if unchanged else cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise DataError(f"{name}: the image cannot be decoded: {error.err}") from error
    if image is None:
        image = _decode_with_pillow(data, name, unchanged=unchanged)
    # OpenCV turns some kinds of files by itself, but none whose channels are to stay
    upright = turned(image, orientation_of(data))
    pixels = _colours_first(upright) if unchanged else upright
    for seen in _listeners:
        seen.append(EncodedImage(data, pixels, unchanged))
    return pixels


def _decode_with_pillow(data: bytes, name: str, *, unchanged: bool) -> np.ndarray:
    """Return what OpenCV would, uint8 (H, W, 3), of the kinds that not every build of it reads."""
    failure = f"{name}: not an image that can be decoded ({len(data)} bytes, beginning with {data[:8]!r})"
    with opened(io.BytesIO(data), failure) as image:
        if image.format not in PILLOW_ALONE:
            raise DataError(failure)
        colours = np.array(image.convert("RGB"))
    return np.ascontiguousarray(colours[..., ::-1]) if unchanged else colours


def _colours_first(image: np.ndarray) -> np.ndarray:
    """Return (H, W, C) with red first, from what OpenCV gives: (H, W) or blue first."""
    if image.ndim == 2:
        return image[..., None]
    if image.shape[2] >= 3:
        # in place: a copy of a large image is as large
        blue = image[..., 0].copy()
        image[..., 0] = image[..., 2]
        image[..., 2] = blue
    return image


def _looks_cut_off(data: bytes) -> bool:
    """Return whether the mark that ends a JPEG or PNG is missing after the last begin of pixels.

    Embedded previews have marks of their own, and some cameras append data: a hit is examined further.
    """
    if data.startswith(JPEG_START):
        end = data.rfind(JPEG_END)
        # the mark is near the end of nearly every file, and what follows it is short
        return data.find(JPEG_SCAN, max(end, 0)) >= 0
    return data.startswith(PNG_START) and PNG_END not in data[-64:]


def _check_with_pillow(data: bytes, name: str) -> None:
    with opened(io.BytesIO(data), f"{name}: the image is cut off or damaged ({len(data)} bytes)") as image:
        image.load()


def read_sized_image(path: Path, *, size: tuple[int, int], record: str) -> np.ndarray:
    """Return an image like :func:`read_image`.

    Args:
        path: the image file.
        size: height and width that the record says.
        record: what says so, for the message.

    Raises:
        DataError: the image cannot be read, or has another size.
    """
    image = read_image(path, record=record)
    height, width = image.shape[:2]
    if (height, width) != size:
        raise DataError(
            f"{path}: the image is {width}x{height} (width x height), but {record} says {size[1]}x{size[0]}"
            f"{_cause_of_exchange(path) if (width, height) == size else ''}. "
            "Its targets would lie in wrong places: correct the record or the image"
        )
    return image


def _cause_of_exchange(path: Path) -> str:
    """Return why width and height of a record may be exchanged."""
    if orientation_of(read_file(path, what="the image")) in LYING:
        return "; the image is turned by its EXIF orientation"
    return "; width and height are exchanged there, and the image has no EXIF orientation"


def image_size(path: Path) -> tuple[int, int]:
    """Return height and width of an image as :func:`read_image` gives it; no pixel is decoded.

    Raises:
        DataError: the image cannot be read.
    """
    data = read_file(path, what="the image", most_bytes=LIMITS.image_bytes)
    return turned_size(size_of(data, str(path)), orientation_of(data))
