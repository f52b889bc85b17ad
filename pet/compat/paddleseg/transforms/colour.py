"""Colours, noise and blur under PaddleSeg's names."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from pet.compat.paddleseg.transforms.base import Transform
from pet.data.transforms import operations, photometric
from pet.data.transforms.base import ImageTransform, check_probability, check_range
from pet.data.transforms.colour import shift_hue
from pet.data.transforms.normalize import as_eight_bits
from petlib.errors import ConfigError

RGB = 3


class RandomBlur(Transform):
    """``prob`` of the images are blurred by a Gaussian of 3 to 9 pixels."""

    def __init__(self, prob: float = 0.1) -> None:
        super().__init__(photometric.RandomBlur(probability=prob))


class RandomDistort(Transform):
    """Brightness, contrast, saturation and hue change, each in a share of the samples, in an order that is drawn.

    Args:
        brightness_range, contrast_range, saturation_range: greatest distance of the factor from 1; factor 0 is a black image, its mean
            gray value, and a gray image.
        brightness_prob, contrast_prob, saturation_prob, hue_prob: share of the samples that each changes.
        hue_range: greatest turn of the hue to either side, in 256ths of the colour circle.
    """

    def __init__(  # noqa: PLR0917 -- PaddleSeg's order
        self,
        brightness_range: float = 0.5,
        brightness_prob: float = 0.5,
        contrast_range: float = 0.5,
        contrast_prob: float = 0.5,
        saturation_range: float = 0.5,
        saturation_prob: float = 0.5,
        hue_range: float = 18,
        hue_prob: float = 0.5,
    ) -> None:
        super().__init__(
            Distort(
                [
                    ColourChange("brightness", operations.brightness, 1.0, brightness_range, brightness_prob),
                    ColourChange("contrast", operations.contrast, 1.0, contrast_range, contrast_prob),
                    ColourChange("saturation", operations.color, 1.0, saturation_range, saturation_prob),
                    ColourChange("hue", lambda image, steps: shift_hue(image, steps / 256), 0.0, hue_range, hue_prob),
                ]
            )
        )


class ColourChange(NamedTuple):
    """One of the changes of :class:`RandomDistort`.

    Attributes:
        name: for messages.
        apply: takes an RGB image and an amount.
        neutral: the amount that changes nothing.
        reach: greatest distance of the amount from it.
        probability: share of the samples.
    """

    name: str
    apply: Callable[[np.ndarray, float], np.ndarray]
    neutral: float
    reach: float
    probability: float


class Distort(ImageTransform):
    """What :class:`RandomDistort` does to the pixels of an image."""

    takes_any_image = True

    def __init__(self, changes: Sequence[ColourChange]) -> None:
        for change in changes:
            check_probability(f"RandomDistort: {change.name}_prob", change.probability)
            check_range(f"RandomDistort: {change.name}_range", [0.0, change.reach], high=change.neutral or 128.0)
        self.changes = changes

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the image (H, W, 3) in other colours, uint8; of float32 the fractions are cut off, as in PaddleSeg.

        Raises:
            ConfigError: the image has other channels, or was normalised before.
        """
        if image.shape[2] != RGB or (image.dtype.kind == "f" and image.min(initial=0) < 0):
            raise ConfigError(f"RandomDistort: an image {image.shape} from {image.min():g} on given; RGB from 0 to 255, before Normalize")
        image = as_eight_bits(image).clip(0, 255).astype(np.uint8)
        for place in rng.permutation(len(self.changes)):
            _, change, neutral, reach, probability = self.changes[place]
            if rng.random() < probability:
                image = change(image, rng.uniform(neutral - reach, neutral + reach))
        return image


class RandomNoise(Transform):
    """``prob`` of the images get Gaussian noise; its standard deviation is drawn from 0 to ``max_sigma`` gray values."""

    def __init__(self, prob: float = 0.5, max_sigma: float = 10.0) -> None:
        super().__init__(Noise(prob, max_sigma))


class Noise(ImageTransform):
    """What :class:`RandomNoise` does to the pixels of an image."""

    takes_any_image = True

    def __init__(self, probability: float, max_sigma: float) -> None:
        self.probability = check_probability("RandomNoise: prob", probability)
        self.max_sigma = check_range("RandomNoise: max_sigma", [0.0, max_sigma], high=255.0)[1]

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the image (H, W, C), float32 from 0 to 255, as in PaddleSeg."""
        changed = as_eight_bits(image).astype(np.float32)
        if rng.random() >= self.probability:
            return changed
        sigma = rng.random() * self.max_sigma
        return (changed + rng.normal(0.0, sigma, image.shape)).clip(0, 255).astype(np.float32)
