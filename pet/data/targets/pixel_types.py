"""Types and ranges of the pixels of many samples: what one sample does not show."""

from collections.abc import Iterable
from typing import Any

import numpy as np

MIXED = "images of several types cannot share a batch"
UNUSED_RANGE = "the values of the images use little of what becomes 1, or go far beyond"

EIGHT_BITS = 255.0
"""What becomes 1 of pixels of 8 bits, and of floats, whose type has no greatest value."""

EXAMINED = ("uint16", "float32")
"""Types whose values may be far from what becomes 1."""

LEAST_SHARE, GREATEST_SHARE = 1 / 8, 2.0


def greatest_value(dtype: str) -> float:
    """Return what becomes 1 of pixels of a type where ``Normalize`` names no ``maximum``."""
    return 65535.0 if dtype == "uint16" else EIGHT_BITS


class PixelTypes:
    """Collects the types of images, and the greatest values of those of more than 8 bits.

    Attributes:
        counts: type -> number of images.
        files: type -> the first file.
        greatest: type -> the greatest value; uint8 is left out.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.files: dict[str, str] = {}
        self.greatest: dict[str, float] = {}

    def add(self, images: Iterable[object], file: str) -> None:
        """Look at the images of a sample; pixels of another form than arrays are left out."""
        for pixels in [image for image in images if isinstance(image, np.ndarray)]:
            name = pixels.dtype.name
            self.counts[name] = self.counts.get(name, 0) + 1
            self.files.setdefault(name, file)
            finite = pixels[np.isfinite(pixels)] if name in EXAMINED else pixels[:0]
            if finite.size:
                self.greatest[name] = max(self.greatest.get(name, 0.0), float(finite.max()))

    def join(self, other: "PixelTypes") -> None:
        """Add what another one has seen."""
        for name, count in other.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count
            self.files.setdefault(name, other.files[name])
        for name, value in other.greatest.items():
            self.greatest[name] = max(self.greatest.get(name, value), value)

    def mixture(self) -> str | None:
        """Return which types there are and a file of each; None: they are of one."""
        if len(self.counts) < 2:
            return None
        found = " and ".join(f"{count} of {name} ({self.files[name]})" for name, count in self.counts.items())
        return f"images of several types, {found}; a batch takes one type: convert some of them"

    def unused_range(self) -> str | None:
        """Return which values do not fit what becomes 1 where ``Normalize`` has no ``maximum``; None: they may."""
        for name, value in self.greatest.items():
            becomes_1 = greatest_value(name)
            if value > 0 and not LEAST_SHARE <= value / becomes_1 <= GREATEST_SHARE:
                return (
                    f"images of {name} with values up to {value:g} ({self.files[name]}), and {becomes_1:g} becomes 1; if they have "
                    f"another range, give it to Normalize in TRANSFORMS, e.g. {{name: Normalize, maximum: {_suggested(value)}}}"
                )
        return None

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Return what ``report.json`` holds."""
        return {
            name: {"images": count, "first": self.files[name], **({"greatest": self.greatest[name]} if name in self.greatest else {})}
            for name, count in self.counts.items()
        }


def _suggested(value: float) -> str:
    """Return a round number from ``value`` on: 1, or the next one with one digit and zeros."""
    if value <= 1:
        return "1"
    digit = 10 ** int(np.floor(np.log10(value)))
    return f"{int(np.ceil(value / digit)) * digit}"
