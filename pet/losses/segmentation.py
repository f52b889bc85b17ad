"""Losses of semantic segmentation."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from pet.losses.classification import cross_entropy

IGNORE_LABEL = 255


def pixel_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    *,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
    ignore_label: int = IGNORE_LABEL,
) -> Tensor:
    """Return the mean cross entropy of all pixels that are not ignored; 0, with gradients of 0, where all are.

    With weights each pixel counts as much as its class, and the mean is that of the weighted pixels, as torch has it.

    Args:
        logits: float (B, C, H, W).
        labels: integer (B, H, W), from 0 to C - 1 or ``ignore_label``.
        class_weights: float (C,), at least 0; None: all count the same.
        label_smoothing: share of a pixel's target that goes to all classes alike, from 0 to 1.
        ignore_label: label of the pixels that do not count.

    Returns:
        A scalar, float32 at least.

    Raises:
        ValueError: the shapes do not belong together.
    """
    labels = labels.long()
    if class_weights is None:
        return cross_entropy(logits, labels, label_smoothing=label_smoothing, ignore_index=ignore_label)
    each = functional.cross_entropy(
        logits.float(), labels, weight=class_weights, label_smoothing=label_smoothing, ignore_index=ignore_label, reduction="none"
    )
    weights = class_weights[labels.where(labels != ignore_label, 0)] * (labels != ignore_label)
    return each.sum() / weights.sum().clamp(min=torch.finfo(each.dtype).tiny)


def pad_labels(labels: Tensor | Sequence[Tensor], size: tuple[int, int], *, ignore_label: int = IGNORE_LABEL) -> Tensor:
    """Return the label images of a batch in one tensor: ignored pixels are added on the right and at the bottom.

    Args:
        labels: integer (B, h, w), or B tensors (h, w) of several sizes.
        size: (H, W) of the padded batch, at least as great.
        ignore_label: the label of what is added.

    Returns:
        (B, H, W), of the dtype and on the device of ``labels``.

    Raises:
        ValueError: a label image is greater than the batch.
    """
    if isinstance(labels, Tensor) and tuple(labels.shape[-2:]) == tuple(size):
        return labels
    if any(image.shape[0] > size[0] or image.shape[1] > size[1] for image in labels):
        raise ValueError(f"label images of shapes {[tuple(image.shape) for image in labels]} do not fit into a batch of {tuple(size)}")
    padded = labels[0].new_full((len(labels), *size), ignore_label)
    for target, image in zip(padded, labels, strict=True):
        target[: image.shape[0], : image.shape[1]] = image
    return padded


@torch.no_grad()
def pixel_accuracy(logits: Tensor, labels: Tensor, *, ignore_label: int = IGNORE_LABEL) -> Tensor:
    """Return the share of the pixels that are not ignored whose greatest logit is the label, a scalar on the device; 0 without any.

    Args:
        logits: float (B, C, H, W).
        labels: integer (B, H, W).
        ignore_label: label of the pixels that do not count.
    """
    counted = labels != ignore_label
    right = (logits.argmax(dim=1) == labels) & counted
    return right.sum().float() / counted.sum().clamp(min=1)
