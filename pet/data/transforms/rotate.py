"""Images are turned, and moved by any affine map."""

from collections.abc import Sequence

import numpy as np

from pet.data.targets.dataset import IGNORE
from pet.data.transforms.base import GeometricTransform, check_gray, check_label, check_probability, check_range, check_share
from pet.data.transforms.geometry import check_interpolation
from pet.structures.affine import shift
from pet.structures.moves import Affine, Move, QuarterTurns, Stay, Turn
from petlib.errors import ConfigError

STEEPEST = 45
"""Degrees from which two slants could leave nothing of the image."""


class Rotate(GeometricTransform):
    """A share of the samples is turned around the centre of the image.

    A box becomes the upright box around its turned corners, so it grows loose with the angle: up to about 15 degrees are usual,
    as for human pose (Xiao et al., Simple Baselines, 2018, https://arxiv.org/abs/1804.06208, takes 40 for single persons).

    Args:
        degrees: greatest angle to either side, or [least, greatest]; counter-clockwise is positive.
        probability: share of the samples.
        interpolation: ``linear``, ``cubic`` or ``nearest``.
        fill: gray value from 0 to 255 of the corners that come in from outside.
        label_fill: their label in ``semseg``.
        grows: the image grows so that none of its corners is lost.
        min_share: share of its box that must be left in the image, or an object is dropped.
    """

    def __init__(
        self,
        *,
        degrees: float | Sequence[float] = 10.0,
        probability: float = 1.0,
        interpolation: str = "linear",
        fill: float = 0,
        label_fill: int = IGNORE,
        grows: bool = False,
        min_share: float = 0.0,
    ) -> None:
        name = type(self).__name__
        bounds = degrees if isinstance(degrees, Sequence) else (-abs(degrees), abs(degrees))
        self.degrees = check_range(f"{name}: degrees", bounds, low=-180.0, high=180.0)
        self.probability = check_probability(f"{name}: probability", probability)
        if interpolation == "area":
            raise ConfigError(f"{name}: interpolation: 'area' given, one of linear, cubic, nearest expected")
        self.interpolation = check_interpolation(name, interpolation)
        self.fill = check_gray(f"{name}: fill", fill)
        self.label_fill = check_label(f"{name}: label_fill", label_fill)
        self.grows = grows
        self.min_share = check_share(f"{name}: min_share", min_share)

    def decide(self, size: tuple[int, int], rng: np.random.Generator) -> Move:
        """Draw the angle."""
        if rng.random() >= self.probability:
            return Stay()
        return Turn(rng.uniform(*self.degrees), self.interpolation, self.fill, self.grows)


class RandomRotation(Rotate):
    """Every sample is turned by up to 15 degrees; the image grows, and its new corners are gray and have no label.

    It is :class:`Rotate` with the defaults of PaddleSeg's transform of this name (https://github.com/PaddlePaddle/PaddleSeg).

    Args:
        degrees: greatest angle to either side, or [least, greatest]; counter-clockwise is positive.
        probability: share of the samples.
        fill: gray value from 0 to 255 of the corners; half of one is rounded in images of whole numbers.
        label_fill: their label in ``semseg``.
        grows: the image grows so that none of its corners is lost.
    """

    def __init__(
        self,
        *,
        degrees: float | Sequence[float] = 15.0,
        probability: float = 1.0,
        fill: float = 127.5,
        label_fill: int = IGNORE,
        grows: bool = True,
    ) -> None:
        super().__init__(degrees=degrees, probability=probability, fill=fill, label_fill=label_fill, grows=grows)


class RandomRotate90(GeometricTransform):
    """A share of the samples is turned by 90, 180 or 270 degrees; after 90 and 270 height and width have changed places.

    Args:
        probability: the share, from 0 to 1.
    """

    def __init__(self, *, probability: float = 0.5) -> None:
        self.probability = check_probability("RandomRotate90: probability", probability)

    def decide(self, size: tuple[int, int], rng: np.random.Generator) -> Move:
        """Draw the turn."""
        return QuarterTurns(int(rng.integers(1, 4))) if rng.random() < self.probability else Stay()


class RandomAffine(GeometricTransform):
    """The image is turned, sheared and scaled around its centre and then shifted, in one step; its size stays.

    A box becomes the upright box around its moved corners, so it grows loose with angle and shear.

    Source: the trainings of https://github.com/Zhongdao/Towards-Realtime-MOT and FairMOT (https://arxiv.org/abs/2004.01888), which
    turn by 5 degrees, shear by 2, shift by 0.1 and scale by 0.5 to 1.2.

    Args:
        degrees: greatest angle to either side, or [least, greatest]; counter-clockwise is positive.
        translate: greatest shift along each axis, as a share of the image's width and height.
        scale: least and greatest scale, drawn evenly.
        shear: greatest angle, degrees, by which rows and columns are slanted, each by its own.
        probability: share of the samples.
        interpolation: ``linear``, ``cubic`` or ``nearest``.
        fill: gray value from 0 to 255 of what comes in from outside.
        label_fill: its label in ``semseg``.
        min_share: share of its box that must be left in the image, or an object is dropped.
    """

    def __init__(
        self,
        *,
        degrees: float | Sequence[float] = 5.0,
        translate: float = 0.1,
        scale: Sequence[float] = (0.5, 1.2),
        shear: float = 2.0,
        probability: float = 1.0,
        interpolation: str = "linear",
        fill: float = 127.5,
        label_fill: int = IGNORE,
        min_share: float = 0.1,
    ) -> None:
        name = type(self).__name__
        bounds = degrees if isinstance(degrees, Sequence) else (-abs(degrees), abs(degrees))
        self.degrees = check_range(f"{name}: degrees", bounds, low=-180.0, high=180.0)
        self.translate = check_share(f"{name}: translate", translate)
        self.scale = check_range(f"{name}: scale", scale)
        if self.scale[0] <= 0.0:
            raise ConfigError(f"{name}: scale: {list(scale)} given, numbers above 0 expected")
        if not 0.0 <= shear < STEEPEST:
            raise ConfigError(f"{name}: shear: {shear} given, degrees from 0 to below {STEEPEST} expected")
        self.shear = shear
        self.probability = check_probability(f"{name}: probability", probability)
        if interpolation == "area":
            raise ConfigError(f"{name}: interpolation: 'area' given, one of linear, cubic, nearest expected")
        self.interpolation = check_interpolation(name, interpolation)
        self.fill = check_gray(f"{name}: fill", fill)
        self.label_fill = check_label(f"{name}: label_fill", label_fill)
        self.min_share = check_share(f"{name}: min_share", min_share)

    def decide(self, size: tuple[int, int], rng: np.random.Generator) -> Move:
        """Draw angle, scale, slants and shift."""
        if rng.random() >= self.probability:
            return Stay()
        turn = Turn(rng.uniform(*self.degrees)).matrix(size)
        scale = rng.uniform(*self.scale)
        x, y = np.tan(np.radians(rng.uniform(-self.shear, self.shear, 2)))
        slanted = np.array([[scale, scale * x, 0.0], [scale * y, scale, 0.0], [0.0, 0.0, 1.0]])
        right, down = rng.uniform(-self.translate, self.translate, 2) * (size[1], size[0])
        centre = size[1] / 2, size[0] / 2
        matrix = shift(centre[0] + right, centre[1] + down) @ slanted @ shift(-centre[0], -centre[1]) @ turn
        return Affine(matrix, size, interpolation=self.interpolation, fill=self.fill)
