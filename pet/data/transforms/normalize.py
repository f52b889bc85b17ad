"""Mean and standard deviation of the pixels."""

from collections.abc import Sequence

import numpy as np

from pet.data.targets.kinds import kinds_in
from pet.data.targets.pixel_types import EIGHT_BITS, greatest_value
from petlib.data.protocols import Sample
from petlib.errors import ConfigError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Normalize:
    """``(image / maximum - mean) / std`` for each channel of the image, or of the two of a pair.

    At the end of a list of transforms it is applied to whole batches on the device instead, with the same numbers
    (:class:`pet.data.loading.batch_transforms.NormalizeImages`): samples travel as uint8, a quarter of the memory.

    Args:
        mean: of the C channels, from 0 to 1, or one number for all of them; by default ImageNet's of R, G and B.
        std: likewise, above 0.
        maximum: the value that becomes 1, for instance 10000 for reflectances. None: the greatest one of the image's type, 255 of uint8,
            65535 of uint16, and 255 of float32, so that a picture is the same in 8 and in 16 bits. With 1 the values stay as they are,
            and mean and std are in their unit.

    Raises:
        ConfigError: not as many of one as of the other, or out of range, as where they belong to pixels from 0 to 255.
    """

    def __init__(self, *, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD, maximum: float | None = None) -> None:
        if maximum is not None and not 0.0 < maximum < float("inf"):
            raise ConfigError(f"Normalize: maximum: {maximum} given, a number above 0 expected")
        in_range = maximum == 1.0 or (all(0.0 <= value <= 1.0 for value in mean) and all(value <= 1.0 for value in std))
        if not mean or len(mean) != len(std) or not in_range or not all(value > 0.0 for value in std):
            raise ConfigError(
                f"Normalize: mean {list(mean)} and std {list(std)} given, a number for each channel expected (three each for RGB), "
                f"of pixels from 0 to 1 (divide those of pixels from 0 to {maximum or EIGHT_BITS:g} by {maximum or EIGHT_BITS:g})"
            )
        self.mean = tuple(float(value) for value in mean)
        self.std = tuple(float(value) for value in std)
        self.maximum = None if maximum is None else float(maximum)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample with float32 images.

        Raises:
            ConfigError: an image has another number of channels.
        """
        return {**sample, **{kind.name: self.normalized(sample[kind.name]) for kind in kinds_in(sample).pixels}}

    def normalized(self, image: np.ndarray) -> np.ndarray:
        """Return an image (H, W, C), or several (..., H, W, C), as float32.

        Raises:
            ConfigError: it has another number of channels.
        """
        check_channels(len(self.mean), image.shape[-1])
        scale, shift = scale_and_shift(self.mean, self.std, self.maximum or greatest_value(image.dtype.name))
        normalized: np.ndarray = image.astype(np.float32) * scale + shift
        return normalized


def as_eight_bits(image: np.ndarray) -> np.ndarray:
    """Return pixels of 16 bits as float32 from 0 to 255, for networks that know pixels of 8 bits; others as they are."""
    return image if image.dtype != np.uint16 else image.astype(np.float32) * np.float32(EIGHT_BITS / greatest_value(image.dtype.name))


def scale_and_shift(mean: Sequence[float], std: Sequence[float], maximum: float = EIGHT_BITS) -> tuple[np.ndarray, np.ndarray]:
    """Return what a pixel from 0 to ``maximum`` is multiplied by and then added to, float32 (C,) each."""
    deviations = np.asarray(std, np.float64)
    return (1.0 / (maximum * deviations)).astype(np.float32), (-np.asarray(mean, np.float64) / deviations).astype(np.float32)


def check_channels(given: int, found: int) -> None:
    """Compare the numbers that ``mean`` and ``std`` have with the channels of an image; one number counts for all channels.

    Raises:
        ConfigError: they differ.
    """
    if given not in (1, found):
        raise ConfigError(
            f"Normalize: mean and std have {given} numbers and the images {found} channels; give {found} of each, "
            "{name: Normalize, mean: [...], std: [...]}"
        )
