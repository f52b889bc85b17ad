"""OpenCV's functions on images of any number of channels, of which many take four at most."""

from collections.abc import Callable

import numpy as np

OPENCV_CHANNELS = 4


def in_groups(image: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return ``change(image)`` for an image (H, W, C), four channels at a time where it has more.

    Args:
        image: uint8, uint16 or float32.
        change: treats all channels the same way; it may return (H, W) for one channel, as OpenCV does.
    """
    channels = image.shape[2]
    if 1 < channels <= OPENCV_CHANNELS:
        return change(image)
    groups = [
        _with_channels(change(np.ascontiguousarray(image[:, :, start : start + OPENCV_CHANNELS])))
        for start in range(0, channels, OPENCV_CHANNELS)
    ]
    return groups[0] if len(groups) == 1 else np.concatenate(groups, axis=2)


def _with_channels(image: np.ndarray) -> np.ndarray:
    return image if image.ndim == 3 else image[:, :, None]
