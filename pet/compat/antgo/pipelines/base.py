"""What the built-in steps of pipelines have in common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from pet.compat.shared.moving import described
from petlib.errors import ConfigError, DataError
from petlib.suggest import did_you_mean

Results = dict[str, Any]
"""The fields of a sample: ``image`` (H, W, 3) uint8 RGB as data sets give it, ``segments`` (H, W), ``bboxes`` (N, 4) XYXY in pixels,
``labels`` (N,), ``area`` (N,), ``joints2d`` (K, 2 or 3) or (N, K, 2 or 3), ``joints_vis`` (K,) or (N, K), and whatever else there is."""

IMAGE_DTYPES = (np.uint8, np.uint16, np.float32)


class Step(ABC):
    """A built-in step: called as antgo does it, ``results = step(results)``; what it is given stays as it is.

    Random numbers come from numpy's global generator, which is seeded before each sample.
    """

    @abstractmethod
    def __call__(self, results: Results) -> Results:
        """Return the changed sample."""

    @property
    def name(self) -> str:
        """What messages call it."""
        return type(self).__name__


def field_of(step: Step, results: Results, field: str) -> Any:
    """Return a field of a sample.

    Raises:
        DataError: it is missing.
    """
    if field not in results:
        raise DataError(
            f"{step.name}: there is no field {field!r} in the sample{did_you_mean(field, results)} (it has {', '.join(map(str, results))})"
        )
    return results[field]


def pixels_of(step: Step, results: Results) -> np.ndarray:
    """Return the image of a sample, (H, W) or (H, W, C).

    Raises:
        DataError: there is none, or it is a tensor or of numbers that OpenCV does not move.
    """
    image = field_of(step, results, "image")
    if not isinstance(image, np.ndarray) or image.ndim not in (2, 3) or image.dtype not in IMAGE_DTYPES:
        raise DataError(
            f"{step.name}: image is {described(image)}; an array (height, width, channels) of uint8, uint16 or float32 expected. "
            "It belongs before ToTensor"
        )
    return image


def check_keys(step: Step, keys: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the fields that a step works on.

    Raises:
        ConfigError: they are no list of names.
    """
    if isinstance(keys, str) or not keys or not all(isinstance(key, str) for key in keys):
        raise ConfigError(f"{step.name}: keys: {keys!r} given; a list of fields expected, e.g. ['image']")
    return tuple(keys)
