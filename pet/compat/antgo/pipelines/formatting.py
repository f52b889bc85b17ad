"""Steps that turn arrays into what a network takes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pet.compat.antgo.pipelines.base import Results, Step, check_keys, field_of
from pet.data.targets.pixel_types import greatest_value
from pet.data.transforms.normalize import scale_and_shift
from petlib.errors import ConfigError, DataError

TARGET_FIELDS = frozenset(("segments", "bboxes", "labels", "label", "area", "joints2d", "joints_vis"))
"""Fields that are no pictures, whatever their shape."""


class ToTensor(Step):
    """Fields become tensors; pictures (H, W, C) become (C, H, W) float32, those of uint8 from 0 to 1, as torchvision does it.

    A picture is an array of three dimensions that is no target (``segments``, ``bboxes``, ``labels``, ``label``, ``area``, ``joints2d``,
    ``joints_vis``), and an ``image`` of two, which gets one channel. Everything else keeps shape and kind of numbers.

    Args:
        keys: the fields.

    Raises:
        ConfigError: ``keys`` is no list of names.
    """

    def __init__(self, keys: Sequence[str] = ("image",)) -> None:
        self._keys = check_keys(self, keys)

    def __call__(self, results: Results) -> Results:
        """Return the sample with tensors.

        Raises:
            DataError: a field is missing, or holds no numbers.
        """
        return {**results, **{key: self._tensor(key, field_of(self, results, key)) for key in self._keys}}

    def _tensor(self, key: str, value: Any) -> Tensor:
        if isinstance(value, Tensor):
            return value
        array = np.asarray(value)
        if array.dtype.kind not in "biufc":
            raise DataError(f"ToTensor: the field {key!r} is a {type(value).__name__}; numbers expected")
        is_picture = key not in TARGET_FIELDS and (array.ndim == 3 or (array.ndim == 2 and key.startswith("image")))
        if not is_picture:
            # torch shares memory with arrays that it may write into only
            return torch.tensor(array)
        planes = array[:, :, None] if array.ndim == 2 else array
        tensor = torch.from_numpy(np.ascontiguousarray(planes.transpose(2, 0, 1), dtype=np.float32))
        return tensor / greatest_value(array.dtype.name) if array.dtype in (np.uint8, np.uint16) else tensor


class Normalize(Step):
    """``(picture - mean) / std`` for each channel, of tensors (C, H, W) and of arrays (H, W, C), in float32.

    Pictures of whole numbers, which come without ToTensor, are divided by the greatest value of their type, 255 of 8 bits, first where
    ``mean`` and ``std`` are at most 1.

    Args:
        mean: a number for each channel, or one for all.
        std: likewise, above 0.
        keys: the fields.

    Raises:
        ConfigError: the numbers do not fit each other.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], keys: Sequence[str] = ("image",)) -> None:
        self._keys = check_keys(self, keys)
        if not mean or len(mean) != len(std) or not all(value > 0 for value in std):
            raise ConfigError(f"Normalize: mean {mean!r} and std {std!r} given; a number for each channel expected, those of std above 0")
        self._scale, self._shift = scale_and_shift(mean, std, maximum=1.0)
        self._divides = max(*mean, *std) <= 1.0

    def __call__(self, results: Results) -> Results:
        """Return the sample with changed pictures.

        Raises:
            DataError: a field is missing, is no picture, or has another number of channels.
        """
        return {**results, **{key: self._apply(key, field_of(self, results, key)) for key in self._keys}}

    def _apply(self, key: str, picture: Any) -> Tensor | np.ndarray:
        if not isinstance(picture, Tensor | np.ndarray) or picture.ndim != 3:
            given = tuple(picture.shape) if isinstance(picture, Tensor | np.ndarray) else type(picture).__name__
            raise DataError(f"Normalize: the field {key!r} is {given}; a tensor (C, H, W) or an array (H, W, C) expected")
        channels = picture.shape[0 if isinstance(picture, Tensor) else 2]
        if len(self._scale) not in (1, channels):
            raise DataError(
                f"Normalize: mean and std have {len(self._scale)} numbers and {key!r} has {channels} channels; give {channels} of each"
            )
        if isinstance(picture, Tensor):
            scale = self._factor(str(picture.dtype).removeprefix("torch."))
            return picture.float() * torch.from_numpy(scale)[:, None, None] + torch.from_numpy(self._shift)[:, None, None]
        normalized: np.ndarray = picture.astype(np.float32) * self._factor(picture.dtype.name) + self._shift
        return normalized

    def _factor(self, dtype: str) -> np.ndarray:
        is_whole = dtype.startswith(("bool", "int", "uint"))
        return self._scale / np.float32(greatest_value(dtype)) if is_whole and self._divides else self._scale


class UnSqueeze(Step):
    """Fields get a dimension of length 1, so that ``segments`` (H, W) become (1, H, W) with ``axis=0``, and a batch (B, 1, H, W).

    Args:
        axis: place of the new dimension; negative ones count from the end.
        keys: the fields.

    Raises:
        ConfigError: ``keys`` is no list of names.
    """

    def __init__(self, axis: int = 0, keys: Sequence[str] = ("image",)) -> None:
        self._keys = check_keys(self, keys)
        self._axis = axis

    def __call__(self, results: Results) -> Results:
        """Return the sample with the new dimensions.

        Raises:
            DataError: a field is missing, or has too few dimensions for ``axis``.
        """
        return {**results, **{key: self._apply(key, field_of(self, results, key)) for key in self._keys}}

    def _apply(self, key: str, value: Any) -> Tensor | np.ndarray:
        array = value if isinstance(value, Tensor) else np.asarray(value)
        if not -array.ndim - 1 <= self._axis <= array.ndim:
            raise DataError(f"UnSqueeze: axis: {self._axis} given and the field {key!r} has {array.ndim} dimensions")
        return array.unsqueeze(self._axis) if isinstance(array, Tensor) else np.expand_dims(array, self._axis)
