"""Binary cross entropy of pixels."""

import torch
from torch import Tensor
from torch.nn import functional

from pet.losses.pixels.base import PixelLoss, check_at_least, mean_of_counted, one_hot
from pet.losses.segmentation import IGNORE_LABEL


class BCELoss(PixelLoss):
    """Mean binary cross entropy of one sigmoid channel, or of several classes, each against all others.

    With K of 2 or more every channel is a sigmoid of its own, true where the label is its number, and the mean goes over pixels
    and channels, as in PaddleSeg (https://github.com/PaddlePaddle/PaddleSeg).

    Args:
        positive_weight: how much the term of a true channel counts beside that of a false one, at least 0.
        ignore_label: label of the pixels that do not count.
    """

    positive_weight: Tensor

    def __init__(self, *, positive_weight: float = 1.0, ignore_label: int = IGNORE_LABEL) -> None:
        super().__init__(ignore_label=ignore_label)
        check_at_least("BCELoss: positive_weight", positive_weight, 0.0)
        self.register_buffer("positive_weight", torch.tensor(float(positive_weight)), persistent=False)

    def measure(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss; see :class:`PixelLoss`."""
        counted = (labels != self.ignore_label)[:, None]
        truth = one_hot(labels, logits.shape[1])
        each = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none", pos_weight=self.positive_weight)
        return mean_of_counted(each * counted, counted)
