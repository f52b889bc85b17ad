"""Cross entropy of the hardest pixels."""

import torch
from torch import Tensor
from torch.nn import functional

from pet.losses.pixels.base import PixelLoss, check_at_least, mean_of_counted, two_class_logits
from pet.losses.segmentation import IGNORE_LABEL
from petlib.errors import ConfigError


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
