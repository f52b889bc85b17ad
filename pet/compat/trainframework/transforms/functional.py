"""Functions on images, as ``import pet.compat.trainframework.transforms.functional as F`` has them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pet.compat.shared.moving import described, move_image
from pet.compat.trainframework.transforms.geometry import FLIPS, check_interpolation
from pet.data.transforms.base import check_size
from pet.structures.moves import CropResize
from petlib.errors import ConfigError, DataError
from petlib.suggest import did_you_mean

GREATEST = {"uint8": 255.0, "uint16": 65535.0}


def to_tensor(image: Any) -> Tensor:
    """Return an image as a tensor (C, H, W).

    uint8 and uint16 become float32 from 0 to 1. Numbers with a point become float32 and keep their values: what ``Normalize`` gave
    is not divided again. Other whole numbers and truth values, as label images have them, keep values and dtype.

    Args:
        image: (H, W, C) or (H, W), which is one channel; an array or an image of PIL.

    Raises:
        DataError: it has another number of dimensions.
    """
    pixels = np.asarray(image)
    if pixels.ndim not in (2, 3) or pixels.dtype.kind not in "biuf":
        raise DataError(f"to_tensor: {described(pixels)} given, an image (height, width, channels) or (height, width) expected")
    channels_first = np.ascontiguousarray(pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels[None])
    if pixels.dtype.name in GREATEST:
        return torch.from_numpy(channels_first.astype(np.float32) / np.float32(GREATEST[pixels.dtype.name]))
    if pixels.dtype.kind == "f":
        return torch.from_numpy(channels_first.astype(np.float32))
    # a tensor of its own, for a label image may belong to the data set
    return torch.from_numpy(channels_first.copy())


def to_image(tensor: Tensor) -> np.ndarray:
    """Return a tensor (C, H, W) of values from 0 to 1 as an image: uint8 (H, W, C), rounded, what lies outside cut off.

    Raises:
        DataError: it has another number of dimensions, as a batch has.
    """
    if tensor.ndim != 3:
        raise DataError(f"to_image: a tensor {tuple(tensor.shape)} given, (channels, height, width) expected; take one image of a batch")
    pixels = (tensor.detach().float().cpu().clamp(0.0, 1.0) * 255.0).round().to(torch.uint8)
    return np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())


def normalize(tensor: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Return ``(tensor - mean) / std`` for each channel.

    Args:
        tensor: float (..., C, H, W), e.g. what :func:`to_tensor` gave.
        mean: C numbers, or one for all channels, in the unit of the tensor.
        std: likewise, above 0.

    Raises:
        ConfigError: the numbers do not fit the channels, or a deviation is not above 0.
        DataError: the tensor holds whole numbers.
    """
    if not tensor.is_floating_point() or tensor.ndim < 3:
        raise DataError(f"normalize: {tensor.dtype} {tuple(tensor.shape)} given, float (..., channels, height, width) expected")
    if any(len(numbers) not in (1, tensor.shape[-3]) for numbers in (mean, std)) or min(std) <= 0.0:
        raise ConfigError(
            f"normalize: mean {list(mean)} and std {list(std)} given, one number or {tensor.shape[-3]} of each expected, std above 0"
        )
    means, deviations = (torch.tensor(numbers, dtype=tensor.dtype, device=tensor.device).view(-1, 1, 1) for numbers in (mean, std))
    return (tensor - means) / deviations


def flip(image: np.ndarray, direction: str = "horizontal") -> np.ndarray:
    """Return a mirrored image (H, W, C) or (H, W); the direction is one of :class:`RandomFlip`'s.

    Raises:
        ConfigError: the direction is unknown.
    """
    if direction not in FLIPS:
        raise ConfigError(f"flip: direction: {direction!r} given, {', '.join(FLIPS)} expected{did_you_mean(direction, FLIPS)}")
    return move_image(image, FLIPS[direction])


def resize(image: np.ndarray, size: int | Sequence[int], interpolation: str = "INTER_LINEAR") -> np.ndarray:
    """Return an image (H, W, C) or (H, W) in another size.

    Args:
        image: uint8, uint16, float32 or float64.
        size: one number or (height, width), pixels.
        interpolation: OpenCV's name.

    Raises:
        ConfigError: size or interpolation is wrong.
    """
    number = check_interpolation("resize", interpolation)
    return move_image(image, CropResize(0, 0, image.shape[0], image.shape[1], check_size("resize", size), number, antialias=False))
