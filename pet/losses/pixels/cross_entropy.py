"""Cross entropy of pixels."""

from collections.abc import Sequence

from torch import Tensor

from pet.losses.pixels.base import PixelLoss, check_class_weights, class_weight_buffer, two_class_logits
from pet.losses.segmentation import IGNORE_LABEL, pixel_cross_entropy
from petlib.errors import ConfigError


class CrossEntropyLoss(PixelLoss):
    """Mean cross entropy of the softmax of pixels; see :func:`pet.losses.segmentation.pixel_cross_entropy`.

    Args:
        class_weights: weight of each class, two of them for one sigmoid channel; None: all count the same.
        label_smoothing: share of a pixel's target that goes to all classes alike, from 0 to below 1 (https://arxiv.org/abs/1512.00567).
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

    def measure(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss; see :class:`PixelLoss`."""
        logits = two_class_logits(logits)
        check_class_weights(self.class_weights, logits.shape[1], loss="CrossEntropyLoss")
        return pixel_cross_entropy(
            logits, labels, class_weights=self.class_weights, label_smoothing=self.label_smoothing, ignore_label=self.ignore_label
        )
