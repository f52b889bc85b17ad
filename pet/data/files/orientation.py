"""How the camera was held: the EXIF orientation of an image file, which every reader obeys."""

import io
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from pet.data.files.image_size import DAMAGE, JPEG_START, PNG_START, opened
from pet.data.files.opening import open_file
from petlib.errors import DataError

TAG = 0x0112
UPRIGHT = 1
LYING = (5, 6, 7, 8)
"""Orientations that exchange width and height."""

BIG_TIFF = 43


def orientation_of(data: bytes) -> int:
    """Return the orientation, 1 to 8, that the decoders leave to the reader: 1, upright, where the file has none.

    TIFF files are upright already: OpenCV and Pillow turn them. A file whose EXIF data are damaged counts as upright.
    """
    if not _may_be_turned(data):
        return UPRIGHT
    try:
        with opened(io.BytesIO(data), "EXIF") as image:
            return _checked(image.getexif())
    except DataError:
        return UPRIGHT


def tiff_orientation(path: str | Path) -> int:
    """Return the orientation that the head of a TIFF says, which GDAL, other than OpenCV and Pillow, leaves to the reader.

    Raises:
        DataError: the file is missing.
    """
    with open_file(path, what="the image") as file:
        try:
            return _checked(_first_directory(file))
        except DAMAGE:
            # the reader reports it
            return UPRIGHT


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return an array (H, W, ...) upright."""
    if orientation == UPRIGHT:
        return pixels
    if orientation in LYING:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels)


def turned_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return height and width of the upright image."""
    return (size[1], size[0]) if orientation in LYING else size


def _may_be_turned(data: bytes) -> bool:
    """Return whether a file has EXIF data; Pillow would take half of the time in which a small image is decoded."""
    if data.startswith(JPEG_START):
        return b"Exif\0\0" in data
    if data.startswith(PNG_START):
        return b"eXIf" in data
    if data[8:12] == b"WEBP":
        return b"EXIF" in data
    # AVIF has boxes of its own for it
    return data[4:8] == b"ftyp"


def _checked(tags: Image.Exif | ImageFileDirectory_v2) -> int:
    value = tags.get(TAG)
    return value if isinstance(value, int) and 1 <= value <= 8 else UPRIGHT


def _first_directory(file: IO[bytes]) -> ImageFileDirectory_v2:
    head = file.read(8)
    if BIG_TIFF in head[2:4]:
        head += file.read(8)
    directory = ImageFileDirectory_v2(head)
    file.seek(directory.next)
    directory.load(file)
    return directory
