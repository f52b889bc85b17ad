"""Random colours and normalization with the names and the arguments of TrainFramework; what changes pixels is Pet's."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from pet.compat.shared.moving import described
from pet.compat.trainframework.transforms.fields import Results, images_of
from pet.data.transforms import normalize, operations
from pet.data.transforms.base import check_probability, check_range
from pet.data.transforms.colour import shift_hue
from petlib.data.seeding import generator_of_global_state
from petlib.errors import ConfigError, DataError

LEVELS = np.arange(256)

Limit = Sequence[float] | None
Share = float | None


class Change(NamedTuple):
    """One of the changes.

    Attributes:
        apply: takes an RGB image and an amount.
        low: least amount.
        high: greatest amount.
        probability: share of the samples.
        odd: amounts are odd whole numbers.
    """

    apply: Callable[[np.ndarray, float], np.ndarray]
    low: float
    high: float
    probability: float
    odd: bool = False

    def draw(self, rng: np.random.Generator) -> float | None:
        """Return an amount, None for no change."""
        if rng.random() >= self.probability:
            return None
        if self.odd:
            return self.low + 2 * float(rng.integers(int(self.high - self.low) // 2 + 1))
        return float(rng.uniform(self.low, self.high))


class RandomColorJitter:
    """Brightness, contrast, saturation, hue, sharpness and gamma change by random amounts, in this order, each in a share of the samples.

    All fields of ``color_fields`` change in the same way: input and target of a network may both be among them. Images are uint8, RGB
    (H, W, 3) or gray, (H, W) or (H, W, 1). A change without a limit is not made; with one its share is 0.5 unless it is given.
    What is drawn comes from numpy's global generator.

    Args:
        brightness_limit: least and greatest factor of all values; 0 is black, 1 changes nothing.
        brightness_p: share of the samples.
        contrast_limit: least and greatest factor of the distance from the mean gray value of the image.
        contrast_p: share of the samples.
        saturation_limit: least and greatest factor of the distance from the pixel's own gray value; 0 is a gray image.
        saturation_p: share of the samples.
        hue_limit: least and greatest turn of the hue as a share of the colour circle, from -0.5 to 0.5.
        hue_p: share of the samples.
        blur_limit: least and greatest edge of a Gaussian kernel in pixels, odd numbers; those between are drawn evenly. The standard
            deviation follows from it as OpenCV has it.
        blur_p: share of the samples.
        gamma_limit: least and greatest exponent of values from 0 to 1, above 0; greater than 1 is darker.
        gamma_p: share of the samples.
    """

    def __init__(
        self,
        *,
        brightness_limit: Limit = None,
        brightness_p: Share = None,
        contrast_limit: Limit = None,
        contrast_p: Share = None,
        saturation_limit: Limit = None,
        saturation_p: Share = None,
        hue_limit: Limit = None,
        hue_p: Share = None,
        blur_limit: Limit = None,
        blur_p: Share = None,
        gamma_limit: Limit = None,
        gamma_p: Share = None,
    ) -> None:
        made = [
            _change("brightness", operations.brightness, brightness_limit, brightness_p),
            _change("contrast", operations.contrast, contrast_limit, contrast_p),
            _change("saturation", operations.color, saturation_limit, saturation_p),
            _change("hue", shift_hue, hue_limit, hue_p, low=-0.5, high=0.5),
            _change("blur", blur, blur_limit, blur_p, low=1.0, odd=True),
            _change("gamma", change_gamma, gamma_limit, gamma_p),
        ]
        self._changes = [change for change in made if change is not None]
        if gamma_limit is not None and min(gamma_limit) <= 0.0:
            raise ConfigError(f"RandomColorJitter: gamma_limit: {list(gamma_limit)} given, numbers above 0 expected")

    def __call__(self, results: Results) -> Results:
        """Return ``results`` with other colours.

        Raises:
            DataError: a field is missing, or is no 8-bit image of one or three channels.
        """
        images = images_of(results, "color_fields", asker="RandomColorJitter")
        rng = generator_of_global_state()
        drawn = [(change.apply, change.draw(rng)) for change in self._changes]
        made = [(apply, amount) for apply, amount in drawn if amount is not None]
        return {**results, **{name: _recolour(name, image, made) for name, image in images.items()}}


def blur(image: np.ndarray, edge: float) -> np.ndarray:
    """Return an image after a Gaussian of ``edge`` pixels, an odd number."""
    return cv2.GaussianBlur(image, (int(edge), int(edge)), 0)


def change_gamma(image: np.ndarray, exponent: float) -> np.ndarray:
    """Return ``255 * (image / 255) ** exponent``, rounded, of a uint8 image."""
    return cv2.LUT(image, np.rint(255.0 * (LEVELS / 255.0) ** exponent).astype(np.uint8))


def _change(
    name: str,
    apply: Callable[[np.ndarray, float], np.ndarray],
    limit: Limit,
    share: Share,
    *,
    low: float = 0.0,
    high: float = float("inf"),
    odd: bool = False,
) -> Change | None:
    if limit is None:
        if share:
            raise ConfigError(f"RandomColorJitter: {name}_p is {share} and {name}_limit is not given; give both")
        return None
    limits = check_range(f"RandomColorJitter: {name}_limit", limit, low=low, high=high)
    if odd and any(value % 2 != 1 for value in limits):
        raise ConfigError(f"RandomColorJitter: {name}_limit: {list(limit)} given, two ascending odd numbers expected")
    return Change(apply, *limits, check_probability(f"RandomColorJitter: {name}_p", 0.5 if share is None else share), odd)


def _recolour(name: str, image: np.ndarray, made: Sequence[tuple[Callable[[np.ndarray, float], np.ndarray], float]]) -> np.ndarray:
    channels = 1 if image.ndim == 2 else image.shape[2]
    if image.dtype != np.uint8 or channels not in (1, 3):
        raise DataError(
            f"RandomColorJitter: the field {name!r} is {described(image)}; a uint8 image of one or three channels expected. Put it before "
            "Normalize, or leave the field out of color_fields"
        )
    colours = image if channels == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    for apply, amount in made:
        colours = apply(colours, amount)
    return colours if channels == 3 else np.ascontiguousarray(colours[:, :, 0]).reshape(image.shape)


class Normalize:
    """``(image / maximum - mean) / std`` of every image in ``img_fields``, which becomes float32.

    Args:
        mean: of the channels, from 0 to 1, or a list of one number for all of them; by default ImageNet's of R, G and B.
        std: likewise, above 0.
        maximum: the value that becomes 1; None: the greatest one of the image's type, 255 of uint8 and 65535 of uint16, and 255 of floats.
    """

    def __init__(
        self,
        mean: Sequence[float] = normalize.IMAGENET_MEAN,
        std: Sequence[float] = normalize.IMAGENET_STD,
        maximum: float | None = None,
    ) -> None:
        self._normalize = normalize.Normalize(mean=mean, std=std, maximum=maximum)

    def __call__(self, results: Results) -> Results:
        """Return ``results`` with images of float32.

        Raises:
            DataError: a field is missing or is no image.
            ConfigError: an image has another number of channels.
        """
        images = images_of(results, "img_fields", asker="Normalize")
        return {**results, **{name: self._normalized(image) for name, image in images.items()}}

    def _normalized(self, image: np.ndarray) -> np.ndarray:
        return self._normalize.normalized(image if image.ndim == 3 else image[..., None]).reshape(image.shape)
