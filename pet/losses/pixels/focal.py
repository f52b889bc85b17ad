"""Focal loss: cross entropy in which pixels that are right already count little."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from pet.losses.pixels.base import (
    PixelLoss,
    check_at_least,
    check_class_weights,
    class_weight_buffer,
    mean_of_counted,
    two_class_logits,
)
from pet.losses.segmentation import IGNORE_LABEL
from petlib.errors import ConfigError


class FocalLoss(PixelLoss):
    """Mean of ``-alpha * (1 - p) ** gamma * log(p)`` over the pixels, p the probability of a pixel's label (https://arxiv.org/abs/1708.02002).

    The probability is that of a softmax; one sigmoid channel is that of two classes.

    Args:
        gamma: how fast pixels that are right lose weight, at least 0; 0 gives the cross entropy.
        alpha: with one channel or two classes a number from 0 to 1, the weight of the foreground beside that of the background,
            which is ``1 - alpha``; or a list with the weight of each class; None: all count the same.
        ignore_label: label of the pixels that do not count.
    """

    class_weights: Tensor | None

    def __init__(self, *, gamma: float = 2.0, alpha: float | Sequence[float] | None = None, ignore_label: int = IGNORE_LABEL) -> None:
        super().__init__(ignore_label=ignore_label)
        self.gamma = check_at_least("FocalLoss: gamma", gamma, 0.0)
        if isinstance(alpha, int | float):
            if not 0.0 <= alpha <= 1.0:
                raise ConfigError(
                    f"FocalLoss: alpha: {alpha:g} given, a number from 0 to 1 or a list with the weight of each class expected"
                )
            alpha = [1.0 - alpha, alpha]
        self.register_buffer("class_weights", class_weight_buffer(alpha, loss="FocalLoss"), persistent=False)

    def measure(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss; see :class:`PixelLoss`."""
        logits = two_class_logits(logits)
        check_class_weights(self.class_weights, logits.shape[1], loss="FocalLoss")
        counted = labels != self.ignore_label
        surprise = functional.cross_entropy(logits, labels, ignore_index=self.ignore_label, reduction="none")
        # at 0 the slope of a power below 1 is infinite
        wrong = (-torch.expm1(-surprise)).clamp(min=torch.finfo(surprise.dtype).tiny)
        each = wrong**self.gamma * surprise
        if self.class_weights is not None:
            each = each * self.class_weights[labels.where(counted, 0)]
        return mean_of_counted(each, counted)
