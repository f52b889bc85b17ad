"""Mean and standard deviation of the pixels."""

from collections.abc import Sequence

import numpy as np

from pet.compat.trainframework.transforms.fields import Results, images_of
from pet.data.transforms import normalize


class Normalize:
    """``(image / maximum - mean) / std`` of every image in ``img_fields``, which becomes float32.

    Args:
        mean: of the channels, from 0 to 1, or a list of one number for all of them; by default ImageNet's of R, G and B.
        std: likewise, above 0.
        maximum: the value that becomes 1.
    """

    def __init__(
        self,
        mean: Sequence[float] = normalize.IMAGENET_MEAN,
        std: Sequence[float] = normalize.IMAGENET_STD,
        maximum: float = 255.0,
    ) -> None:
        checked = normalize.Normalize(mean=mean, std=std, maximum=maximum)
        self._numbers = len(checked.mean)
        self._scale, self._shift = normalize.scale_and_shift(checked.mean, checked.std, checked.maximum)

    def __call__(self, results: Results) -> Results:
        """Return ``results`` with images of float32.

        Raises:
            DataError: a field is not there or is no image.
            ConfigError: an image has another number of channels.
        """
        images = images_of(results, "img_fields", asker="Normalize")
        return {**results, **{name: self._normalized(image) for name, image in images.items()}}

    def _normalized(self, image: np.ndarray) -> np.ndarray:
        normalize.check_channels(self._numbers, 1 if image.ndim == 2 else image.shape[2])
        changed: np.ndarray = image.astype(np.float32) * self._scale + self._shift
        return changed.reshape(image.shape)
