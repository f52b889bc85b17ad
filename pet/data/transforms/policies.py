"""Augmentation policies: which operations are done to an image, and how strongly."""

from collections.abc import Sequence

import numpy as np

from pet.data.targets.kinds import kinds_in
from pet.data.transforms.base import ImageTransform, check_gray
from pet.data.transforms.geometry import check_interpolation
from pet.data.transforms.operations import Canvas
from pet.data.transforms.policy_tables import AUGMIX_OPERATIONS, MOVING, OPERATIONS, POLICIES, RANDAUGMENT_OPERATIONS, SIGNED
from petlib.data.protocols import Sample
from petlib.errors import ConfigError
from petlib.suggest import did_you_mean

GREATEST_MAGNITUDE = 30.0


class Policy(ImageTransform):
    """Operations on the image of a sample whose targets say nothing about places.

    Attributes:
        moves_pixels: some of the operations do, and would leave boxes and masks behind.
    """

    moves_pixels = True

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample with a changed image.

        Raises:
            ConfigError: the sample has targets that would have to be moved.
        """
        if self.moves_pixels and kinds_in(sample).has_places:
            placed = ", ".join(sorted(kind.name for kind in kinds_in(sample).targets if kind.has_places))
            raise ConfigError(
                f"transform {type(self).__name__}: it turns and shifts images without their targets, and the samples have {placed}; "
                "take it out of TRANSFORMS, use ColorJitter and Rotate, or RandAugment with operations that move nothing"
            )
        return super().__call__(sample, rng)


class RandAugment(Policy):
    """A few operations, drawn evenly, all with the same strength.

    Source: Cubuk et al., RandAugment, 2019 (https://arxiv.org/abs/1909.13719).

    Args:
        num_ops: how many operations are done, one after another.
        magnitude: their strength from 0 to 30, the greatest. Scales that end at 10 correspond to a third of this one.
        magnitude_std: standard deviation of a normal distribution around ``magnitude`` that each strength is drawn from.
        operations: names of the operations to draw from; None: the 14 of the paper. ``invert`` and ``solarize_add`` are
            the others that there are.
        interpolation: ``nearest``, ``linear`` or ``cubic``, for what moves pixels.
        fill: gray value from 0 to 255 of what comes in from outside of the image.
    """

    def __init__(
        self,
        *,
        num_ops: int = 2,
        magnitude: float = 9.0,
        magnitude_std: float = 0.0,
        operations: Sequence[str] | None = None,
        interpolation: str = "nearest",
        fill: int = 128,
    ) -> None:
        self._count = _check_count("RandAugment: num_ops", num_ops)
        if not 0.0 <= magnitude <= GREATEST_MAGNITUDE:
            raise ConfigError(f"RandAugment: magnitude: {magnitude} given, a number from 0 to {GREATEST_MAGNITUDE:g} expected")
        if magnitude_std < 0.0:
            raise ConfigError(f"RandAugment: magnitude_std: {magnitude_std} given, at least 0 expected")
        self._magnitude = magnitude
        self._magnitude_std = magnitude_std
        self._names = _check_operations(RANDAUGMENT_OPERATIONS if operations is None else operations)
        self.moves_pixels = not MOVING.isdisjoint(self._names)
        self._canvas = _canvas("RandAugment", interpolation, fill)

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the image after some operations."""
        for index in rng.integers(len(self._names), size=self._count):
            magnitude = rng.normal(self._magnitude, self._magnitude_std) if self._magnitude_std > 0.0 else self._magnitude
            name = self._names[index]
            level = _draw_sign(name, min(max(magnitude / GREATEST_MAGNITUDE, 0.0), 1.0), rng)
            image = OPERATIONS[name](image, level, self._canvas)
        return image


class AutoAugment(Policy):
    """One of 25 pairs of operations that a search found good for a data set.

    Source: Cubuk et al., AutoAugment, 2018 (https://arxiv.org/abs/1805.09501), tables 7 and 9.

    Args:
        policy: ``imagenet`` or ``cifar10``.
        interpolation: ``nearest``, ``linear`` or ``cubic``, for what moves pixels.
        fill: gray value from 0 to 255 of what comes in from outside of the image.
    """

    def __init__(self, *, policy: str = "imagenet", interpolation: str = "nearest", fill: int = 128) -> None:
        if policy not in POLICIES:
            raise ConfigError(
                f"AutoAugment: policy: {policy!r} given, one of {', '.join(POLICIES)} expected{did_you_mean(policy, POLICIES)}"
            )
        self._pairs = [[_read_step(step) for step in line.split(",")] for line in POLICIES[policy].strip().splitlines()]
        self._canvas = _canvas("AutoAugment", interpolation, fill)

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the image after one pair of operations, either of which may be left out."""
        for name, probability, level in self._pairs[rng.integers(len(self._pairs))]:
            if rng.random() < probability:
                image = OPERATIONS[name](image, _draw_sign(name, level, rng), self._canvas)
        return image


class AugMix(Policy):
    """The image is mixed with several chains of operations on it.

    Source: Hendrycks et al., AugMix, 2019 (https://arxiv.org/abs/1912.02781). Its loss between differently mixed
    versions of an image is no part of this.

    Args:
        severity: greatest strength of an operation, from 0.1 to 10.
        width: number of chains.
        depth: operations of a chain; -1: one to three, drawn for each chain.
        alpha: of the Dirichlet distribution of the chains' shares and of the beta distribution of the image's share.
        interpolation: ``nearest``, ``linear`` or ``cubic``, for what moves pixels.
        fill: gray value from 0 to 255 of what comes in from outside of the image.
    """

    def __init__(
        self,
        *,
        severity: float = 3.0,
        width: int = 3,
        depth: int = -1,
        alpha: float = 1.0,
        interpolation: str = "linear",
        fill: int = 0,
    ) -> None:
        if not 0.1 <= severity <= 10.0:
            raise ConfigError(f"AugMix: severity: {severity} given, a number from 0.1 to 10 expected")
        if alpha <= 0.0:
            raise ConfigError(f"AugMix: alpha: {alpha} given, a number above 0 expected")
        self._severity = severity
        self._width = _check_count("AugMix: width", width)
        self._depth = depth if depth == -1 else _check_count("AugMix: depth", depth)
        self._alpha = alpha
        self._names = tuple(AUGMIX_OPERATIONS)
        self._canvas = _canvas("AugMix", interpolation, fill)

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the mixed image."""
        mixed_share = rng.beta(self._alpha, self._alpha)
        shares = rng.dirichlet([self._alpha] * self._width)
        mixed = image * np.float32(1.0 - mixed_share)
        for share in shares:
            mixed += self._chain(image, rng) * np.float32(share * mixed_share)
        return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)

    def _chain(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        depth = int(rng.integers(1, 4)) if self._depth == -1 else self._depth
        for index in rng.integers(len(self._names), size=depth):
            name = self._names[index]
            level = _draw_sign(name, rng.uniform(0.1, self._severity) / 10.0, rng)
            image = AUGMIX_OPERATIONS[name](image, level, self._canvas)
        return image


def _draw_sign(name: str, level: float, rng: np.random.Generator) -> float:
    return -level if name in SIGNED and rng.random() < 0.5 else level


def _read_step(text: str) -> tuple[str, float, float]:
    """Return name, probability and level (from 0 to 1) of one operation of a policy."""
    name, probability, level = text.split()
    return name, float(probability), int(level) / 9


def _canvas(name: str, interpolation: str, fill: int) -> Canvas:
    return Canvas(check_interpolation(name, interpolation), check_gray(f"{name}: fill", fill))


def _check_count(name: str, value: int) -> int:
    if not isinstance(value, int) or value < 1:
        raise ConfigError(f"{name}: {value!r} given, a whole number of at least 1 expected")
    return value


def _check_operations(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name not in OPERATIONS:
            raise ConfigError(
                f"RandAugment: operations: {name!r} is unknown{did_you_mean(str(name), OPERATIONS)} (there are {', '.join(OPERATIONS)})"
            )
    if not names:
        raise ConfigError("RandAugment: operations: an empty list given, at least one name expected")
    return tuple(names)
