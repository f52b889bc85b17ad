"""Points of a LiDAR, in the place of pixels."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from pet.data.files.point_files import SUFFIXES
from pet.data.targets.dataset import Expectation, sample_name
from pet.data.targets.image import PixelKind
from pet.data.targets.kind import Fields, Tile
from pet.data.targets.observation import Found, Observation
from pet.structures.moves import Move, Size
from pet.visual.birds_eye import BirdsEyeView
from petlib.data.protocols import Sample
from petlib.errors import ConfigError, DataError

FEW_POINTS = "a frame has hardly any points"
LEAST = 100
NO_IMAGE = "it changes images, and the samples have points; take it out of TRANSFORMS"


class Points(PixelKind):
    """``points``, float32 (N, C): x, y, z in metres (x ahead, y to the left, z up), and what else is measured, as the reflectance."""

    name = "points"
    fields = ("points",)
    has_colours = False
    suffixes = SUFFIXES

    def size(self, pixels: np.ndarray) -> Size:
        """Return (height, width) of the picture from above."""
        return BirdsEyeView().size

    def change(
        self, pixels: np.ndarray, change: Callable[[np.ndarray, np.random.Generator], np.ndarray], rng: np.random.Generator
    ) -> np.ndarray:
        """Refuse to change colours."""
        raise ConfigError(NO_IMAGE)

    def moved(self, pixels: np.ndarray, move: Move) -> np.ndarray:
        """Refuse to move points as pixels are moved."""
        raise ConfigError(NO_IMAGE)

    def join(self, tiles: Sequence[Tile], size: Size) -> Fields:
        """Refuse to make one frame of several."""
        raise ConfigError(NO_IMAGE)

    def picture(self, pixels: Any) -> np.ndarray:
        """Return the points from above."""
        return BirdsEyeView().draw_points(pixels)

    def check_pixels(self, sample: Sample, expected: Expectation, types: Sequence[str]) -> None:
        """Check the form of the points."""
        points = sample[self.name]
        if not isinstance(points, np.ndarray) or points.dtype != np.float32 or points.ndim != 2 or points.shape[1] != expected.channels:
            given = f"{points.dtype} {points.shape}" if isinstance(points, np.ndarray) else type(points).__name__
            raise DataError(f"{sample_name(sample)}: the points are {given}, a float32 array (points, {expected.channels}) expected")
        if not np.isfinite(points).all():
            raise DataError(f"{sample_name(sample)}: a coordinate of a point is not finite")

    def examine(self, sample: Sample, expected: Expectation, seen: Observation) -> Iterator[Found]:
        """Look for frames with next to nothing in them."""
        if len(sample[self.name]) < LEAST:
            yield FEW_POINTS, f"{len(sample[self.name])} points", False
