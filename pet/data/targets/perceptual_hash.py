"""A short number by which images that a person takes for the same find each other: recoded, resized, or with other brightness."""

from importlib.util import find_spec
from typing import NamedTuple

import cv2
import numpy as np

LEAST_EDGE = 32
"""The hash looks at 32 x 32 pixels: what smaller images show is not enough to know one from another."""

SHRUNK = 64
THUMBNAIL = 16
LEAST_SPREAD = 4.0
"""Standard deviation of the grey values of a thumbnail, of 255; images of one colour have no hash."""


class PerceptualHash(NamedTuple):
    """What is compared of an image.

    Attributes:
        bits: 64 bits, of which few differ where images are nearly the same.
        thumbnail: uint8 (256,), its grey values in 16 x 16 parts, which confirm that.
    """

    bits: int
    thumbnail: np.ndarray


def can_hash() -> bool:
    """Return whether ImageHash is installed."""
    return find_spec("imagehash") is not None


def hash_image(image: np.ndarray) -> PerceptualHash | None:
    """Return the hash of an image, uint8 (H, W, 3) in RGB; None: it is too small or of one colour, or ImageHash is missing.

    The signs of the lowest 8 x 8 frequencies of a cosine transform (Zauner 2010, "Implementation and benchmarking of perceptual image
    hash functions", https://www.phash.org/docs/pubs/thesis_zauner.pdf), as ImageHash computes them.
    """
    if min(image.shape[:2]) < LEAST_EDGE or not can_hash():
        return None
    # slow, and only needed here
    import imagehash
    from PIL import Image

    grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (SHRUNK, SHRUNK), interpolation=cv2.INTER_AREA)
    thumbnail = cv2.resize(grey, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    if thumbnail.std() < LEAST_SPREAD:
        return None
    signs = imagehash.phash(Image.fromarray(grey)).hash
    return PerceptualHash(int.from_bytes(np.packbits(signs).tobytes(), "big"), thumbnail.ravel())
