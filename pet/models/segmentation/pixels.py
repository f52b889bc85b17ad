"""What networks of pixels learn from and what their scores become: one path for the semantic segmentation of every task."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pet.losses.pixels.base import IGNORE_LABEL
from pet.losses.pixels.mixed import MixedLoss
from pet.models.segmentation.resample import over_files


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
        return scores.argmax(dim=class_axis).to(torch.uint8)
    return (scores.select(class_axis, 0) >= threshold).to(torch.uint8)


def logit(probability: float) -> float:
    """Return the logit of a probability above 0 and below 1."""
    return math.log(probability / (1.0 - probability))


def label_images(logits: Tensor, batch: dict[str, Any], *, threshold: float = 0.5) -> list[Tensor]:
    """Return the label image of each sample over the pixels of its file, uint8 (height, width).

    Args:
        logits: float (B, K, H, W), over the padded batch.
        batch: see :func:`pet.models.segmentation.resample.over_files`.
        threshold: probability from which a pixel is foreground, where K is 1.
    """
    return [labels_of(scores, threshold=logit(threshold), class_axis=0) for scores in over_files(logits.float(), batch)]
