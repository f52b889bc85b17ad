"""Losses of how regions overlap: soft Dice, soft intersection over union, and that one made convex (Lovász)."""

import torch
from torch import Tensor
from torch.nn import functional

from pet.losses.pixels.base import (
    IGNORE_LABEL,
    PixelLoss,
    check_at_least,
    class_probabilities,
    foreground_logits,
    one_hot,
    two_class_logits,
)
from petlib.errors import ConfigError
from petlib.suggest import did_you_mean

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


CLASS_CHOICES = ("present", "all")


class LovaszHingeLoss(PixelLoss):
    """Lovasz extension of the foreground's intersection over union, over the hinge errors of the pixels.

    The error of a pixel is ``max(0, 1 - z)`` where it is foreground and ``max(0, 1 + z)`` where it is background, z the logit of
    the foreground against the background: one sigmoid channel, or the difference of two classes.

    Args:
        per_image: measure every image for itself and take the mean of those with a pixel that counts, instead of all as one.
        ignore_label: label of the pixels that do not count.
    """

    def __init__(self, *, per_image: bool = True, ignore_label: int = IGNORE_LABEL) -> None:
        super().__init__(ignore_label=ignore_label)
        self.per_image = per_image

    def check_channels(self, channels: int) -> None:
        """Check that there is a foreground: one channel or two classes; see :class:`PixelLoss`."""
        if channels > 2:
            raise ConfigError(
                f"LovaszHingeLoss: the network has {channels} classes; one channel or two classes expected: take another loss"
            )

    def measure(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss; see :class:`PixelLoss`."""
        rows = len(logits) if self.per_image else 1
        scores = foreground_logits(logits).reshape(rows, -1)
        labels = labels.reshape(rows, -1)
        counted = labels != self.ignore_label
        truth = labels == 1
        losses = lovasz_extension(1 - torch.where(truth, scores, -scores), truth, counted)
        images = counted.any(dim=1)
        return losses.sum() / images.sum().clamp(min=1)


class LovaszSoftmaxLoss(PixelLoss):
    """Mean over classes of the Lovasz extension of their intersection over union, over the errors of the probabilities.

    The error of a pixel is ``1 - p`` where it belongs to the class and ``p`` where it does not. One sigmoid channel is taken for
    two classes. Pixels of all images are measured as one.

    Args:
        classes: ``"present"``: the mean goes over the classes that occur in the truth of the batch; ``"all"``: over all.
        ignore_label: label of the pixels that do not count.
    """

    def __init__(self, *, classes: str = "present", ignore_label: int = IGNORE_LABEL) -> None:
        super().__init__(ignore_label=ignore_label)
        if classes not in CLASS_CHOICES:
            raise ConfigError(
                f"LovaszSoftmaxLoss: classes: {classes!r} given, present or all expected{did_you_mean(classes, CLASS_CHOICES)}"
            )
        self.classes = classes

    def measure(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss; see :class:`PixelLoss`."""
        probabilities = two_class_logits(logits).softmax(dim=1)
        labels = labels.reshape(1, -1)
        counted = labels != self.ignore_label
        losses, present = [], []
        for number, probability in enumerate(probabilities.unbind(dim=1)):
            truth = labels == number
            errors = (truth.float() - probability.reshape(1, -1)).abs()
            losses.append(lovasz_extension(errors, truth, counted)[0])
            present.append(truth.any())
        if self.classes == "all":
            return torch.stack(losses).mean()
        chosen = torch.stack(present)
        return (torch.stack(losses) * chosen).sum() / chosen.sum().clamp(min=1)


def lovasz_extension(errors: Tensor, truth: Tensor, counted: Tensor) -> Tensor:
    """Return the Lovasz extension of the Jaccard loss of each row, float32 (R,); 0 for a row without pixels that count.

    Args:
        errors: float32 (R, N), how wrong each pixel is; below 0 counts as 0.
        truth: bool (R, N), whether the pixel belongs to the set.
        counted: bool (R, N); the other pixels are left out.
    """
    # behind all others they change no weight, and their error of 0 adds nothing
    errors, order = errors.masked_fill(~counted, -torch.inf).sort(dim=1, descending=True)
    with torch.no_grad():
        weights = _jaccard_steps((truth & counted).gather(1, order))
    return (functional.relu(errors) * weights).sum(dim=1)


def _jaccard_steps(truth: Tensor) -> Tensor:
    """Return by how much the Jaccard loss grows when one pixel after the other is taken wrongly, float32 (R, N).

    With I of the set's pixels still right and a union of U, a pixel of the set adds 1 / U, and one outside of it, which
    makes the union U, adds I / (U * (U - 1)). So no two nearly equal numbers are subtracted.
    """
    size = truth.sum(dim=1, keepdim=True)
    outside = (~truth).cumsum(dim=1)
    inside = torch.arange(1, truth.shape[1] + 1, device=truth.device) - outside
    union = (size + outside).float()
    right = (size - inside).float()
    steps = torch.where(truth, 1 / union, right / (union * (union - 1)).clamp(min=1))
    # an empty set is missed altogether by the first pixel
    steps[:, :1] += (size == 0).float()
    return steps
