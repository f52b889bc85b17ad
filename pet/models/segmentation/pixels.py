"""What networks of pixels learn from and what their scores become: one path for the semantic segmentation of every task."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pet.losses.pixels.base import IGNORE_LABEL
from pet.losses.pixels.mixed import MixedLoss

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


def pixel_losses(outputs: Sequence[Tensor], labels: Tensor, *, losses: Sequence[MixedLoss], weights: Sequence[float]) -> dict[str, Tensor]:
    """Return the terms of the losses of all outputs of a network, scalars by name; of further outputs ``NAME_1``, ...

    Args:
        outputs: logits (B, K, H, W) each, the main ones first.
        labels: integer (B, H, W).
        losses: of each output.
        weights: of each output.
    """
    assert len(outputs) == len(losses) == len(weights), f"{len(outputs)} outputs, {len(losses)} losses and {len(weights)} weights"
    terms: dict[str, Tensor] = {}
    for place, (logits, loss, weight) in enumerate(zip(outputs, losses, weights, strict=True)):
        suffix = f"_{place}" if place else ""
        terms |= {f"{name}{suffix}": value * weight for name, value in loss.terms(logits.float(), labels).items()}
    return terms


@torch.no_grad()
def pixel_accuracy(logits: Tensor, labels: Tensor, *, threshold: float = 0.5, ignore_label: int = IGNORE_LABEL) -> Tensor:
    """Return the share of the pixels that are not ignored whose label is predicted, a scalar on the device; 0 without any.

    Args:
        logits: float (B, K, H, W).
        labels: integer (B, H, W).
        threshold: probability from which a pixel is foreground, where K is 1.
        ignore_label: label of the pixels that do not count.
    """
    counted = labels != ignore_label
    right = (labels_of(logits, threshold=logit(threshold)) == labels) & counted
    return right.sum().float() / counted.sum().clamp(min=1)


def labels_of(scores: Tensor, *, threshold: float, class_axis: int = 1) -> Tensor:
    """Return the class of the greatest score, uint8; of a single channel 1 where the score reaches the threshold, else 0.

    Args:
        scores: logits or probabilities, float, with the classes along ``class_axis``, which the result lacks.
        threshold: a score; of logits that of :func:`logit`.
        class_axis: that axis.
    """
    if scores.shape[class_axis] > 1:
        # the same indices as those of argmax, which takes 4 to 12 times as long on CPUs along an axis that is not the last one in memory
        return scores.max(dim=class_axis).indices.to(torch.uint8)
    return (scores.select(class_axis, 0) >= threshold).to(torch.uint8)


def logit(probability: float) -> float:
    """Return the logit of a probability above 0 and below 1."""
    return math.log(probability / (1.0 - probability))


def label_images(logits: Tensor, batch: dict[str, Any], *, threshold: float = 0.5) -> list[Tensor]:
    """Return the label image of each sample over the pixels of its file, uint8 (height, width).

    Args:
        logits: float (B, K, H, W), over the padded batch.
        batch: see :func:`pet.models.segmentation.pixels.over_files`.
        threshold: probability from which a pixel is foreground, where K is 1.
    """
    return [labels_of(scores, threshold=logit(threshold), class_axis=0) for scores in over_files(logits.float(), batch)]
