"""Losses of classifiers."""

import torch
from torch import Tensor
from torch.nn import functional

IGNORE_INDEX = -100


def cross_entropy(logits: Tensor, target: Tensor, *, label_smoothing: float = 0.0, ignore_index: int = IGNORE_INDEX) -> Tensor:
    """Return the mean cross entropy between the softmax of ``logits`` and the labels, computed in float32 at least.

    With smoothing ``s`` a sample's target is ``(1 - s) * target + s / C`` (https://arxiv.org/abs/1512.00567). The mean
    goes over the samples that are not ignored; where there is none the loss is 0, with gradients of 0.

    Args:
        logits: (N, C) or (N, C, ...), floating point.
        target: class indices (N,) or (N, ...) of an integer type, from 0 to C - 1 or ``ignore_index``; or the weight of
            every class, as mixup and CutMix give it, of the shape of ``logits``, floating point, adding up to 1.
        label_smoothing: from 0 to 1.
        ignore_index: label of the samples that do not count; of no meaning for weights.

    Returns:
        A scalar tensor.

    Raises:
        ValueError: the shapes of logits and target do not belong together.
    """
    if not torch.is_floating_point(logits) or logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    is_index = not torch.is_floating_point(target)
    expected = (logits.shape[0], *logits.shape[2:]) if is_index else tuple(logits.shape)
    if logits.dim() < 2 or tuple(target.shape) != expected:
        kind = "class indices" if is_index else "class weights"
        raise ValueError(f"logits of shape {tuple(logits.shape)} go with {kind} of shape {expected}, not {tuple(target.shape)}")
    if not is_index:
        return _of_weights(logits, target.to(logits.dtype), label_smoothing)
    target = target.long()
    total = functional.cross_entropy(logits, target, reduction="sum", label_smoothing=label_smoothing, ignore_index=ignore_index)
    return total / (target != ignore_index).sum().clamp(min=1)


def _of_weights(logits: Tensor, weights: Tensor, label_smoothing: float) -> Tensor:
    samples = logits.numel() // logits.shape[1]
    total = functional.cross_entropy(logits, weights, reduction="sum", label_smoothing=label_smoothing)
    return total / max(samples, 1)
