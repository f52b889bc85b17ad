"""Images are turned."""

from collections.abc import Sequence

import numpy as np

from pet.data.transforms.base import GeometricTransform, check_gray, check_probability, check_range, check_share
from pet.data.transforms.geometry import check_interpolation
from pet.data.transforms.moves import Move, Stay, Turn
from petlib.errors import ConfigError


class Rotate(GeometricTransform):
    """A share of the samples is turned around the centre of the image, whose size stays.

    A box becomes the upright box around its turned corners, so it grows loose with the angle: up to about 15 degrees are usual,
    as for human pose (Xiao et al., Simple Baselines, 2018, https://arxiv.org/abs/1804.06208, takes 40 for single persons).

    Args:
        degrees: greatest angle to either side, or [least, greatest]; counter-clockwise is positive.
        probability: share of the samples.
        interpolation: ``linear``, ``cubic`` or ``nearest``.
        fill: gray value from 0 to 255 of the corners that come in from outside.
        min_share: share of its box that must be left in the image, or an object is dropped.
    """

    def __init__(
        self,
        *,
        degrees: float | Sequence[float] = 10.0,
        probability: float = 1.0,
        interpolation: str = "linear",
        fill: int = 0,
        min_share: float = 0.0,
    ) -> None:
        bounds = degrees if isinstance(degrees, Sequence) else (-abs(degrees), abs(degrees))
        self.degrees = check_range("Rotate: degrees", bounds, low=-180.0, high=180.0)
        self.probability = check_probability("Rotate: probability", probability)
        if interpolation == "area":
            raise ConfigError("Rotate: interpolation: 'area' given, one of linear, cubic, nearest expected")
        self.interpolation = check_interpolation("Rotate", interpolation)
        self.fill = check_gray("Rotate: fill", fill)
        self.min_share = check_share("Rotate: min_share", min_share)

    def decide(self, size: tuple[int, int], rng: np.random.Generator) -> Move:
        """Draw the angle."""
        if rng.random() >= self.probability:
            return Stay()
        return Turn(rng.uniform(*self.degrees), self.interpolation, self.fill)
