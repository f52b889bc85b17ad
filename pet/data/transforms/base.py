"""What transforms have in common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import TypeVar

import numpy as np

from pet.data.targets.dataset import IGNORE
from pet.data.targets.kind import Motion
from pet.data.targets.kinds import kinds_in, move_targets, sample_size
from pet.structures.moves import Move, Stay
from petlib.data.protocols import Sample, SampleTransform
from petlib.errors import ConfigError

Gray = TypeVar("Gray", int, float)


class ImageTransform(ABC):
    """Changes the pixels of an image where they are: targets that say where things are stay as they are.

    The second image of a pair is changed with random numbers of its own: two dates have two lights. The frames of a clip share them.

    Attributes:
        takes_any_image: ``apply`` takes (H, W, C) of uint8, uint16 or float32, not only 8-bit RGB.
    """

    takes_any_image = False

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample with a changed image, or two.

        Raises:
            ConfigError: the image is no 8-bit RGB, and the transform needs that.
        """
        changed = dict(sample)
        for kind in kinds_in(sample).pixels:
            changed[kind.name] = kind.change(sample[kind.name], partial(self._change, kind.name), rng)
        return changed

    @abstractmethod
    def apply(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the changed image, (H, W, 3) uint8; ``image`` itself is not written into."""

    def _change(self, field: str, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if not self.takes_any_image:
            self._check_rgb(field, image)
        return self.apply(image, rng)

    def _check_rgb(self, field: str, image: np.ndarray) -> None:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ConfigError(
                f"transform {type(self).__name__}: it works on colours, three channels of uint8; the field {field!r} has the shape "
                f"{image.shape} and is {image.dtype}. Take it out of TRANSFORMS"
            )


class GeometricTransform(ABC):
    """Moves pixels. What is done to a sample is decided once and then applied to the image and to all targets in the same way.

    ``meta["matrix"]`` of a moved sample leads from the coordinates of its file to those of the image; samples that have a label
    of the whole image and no targets with places go without. Boxes are cut off at the
    edges of the image; an object whose box vanishes is dropped from all fields.

    The second image of a pair moves as the first one does, and so do the frames of a clip.

    Attributes:
        min_share: share of the area of its box that must be left of an object inside of the image.
        label_fill: the label in ``semseg`` of what comes in from outside of the image.
        mirrors: left and right may change places.
    """

    min_share: float = 0.0
    label_fill: int = IGNORE
    mirrors = False

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample with image and targets moved."""
        move = self.plan(sample, rng)
        return sample if isinstance(move, Stay) else self.carry_out(sample, move)

    def carry_out(self, sample: Sample, move: Move) -> Sample:
        """Return the sample after ``move``."""
        kinds = kinds_in(sample)
        images = {kind.name: kind.moved(sample[kind.name], move) for kind in kinds.pixels}
        if kinds.whole_image:
            return {**sample, **images}
        pixels = kinds.pixels[0]
        matrix = move.matrix(pixels.size(sample[pixels.name]))
        meta = sample.get("meta", {})
        before = meta.get("matrix")
        meta = {**meta, "matrix": matrix if before is None else matrix @ before}
        moved = {**sample, **images, "meta": meta}
        if not kinds.has_places:
            return moved
        return move_targets(moved, Motion(move, matrix, pixels.size(images[pixels.name]), self.label_fill, self.min_share, self.survivors))

    def plan(self, sample: Sample, rng: np.random.Generator) -> Move:
        """Return what is to be done to a sample; by default only its size counts."""
        return self.decide(sample_size(sample), rng)

    @abstractmethod
    def decide(self, size: tuple[int, int], rng: np.random.Generator) -> Move:
        """Return what is to be done to a sample of ``size`` (height, width)."""

    def survivors(self, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Return bool (N,): which of the moved boxes (N, 4), not yet cut off, stay in an image of ``size``."""
        return np.ones(len(boxes), bool)


class Compose:
    """Several transforms, one after another."""

    def __init__(self, transforms: Sequence[SampleTransform]) -> None:
        self.transforms = list(transforms)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample after all transforms."""
        for transform in self.transforms:
            sample = transform(sample, rng)
        return sample


def check_probability(name: str, value: float) -> float:
    """Return ``value`` when it is a probability.

    Raises:
        ConfigError: it does not lie between 0 and 1.
    """
    if not 0.0 <= value <= 1.0:
        raise ConfigError(f"{name}: {value} given, a probability from 0 to 1 expected")
    return float(value)


def check_gray(name: str, value: Gray) -> Gray:
    """Return ``value`` when it is a gray value.

    Raises:
        ConfigError: it does not lie between 0 and 255.
    """
    if not 0 <= value <= 255:
        raise ConfigError(f"{name}: {value} given, a gray value from 0 to 255 expected")
    return value


def check_label(name: str, value: int) -> int:
    """Return ``value`` when a label image can hold it.

    Raises:
        ConfigError: it does not lie between 0 and 255.
    """
    if not 0 <= value <= 255:
        raise ConfigError(f"{name}: {value} given, a label from 0 to 255 expected")
    return value


def check_size(name: str, size: int | Sequence[int] | None) -> tuple[int, int]:
    """Return ``size`` as (height, width); one number means both.

    Raises:
        ConfigError: it is no positive size.
    """
    sizes = [size, size] if isinstance(size, int) else list(size or [])
    if len(sizes) != 2 or not all(isinstance(item, int) and item > 0 for item in sizes):
        raise ConfigError(f"{name}: size: {size!r} given, a positive number of pixels or [height, width] expected")
    return sizes[0], sizes[1]


def check_range(name: str, values: Sequence[float], *, low: float = 0.0, high: float = float("inf")) -> tuple[float, float]:
    """Return two ascending numbers between ``low`` and ``high``.

    Raises:
        ConfigError: they are something else.
    """
    if len(values) != 2 or not low <= values[0] <= values[1] <= high:
        raise ConfigError(f"{name}: {list(values)} given, two ascending numbers from {low:g} to {high:g} expected")
    return float(values[0]), float(values[1])


def check_share(name: str, value: float) -> float:
    """Return ``value`` when it is a share of an area.

    Raises:
        ConfigError: it does not lie between 0 and 1.
    """
    if not 0.0 <= value <= 1.0:
        raise ConfigError(f"{name}: {value} given, a share from 0 to 1 expected")
    return float(value)
