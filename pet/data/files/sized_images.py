"""Images whose size is in a record."""

import io
from pathlib import Path

import numpy as np

from pet.data.files.image_size import opened
from pet.data.files.images import read_image
from pet.data.files.opening import open_file
from petlib.errors import DataError

ORIENTATION_TAG = 0x0112
TURNED_ORIENTATIONS = (5, 6, 7, 8)


def read_sized_image(path: Path, *, size: tuple[int, int], record: str) -> np.ndarray:
    """Return an image like :func:`pet.data.files.images.read_image`.

    Args:
        path: the image file.
        size: height and width that the record says.
        record: what says so, for the message.

    Raises:
        DataError: the image cannot be read, or has another size.
    """
    image = read_image(path)
    height, width = image.shape[:2]
    if (height, width) != size:
        turned = "; the image is turned by its EXIF orientation" if (width, height) == size else ""
        raise DataError(
            f"{path}: the image is {width}x{height} (width x height), but {record} says {size[1]}x{size[0]}{turned}. "
            "Its targets would lie in wrong places: correct the record or the image"
        )
    return image


def image_size(path: Path) -> tuple[int, int]:
    """Return height and width of an image as :func:`pet.data.files.images.read_image` gives it, from the head of the file.

    Raises:
        DataError: the image cannot be read.
    """
    with open_file(path, what="the image") as file, opened(io.BufferedReader(file), f"{path}: the image cannot be read") as image:
        width, height = image.size
        turned = image.getexif().get(ORIENTATION_TAG) in TURNED_ORIENTATIONS
    return (width, height) if turned else (height, width)
