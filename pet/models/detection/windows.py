"""Detectors on large images: the network looks at one window after the other, and what they show becomes one result."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pet.data.files.windows import Window, spaced_windows
from pet.data.loading.batch_transforms import PAD_DIVISOR
from pet.data.targets.kinds import to_original
from pet.models.detection.window_joining import join_windows
from pet.models.segmentation.sliding_window import WINDOWS_AT_ONCE
from pet.structures.affine import shift

Predict = Callable[[dict[str, Any]], list[dict[str, Tensor]]]
"""Gives what is found in each image of a batch, in the coordinates of the batch."""


def find_through_windows(predict: Predict, batch: dict[str, Any], *, window: int, overlap: float) -> list[dict[str, Tensor]]:
    """Return the objects of each image of a batch, in its coordinates; see :mod:`pet.models.detection.window_joining`.

    Args:
        predict: gives what is found in windows.
        batch: ``image``, float (B, C, H, W), ``image_sizes``, (height, width) of each without padding, by default all of it, and ``meta``.
        window: edge of a window, pixels; smaller images are looked at whole.
        overlap: share of a window that its neighbour covers too, from 0 to below 1.
    """
    images: Tensor = batch["image"]
    sizes = batch.get("image_sizes") or [(images.shape[2], images.shape[3])] * len(images)
    metas = batch.get("meta", [{}] * len(images))
    found = []
    for image, size, meta in zip(images, sizes, metas, strict=True):
        windows = spaced_windows(size, window, overlap)
        seen = [one for part in _parts(image, windows, meta) for one in predict(part)]
        places = [{"matrix": shift(-one.left, -one.top), "size": size} for one in windows]
        found.append(join_windows(to_original(seen, places), windows, size) if len(windows) > 1 else seen[0])
    return found


def _parts(image: Tensor, windows: Sequence[Window], meta: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield windows of an image (C, H, W) as batches, padded as an image of their size is."""
    for begin in range(0, len(windows), WINDOWS_AT_ONCE):
        chosen = windows[begin : begin + WINDOWS_AT_ONCE]
        height, width = chosen[0].height, chosen[0].width
        pixels = torch.stack([image[:, one.top : one.top + height, one.left : one.left + width] for one in chosen])
        padded = F.pad(pixels, (0, -width % PAD_DIVISOR, 0, -height % PAD_DIVISOR))
        yield {"image": padded, "image_sizes": [(height, width)] * len(chosen), "meta": [meta] * len(chosen)}
