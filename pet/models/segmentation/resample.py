"""Maps over an image as the network saw it become maps over the image file."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

CLOSE = 1e-6


def over_files(scores: Tensor, batch: dict[str, Any]) -> Iterator[Tensor]:
    """Yield the scores of each image over the pixels of its file, float (K, height, width).

    Args:
        scores: (B, K, H, W), logits or probabilities over the padded batch.
        batch: ``image_sizes`` (by default all of the batch), and ``size`` and ``matrix`` of ``meta``, where they are given.
    """
    sizes = batch.get("image_sizes") or [(scores.shape[2], scores.shape[3])] * len(scores)
    metas = batch.get("meta") or [{}] * len(scores)
    for image_scores, (height, width), meta in zip(scores, sizes, metas, strict=True):
        seen = image_scores[:, :height, :width]
        yield to_file(seen, tuple(meta.get("size", (height, width))), meta.get("matrix"))


def to_file(scores: Tensor, size: tuple[int, int], matrix: np.ndarray | None = None) -> Tensor:
    """Return ``scores`` over the pixels of the file, bilinearly interpolated; what the network did not see has the value of the border.

    Args:
        scores: float (C, h, w), over the image as the network saw it, without padding.
        size: (height, width) of the file.
        matrix: (3, 3), affine, from coordinates of the file to those of ``scores``, pixel i covering [i, i + 1); None: the same.

    Returns:
        (C, height, width).
    """
    affine = np.eye(3) if matrix is None else np.asarray(matrix, dtype=np.float64)
    height, width = scores.shape[-2:]
    stretch = np.diag([width / size[1], height / size[0], 1.0])
    if np.allclose(affine * (size[1], size[0], 1), stretch * (size[1], size[0], 1), rtol=0, atol=CLOSE * max(height, width)):
        if (height, width) == tuple(size):
            return scores
        return functional.interpolate(scores[None], size=tuple(size), mode="bilinear", align_corners=False)[0]
    grid = _sampling_grid(affine, size, (height, width), scores.device)
    return functional.grid_sample(scores[None], grid[None].to(scores.dtype), mode="bilinear", padding_mode="border", align_corners=False)[0]


def _sampling_grid(affine: np.ndarray, size: tuple[int, int], source: tuple[int, int], device: torch.device) -> Tensor:
    """Return (height, width, 2): where the centre of each pixel of the file lies, x and y from -1 to 1 over the source."""
    rows = torch.arange(size[0], device=device, dtype=torch.float32)[:, None] + 0.5
    columns = torch.arange(size[1], device=device, dtype=torch.float32)[None] + 0.5
    (a, b, c), (d, e, f) = affine[:2].tolist()
    return torch.stack(
        (
            (a * columns + b * rows + c) * (2 / source[1]) - 1,
            (d * columns + e * rows + f) * (2 / source[0]) - 1,
        ),
        dim=-1,
    )
