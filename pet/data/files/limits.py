"""How much of a file from outside is taken in. Imports nothing slow."""

import reprlib
from dataclasses import dataclass

from petlib.errors import DataError

MOST_PIXELS = 178_956_970
"""Where Pillow, too, refuses an image: 512 MiB as RGB."""

RAISE_LIMIT = "Set set_limits.pixels higher if the image is what it should be"
LONGEST_PATH = 4096
"""Letters of the name of a file in another one."""
MOST_FILE_BYTES = 2 * 1024**3
MOST_BYTES_OF_A_PIXEL = 8
"""Four channels of 16 bits; no image file needs more bytes than its pixels have."""


@dataclass
class Limits:
    """What holds for all files that this process reads.

    Attributes:
        pixels: of an image, or of the part of it that is read.
        file_bytes: of a COCO file, a list or another file of annotations.
    """

    pixels: int = MOST_PIXELS
    file_bytes: int = MOST_FILE_BYTES

    @property
    def image_bytes(self) -> int:
        """Greatest size of an image, as a file and in memory."""
        return self.pixels * MOST_BYTES_OF_A_PIXEL


LIMITS = Limits()
"""One for the process, as OpenCV and Pillow have: readers are far below what knows the settings. Loader workers are forks."""

_short = reprlib.Repr()
_short.maxlevel, _short.maxstring, _short.maxother, _short.maxlong = 2, 100, 100, 60
_short.maxlist = _short.maxtuple = _short.maxdict = 8


def set_limits(*, pixels: int, file_bytes: int) -> None:
    """Set what holds from now on, see :class:`Limits`."""
    LIMITS.pixels, LIMITS.file_bytes = pixels, file_bytes


def check_pixels(height: int, width: int, name: object) -> None:
    """Refuse an image that has more pixels than are decoded, or none; ``name`` is for the message.

    Raises:
        DataError: it has.
    """
    if height < 1 or width < 1:
        raise DataError(f"{name}: the image is {width}x{height} (width x height), at least one pixel expected")
    if height * width > LIMITS.pixels:
        raise DataError(
            f"{name}: the image is {width}x{height} (width x height), {height * width:,} pixels, and at most {LIMITS.pixels:,} are read: "
            f"a small file could fill the memory. {RAISE_LIMIT}"
        )


def shown(value: object) -> str:
    """Return a value as messages show it: long texts and lists cut, deep ones without their depth."""
    if (type(value) is int and abs(value) < 10**20) or (type(value) is str and len(value) < 80):
        # nearly all values, and many
        return repr(value)
    return _short.repr(value)
