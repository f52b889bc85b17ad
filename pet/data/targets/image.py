"""Pixels: the image of a sample, and the second one of a pair of dates."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pet.data.targets.dataset import Expectation, sample_name
from pet.data.targets.kind import Fields, Kind, Motion, Tile, paste_tiles
from pet.structures.moves import Move, Size
from petlib.data.protocols import Sample
from petlib.errors import DataError

IMAGES = ("image", "image2")
"""The kinds of pixels of a single image and of a pair of dates."""

IMAGE_TYPES = ("uint8", "uint16", "float32")


class PixelKind(Kind):
    """Pixels that a network takes: one array (H, W, C). Pixels of another form, as those of a clip, override what differs.

    Attributes:
        has_colours: the numbers are colours, which are normalised, and shown as they are; not of points.
        suffixes: how the names of its files end where they are no images or videos.
    """

    has_colours = True
    suffixes: tuple[str, ...] = ()

    def size(self, pixels: np.ndarray) -> Size:
        """Return (height, width)."""
        return pixels.shape[0], pixels.shape[1]

    def change(
        self, pixels: np.ndarray, change: Callable[[np.ndarray, np.random.Generator], np.ndarray], rng: np.random.Generator
    ) -> np.ndarray:
        """Return the pixels after a change of an image (H, W, C) that stays where it is; ``rng`` gives its random numbers."""
        return change(pixels, rng)

    def moved(self, pixels: np.ndarray, move: Move) -> np.ndarray:
        """Return the pixels after a move."""
        return move(pixels)

    def move(self, sample: Sample, motion: Motion) -> Fields:
        """Return the moved pixels."""
        return {self.name: self.moved(sample[self.name], motion.move)}

    def picture(self, pixels: Any) -> np.ndarray:
        """Return an image (H, W, C) that shows the pixels."""
        image: np.ndarray = pixels
        return image

    def join(self, tiles: Sequence[Tile], size: Size) -> Fields:
        """Return the pixels of the tiles side by side."""
        return {self.name: paste_tiles(tiles, self.name, size)}

    def check_pixels(self, sample: Sample, expected: Expectation, types: Sequence[str]) -> None:
        """Check the pixels.

        Raises:
            DataError: they are no array of one of the types and of the expected channels.
        """
        image = sample[self.name]
        if not isinstance(image, np.ndarray) or image.dtype not in types or image.ndim != 3 or image.shape[2] != expected.channels:
            given = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
            raise DataError(
                f"{sample_name(sample)}: the image is {given}, a {' or '.join(types)} array (height, width, {expected.channels}) expected"
            )


class Image(PixelKind):
    """The image, uint8 (H, W, 3) RGB, or with any channels and type where a model of label images takes it."""

    name = "image"
    fields = ("image",)


class Image2(PixelKind):
    """The second date of a pair, of the same place, size and type as the image."""

    name = "image2"
    fields = ("image2",)
