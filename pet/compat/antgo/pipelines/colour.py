"""Steps that change colours."""

from collections.abc import Callable, Sequence

import numpy as np

from pet.compat.antgo.pipelines.base import Results, Step, pixels_of
from pet.data.transforms.base import check_probability, check_range
from pet.data.transforms.operations import brightness as change_brightness
from pet.data.transforms.operations import contrast as change_contrast
from pet.data.transforms.photometric import HUES, change_hue
from petlib.data.seeding import generator_of_global_state
from petlib.errors import ConfigError, DataError


class ColorDistort(Step):
    """Brightness, contrast, saturation and hue change, each in a share of the samples.

    The contrast changes before saturation and hue or after them, which is drawn too. What :class:`pet.data.transforms.photometric.\
PhotometricDistortion` does, with antgo's settings: each is [least, greatest, share of the samples].

    Args:
        hue: turn of the hue in steps of two degrees.
        saturation: factor; 0 is gray.
        contrast: factor; 0 is the mean gray.
        brightness: factor; 0 is black.
        random_channel: the channels get a random order in half of the samples.

    Raises:
        ConfigError: a setting is something else.
    """

    def __init__(
        self,
        hue: Sequence[float] = (-18, 18, 0.5),
        saturation: Sequence[float] = (0.5, 1.5, 0.5),
        contrast: Sequence[float] = (0.5, 1.5, 0.5),
        brightness: Sequence[float] = (0.5, 1.5, 0.5),
        random_channel: bool = False,
    ) -> None:
        self._hue = _Setting("hue", hue, low=-HUES / 2, high=HUES / 2)
        self._saturation = _Setting("saturation", saturation)
        self._contrast = _Setting("contrast", contrast)
        self._brightness = _Setting("brightness", brightness)
        self._random_channel = random_channel

    def __call__(self, results: Results) -> Results:
        """Return the sample with ``image`` in other colours.

        Raises:
            DataError: the image is no 8-bit RGB.
        """
        image = pixels_of(self, results)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise DataError(f"ColorDistort: image is an array {image.shape} of {image.dtype}; three channels of uint8 expected")
        rng = generator_of_global_state()
        brightness, contrast = self._brightness.draw(rng, 1.0), self._contrast.draw(rng, 1.0)
        saturation, hue = self._saturation.draw(rng, 1.0), round(self._hue.draw(rng, 0.0))
        changes: list[Callable[[np.ndarray], np.ndarray]] = [
            lambda pixels: pixels if contrast == 1.0 else change_contrast(pixels, contrast),
            lambda pixels: change_hue(pixels, saturation, hue),
        ]
        image = image if brightness == 1.0 else change_brightness(image, brightness)
        for change in changes if rng.random() < 0.5 else reversed(changes):
            image = change(image)
        if self._random_channel and rng.random() < 0.5:
            image = np.ascontiguousarray(image[..., rng.permutation(3)])
        return {**results, "image": image}


class _Setting:
    """One of the four changes: [least, greatest, share]."""

    def __init__(self, name: str, values: Sequence[float], *, low: float = 0.0, high: float = float("inf")) -> None:
        if len(values) != 3:
            raise ConfigError(f"ColorDistort: {name}: {values!r} given; [least, greatest, share of the samples] expected")
        self._bounds = check_range(f"ColorDistort: {name}", values[:2], low=low, high=high)
        self._share = check_probability(f"ColorDistort: {name}: share", values[2])

    def draw(self, rng: np.random.Generator, neutral: float) -> float:
        """Return how much it changes, ``neutral`` where it does not."""
        return float(rng.uniform(*self._bounds)) if rng.random() < self._share else neutral
