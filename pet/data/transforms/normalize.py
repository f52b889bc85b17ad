"""Mean and standard deviation of the pixels."""

from collections.abc import Sequence

import numpy as np

from petlib.data.protocols import Sample
from petlib.errors import ConfigError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Normalize:
    """``(image / 255 - mean) / std`` for each channel.

    At the end of a list of transforms it is applied to whole batches on the device instead, with the same numbers
    (:class:`pet.data.batch_transforms.NormalizeImages`): samples travel as uint8, a quarter of the memory.

    Args:
        mean: of the channels R, G, B, from 0 to 1; by default ImageNet's.
        std: likewise, above 0.

    Raises:
        ConfigError: not three numbers each, or out of range, as where they belong to pixels from 0 to 255.
    """

    def __init__(self, *, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD) -> None:
        in_range = all(0.0 <= value <= 1.0 for value in mean) and all(0.0 < value <= 1.0 for value in std)
        if len(mean) != 3 or len(std) != 3 or not in_range:
            raise ConfigError(
                f"Normalize: mean {list(mean)} and std {list(std)} given, three numbers each expected, "
                "of pixels from 0 to 1 (divide those of pixels from 0 to 255 by 255)"
            )
        self.mean = tuple(float(value) for value in mean)
        self.std = tuple(float(value) for value in std)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample with a float32 image."""
        scale, shift = scale_and_shift(self.mean, self.std)
        return {**sample, "image": sample["image"].astype(np.float32) * scale + shift}


def scale_and_shift(mean: Sequence[float], std: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return what a pixel from 0 to 255 is multiplied by and then added to, float32 (3,) each."""
    deviations = np.asarray(std, np.float64)
    return (1.0 / (255.0 * deviations)).astype(np.float32), (-np.asarray(mean, np.float64) / deviations).astype(np.float32)
