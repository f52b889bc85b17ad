"""Text as pixels, in any script that an installed font has."""

import logging
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pet.visual.figure import WIDE_FONTS

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

FIRST_WIDE_CHARACTER = 0x2E80
"""From here on Unicode has the characters of Chinese, Japanese and Korean, which the usual font lacks."""

ELLIPSIS = "…"

logger = logging.getLogger(__name__)


@lru_cache(maxsize=2048)
def render(text: str, size: int) -> np.ndarray:
    """Return how much of each pixel a line of text covers, uint8 (height, width), 255 where it is all.

    Texts of one ``size`` are equally high, with room above and below for any character.

    Args:
        text: line breaks become spaces.
        size: of the font, pixels.
    """
    # slow, and only needed here
    from PIL import Image, ImageDraw

    text = " ".join(text.split())
    font = _font_for(text, size)
    ascent, descent = font.getmetrics()
    picture = Image.new("L", (text_width(text, size), ascent + descent))
    ImageDraw.Draw(picture).text((max(-int(font.getbbox(text)[0]), 0), 0), text, fill=255, font=font)
    pixels = np.asarray(picture)
    pixels.flags.writeable = False
    return pixels


def text_width(text: str, size: int) -> int:
    """Return how many pixels wide a line of text is."""
    left, _, right, _ = _font_for(text, size).getbbox(text)
    return max(int(np.ceil(right)) + max(-int(left), 0), 1)


def shorten(text: str, size: int, width: int) -> str:
    """Return text that is at most ``width`` pixels wide: as it is, or with its end replaced by an ellipsis."""
    text = " ".join(text.split())
    if text_width(text, size) <= width:
        return text
    low, high = 0, len(text) - 1
    while low < high:
        middle = (low + high + 1) // 2
        fits = text_width(text[:middle].rstrip() + ELLIPSIS, size) <= width
        low, high = (middle, high) if fits else (low, middle - 1)
    return text[:low].rstrip() + ELLIPSIS


def _font_for(text: str, size: int) -> "FreeTypeFont":
    return _font(size, any(ord(character) >= FIRST_WIDE_CHARACTER for character in text))


@lru_cache(maxsize=64)
def _font(size: int, wide: bool) -> "FreeTypeFont":
    # slow, and only needed here
    from PIL import ImageFont

    return ImageFont.truetype(str(_font_file(wide)), size)


@lru_cache(maxsize=2)
def _font_file(wide: bool) -> Path:
    """Return the font that comes with matplotlib, or an installed one with the characters of East Asia."""
    # slow, and only needed here
    import matplotlib
    from matplotlib import font_manager

    if wide:
        files = {entry.name: entry.fname for entry in font_manager.fontManager.ttflist}
        for name in WIDE_FONTS:
            if name in files:
                return Path(files[name])
        logger.warning("no installed font has Chinese, Japanese and Korean characters; boxes replace them in pictures")
    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
