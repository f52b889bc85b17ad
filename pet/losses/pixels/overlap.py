"""Losses of how regions overlap: soft Dice and soft intersection over union."""

import torch
from torch import Tensor

from pet.losses.pixels.base import IGNORE_LABEL, PixelLoss, check_at_least, class_probabilities, one_hot

# below any sum of probabilities that matters; it replaces the sum where there is no pixel at all
_SMALLEST_SUM = 1e-7


class DiceLoss(PixelLoss):
    """One minus the soft Dice coefficient, ``(2 * |P T| + smooth) / (|P| + |T| + smooth)``, mean of the channels.

    P are the probabilities and T the truth of a class over all images of a batch (after https://arxiv.org/abs/1606.04797, which
    squares them in the denominator). One sigmoid channel is measured on the foreground only. A class without any pixel counts
    too: what is predicted of it is wrong.

    Args:
        smooth: what is added above and below, at least 0; it keeps classes of few pixels calm.
        per_image: measure every image for itself and take the mean of those with a pixel that counts, instead of all as one.
        ignore_label: label of the pixels that do not count.
    """

    def __init__(self, *, smooth: float = 1.0, per_image: bool = False, ignore_label: int = IGNORE_LABEL) -> None:
        super().__init__(ignore_label=ignore_label)
        self.smooth = check_at_least("DiceLoss: smooth", smooth, 0.0)
        self.per_image = per_image

    def measure(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss; see :class:`PixelLoss`."""
        common, total = _overlap(logits, labels, self.ignore_label)
        if not self.per_image:
            return _missing_share(total.sum(dim=0) - 2 * common.sum(dim=0), total.sum(dim=0) + self.smooth).mean()
        losses = _missing_share(total - 2 * common, total + self.smooth).mean(dim=1)
        counted = (labels != self.ignore_label).flatten(1).any(dim=1)
        return (losses * counted).sum() / counted.sum().clamp(min=1)


class SoftIoULoss(PixelLoss):
    """One minus the soft intersection over union, ``(|P T| + smooth) / (|P| + |T| - |P T| + smooth)``, mean of the channels.

    P are the probabilities and T the truth of a class over all images of a batch (https://doi.org/10.1007/978-3-319-50835-1_22).
    One sigmoid channel is measured on the foreground only. A class without any pixel counts too: what is predicted of it is wrong.

    Args:
        smooth: what is added above and below, at least 0.
        ignore_label: label of the pixels that do not count.
    """

    def __init__(self, *, smooth: float = 1.0, ignore_label: int = IGNORE_LABEL) -> None:
        super().__init__(ignore_label=ignore_label)
        self.smooth = check_at_least("SoftIoULoss: smooth", smooth, 0.0)

    def measure(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss; see :class:`PixelLoss`."""
        common, total = (sums.sum(dim=0) for sums in _overlap(logits, labels, self.ignore_label))
        return _missing_share(total - 2 * common, total - common + self.smooth).mean()


def _overlap(logits: Tensor, labels: Tensor, ignore_label: int) -> tuple[Tensor, Tensor]:
    """Return the sums |P T| and |P| + |T| over the pixels that count, float32 (B, K) each."""
    truth = one_hot(labels, logits.shape[1])
    counted = (labels != ignore_label)[:, None]
    probabilities = class_probabilities(logits) * counted
    common = (probabilities * truth).sum(dim=(2, 3))
    return common, probabilities.sum(dim=(2, 3)) + truth.sum(dim=(2, 3))


def _missing_share(missing: Tensor, total: Tensor) -> Tensor:
    """Return ``1 - overlap``, written as one fraction: exactly 0, with gradients of 0, where there is no pixel."""
    return missing / torch.clamp(total, min=_SMALLEST_SUM)
