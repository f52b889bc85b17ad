"""Cross entropies of pixels: plain, binary, focal, and of the hardest pixels."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from pet.losses.classification import cross_entropy
from pet.losses.pixels.base import (
    IGNORE_LABEL,
    PixelLoss,
    check_at_least,
    check_class_weights,
    class_weight_buffer,
    mean_of_counted,
    one_hot,
    two_class_logits,
)
from petlib.errors import ConfigError


class CrossEntropyLoss(PixelLoss):
    """Mean cross entropy of the softmax of pixels; see :func:`pixel_cross_entropy`.

    Args:
        class_weights: weight of each class, two of them for one sigmoid channel; None: all count the same.
        label_smoothing: share of a pixel's target that goes equally to all classes, from 0 to below 1 (https://arxiv.org/abs/1512.00567).
        ignore_label: label of the pixels that do not count.
    """

    class_weights: Tensor | None

    def __init__(
        self, *, class_weights: Sequence[float] | None = None, label_smoothing: float = 0.0, ignore_label: int = IGNORE_LABEL
    ) -> None:
        super().__init__(ignore_label=ignore_label)
        if not 0.0 <= label_smoothing < 1.0:
            raise ConfigError(f"CrossEntropyLoss: label_smoothing: {label_smoothing:g} given, a number from 0 to below 1 expected")
        self.label_smoothing = label_smoothing
        self.register_buffer("class_weights", class_weight_buffer(class_weights, loss="CrossEntropyLoss"), persistent=False)

    def check_channels(self, channels: int) -> None:
        """Hold the weights of classes against the number of classes; see :class:`PixelLoss`."""
        check_class_weights(self.class_weights, channels, loss="CrossEntropyLoss")

    def measure(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss; see :class:`PixelLoss`."""
        logits = two_class_logits(logits)
        return pixel_cross_entropy(
            logits, labels, class_weights=self.class_weights, label_smoothing=self.label_smoothing, ignore_label=self.ignore_label
        )


class BCELoss(PixelLoss):
    """Mean binary cross entropy of one sigmoid channel, or of several classes, each against all others.

    With K of 2 or more every channel is a sigmoid of its own, true where the label is its number, and the mean goes over pixels
    and channels, as in PaddleSeg (https://github.com/PaddlePaddle/PaddleSeg).

    Args:
        positive_weight: how much the term of a true channel counts relative to that of a false one, at least 0.
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


class FocalLoss(PixelLoss):
    """Mean of ``-alpha * (1 - p) ** gamma * log(p)`` over the pixels, p the probability of a pixel's label (https://arxiv.org/abs/1708.02002).

    The probability is that of a softmax; one sigmoid channel is that of two classes.

    Args:
        gamma: how fast pixels that are right lose weight, at least 0; 0 gives the cross entropy.
        alpha: with one channel or two classes a number from 0 to 1, the weight of the foreground, where the background
            has ``1 - alpha``; or a list with the weight of each class; None: all count the same.
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

    def check_channels(self, channels: int) -> None:
        """Hold the weights of classes against the number of classes; see :class:`PixelLoss`."""
        check_class_weights(self.class_weights, channels, loss="FocalLoss")

    def measure(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss; see :class:`PixelLoss`."""
        logits = two_class_logits(logits)
        counted = labels != self.ignore_label
        surprise = functional.cross_entropy(logits, labels, ignore_index=self.ignore_label, reduction="none")
        # at 0 the slope of a power below 1 is infinite
        wrong = (-torch.expm1(-surprise)).clamp(min=torch.finfo(surprise.dtype).tiny)
        each = wrong**self.gamma * surprise
        if self.class_weights is not None:
            each = each * self.class_weights[labels.where(counted, 0)]
        return mean_of_counted(each, counted)


class OhemCrossEntropyLoss(PixelLoss):
    """Mean cross entropy of the pixels whose label has a low probability: online hard example mining (https://arxiv.org/abs/1604.03540).

    Pixels count whose label has a probability below ``threshold``; where these are fewer than ``min_kept``, the ``min_kept``
    with the lowest probabilities count, or all there are. The defaults are those of PaddleSeg.

    Args:
        threshold: above 0, up to 1.
        min_kept: pixels of a batch, over all images, that count at least.
        ignore_label: label of the pixels that do not count.
    """

    def __init__(self, *, threshold: float = 0.7, min_kept: int = 10_000, ignore_label: int = IGNORE_LABEL) -> None:
        super().__init__(ignore_label=ignore_label)
        if not 0.0 < threshold <= 1.0:
            raise ConfigError(f"OhemCrossEntropyLoss: threshold: {threshold:g} given, a probability above 0 and up to 1 expected")
        self.threshold = threshold
        self.min_kept = int(check_at_least("OhemCrossEntropyLoss: min_kept", min_kept, 0))

    def measure(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss; see :class:`PixelLoss`."""
        each = functional.cross_entropy(two_class_logits(logits), labels, ignore_index=self.ignore_label, reduction="none").flatten()
        kept = self._kept(each.detach(), (labels != self.ignore_label).flatten())
        return mean_of_counted(each * kept, kept)

    def _kept(self, surprise: Tensor, counted: Tensor) -> Tensor:
        """Return which pixels count, bool (N,), for the negative log probability of their labels, (N,)."""
        # above any probability, so that ignored pixels come last
        probability = (-surprise).exp().masked_fill(~counted, 2.0)
        kept = probability < self.threshold
        if self.min_kept and len(surprise):
            kept |= probability <= probability.kthvalue(min(self.min_kept, len(surprise))).values
        return torch.logical_and(kept, counted)


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
        label_smoothing: share of a pixel's target that goes equally to all classes, from 0 to 1.
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
