"""Sizes of images under PaddleSeg's names. Sizes are (width, height), as there."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from pet.compat.paddleseg.transforms.base import Transform, height_width, one_gray
from pet.data.targets.dataset import IGNORE
from pet.data.transforms import geometry
from pet.data.transforms.base import GeometricTransform, check_label
from pet.structures.moves import CropResize, Move, PadCrop, Size, Stay
from petlib.errors import ConfigError, DataError

INTERPOLATIONS = {"LINEAR": "linear", "CUBIC": "cubic", "AREA": "area", "NEAREST": "nearest"}


class Resize(Transform):
    """The whole image becomes another size, whatever its aspect ratio.

    Args:
        target_size: (width, height), pixels.
        interp: ``LINEAR``, ``CUBIC``, ``AREA`` or ``NEAREST``; shrinking does not weigh all pixels except with ``AREA``. Labels take
            the nearest pixel.
    """

    def __init__(self, target_size: Sequence[int] = (512, 512), interp: str = "LINEAR") -> None:
        if interp not in INTERPOLATIONS:
            raise ConfigError(f"Resize: interp: {interp!r} given, one of {', '.join(INTERPOLATIONS)} expected")
        size = height_width("Resize: target_size", target_size)
        super().__init__(geometry.Resize(size=size, interpolation=INTERPOLATIONS[interp], antialias=False))


class ResizeStepScaling(Transform):
    """The image is resized by a factor that is drawn; its aspect ratio stays.

    Args:
        min_scale_factor: least factor.
        max_scale_factor: greatest factor.
        scale_step_size: about how far factors lie apart, evenly from the least to the greatest; 0: any between them is drawn.
    """

    def __init__(self, min_scale_factor: float = 0.75, max_scale_factor: float = 1.25, scale_step_size: float = 0.25) -> None:
        super().__init__(StepScale(min_scale_factor, max_scale_factor, scale_step_size))


class StepScale(GeometricTransform):
    """What :class:`ResizeStepScaling` does to a sample.

    Args:
        least: factor, above 0.
        greatest: factor.
        step: see there.
    """

    def __init__(self, least: float, greatest: float, step: float) -> None:
        if not 0.0 < least <= greatest or step < 0.0:
            raise ConfigError(
                f"ResizeStepScaling: min_scale_factor {least}, max_scale_factor {greatest} and scale_step_size {step} given; two ascending "
                "numbers above 0 and a step of at least 0 expected"
            )
        self.bounds = least, greatest
        # as many as PaddleSeg has; the last one is the greatest, whatever the step is
        self.factors = np.linspace(least, greatest, int((greatest - least) / step + 1)).tolist() if step else []

    def decide(self, size: Size, rng: np.random.Generator) -> Move:
        """Draw the factor and compute the size."""
        factor = self.factors[rng.integers(len(self.factors))] if self.factors else rng.uniform(*self.bounds)
        target = max(round(factor * size[0]), 1), max(round(factor * size[1]), 1)
        return Stay() if target == size else CropResize(0, 0, *size, target, cv2.INTER_LINEAR, antialias=False)


class ResizeByLong(Transform):
    """The longer edge gets ``long_size`` pixels; the aspect ratio stays."""

    def __init__(self, long_size: int) -> None:
        super().__init__(LongestEdge("ResizeByLong", long_size, long_size))


class LimitLong(Transform):
    """Images whose longer edge is above ``max_long`` or below ``min_long`` are resized to that; None: no limit."""

    def __init__(self, max_long: int | None = None, min_long: int | None = None) -> None:
        super().__init__(LongestEdge("LimitLong", min_long or 1, max_long or math.inf, keeps_between=True))


class ResizeRangeScaling(Transform):
    """The longer edge gets from ``min_value`` to ``max_value`` pixels, drawn evenly; the aspect ratio stays."""

    def __init__(self, min_value: int = 400, max_value: int = 600) -> None:
        super().__init__(LongestEdge("ResizeRangeScaling", min_value, max_value))


class LongestEdge(GeometricTransform):
    """What the three transforms of the longer edge do to a sample.

    Args:
        name: of the transform, for messages.
        least: pixels of the longer edge.
        greatest: pixels of the longer edge.
        keeps_between: an edge between them stays, and no length is drawn.
    """

    def __init__(self, name: str, least: int, greatest: float, *, keeps_between: bool = False) -> None:
        if not 1 <= least <= greatest:
            raise ConfigError(f"{name}: a longer edge of {least} to {greatest} pixels given; ascending numbers above 0 expected")
        self.bounds = least, greatest
        self.keeps_between = keeps_between

    def decide(self, size: Size, rng: np.random.Generator) -> Move:
        """Choose the length and compute the size."""
        least, greatest = self.bounds
        longest = min(max(*size, least), greatest) if self.keeps_between else int(rng.uniform(least, greatest) + 0.5)
        scale = longest / max(size)
        target = max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)
        return Stay() if target == size else CropResize(0, 0, *size, target, cv2.INTER_LINEAR, antialias=False)


class Padding(Transform):
    """The image is padded right and below.

    Args:
        target_size: (width, height), pixels; larger images are refused.
        im_padding_value: gray value of the padding; of several numbers all have to be the same.
        label_padding_value: its label.
    """

    def __init__(
        self, target_size: Sequence[int], im_padding_value: float | Sequence[float] = 127.5, label_padding_value: int = IGNORE
    ) -> None:
        fill = one_gray("Padding", im_padding_value)
        super().__init__(PadTo(height_width("Padding: target_size", target_size), fill, label_padding_value))


class PadTo(GeometricTransform):
    """What :class:`Padding` does to a sample.

    Args:
        size: [height, width], pixels.
        fill: gray value.
        label_fill: label.
    """

    def __init__(self, size: Sequence[int], fill: float, label_fill: int) -> None:
        self.size = size[0], size[1]
        self.fill = fill
        self.label_fill = check_label("Padding: label_padding_value", label_fill)

    def decide(self, size: Size, rng: np.random.Generator) -> Move:
        """Compute the padding.

        Raises:
            DataError: the image is larger.
        """
        below, right = self.size[0] - size[0], self.size[1] - size[1]
        if below < 0 or right < 0:
            raise DataError(
                f"Padding: target_size: {self.size[1]} x {self.size[0]} (width x height) given, but an image has {size[1]} x {size[0]}; "
                "put Resize or LimitLong before it"
            )
        return PadCrop((0, below, 0, right), 0, 0, self.size, fill=self.fill)
