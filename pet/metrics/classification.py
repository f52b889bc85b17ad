"""Accuracy of classifiers over a data set, counted batch by batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from petlib.distributed.collectives import all_reduce_sum

IGNORE_INDEX = -100


@dataclass(frozen=True, kw_only=True)
class ClassificationResult:
    """The counts of a whole data set.

    Args:
        confusion_matrix: int64 (C, C) on the CPU; element [i, j] counts samples of class i that were taken for class j.
        hits: int64 (K,) on the CPU; element k counts samples whose label has the (k + 1)-greatest logit.
        topk: for which k the top-k accuracy is reported.
    """

    confusion_matrix: Tensor
    hits: Tensor
    topk: tuple[int, ...]

    @property
    def num_samples(self) -> int:
        """Samples that were counted."""
        return int(self.confusion_matrix.sum())

    def metrics(self) -> dict[str, float]:
        """Return ``cls/acc<k>`` for every k and ``cls/mean_class_acc``, fractions from 0 to 1.

        The mean over the classes leaves out those without samples. With k of the number of classes or more, top-k
        accuracy is 1: the label is among the k best. Without any sample all are NaN.
        """
        total = self.num_samples
        accuracies = {f"cls/acc{k}": int(self.hits[:k].sum()) / total if total else float("nan") for k in self.topk}
        return {**accuracies, "cls/mean_class_acc": float(self.per_class_accuracy().nanmean())}

    def per_class_accuracy(self) -> Tensor:
        """Return the share of each class's samples that was recognised, float64 (C,); NaN for a class without samples."""
        counts = self.confusion_matrix.double()
        return counts.diagonal() / counts.sum(dim=1)


class ClassificationMetrics:
    """Counts batches on the device without waiting for it, and joins the counts of all processes exactly.

    Args:
        num_classes: C, the length of the logits. The counts take ``8 * C * C`` bytes.
        topk: for which k the top-k accuracy is reported.
        ignore_index: label of samples that do not count.
    """

    def __init__(self, num_classes: int, *, topk: Sequence[int] = (1, 5), ignore_index: int = IGNORE_INDEX) -> None:
        assert num_classes > 0, f"num_classes is {num_classes}"
        assert topk and min(topk) > 0, f"topk is {topk}"
        self.num_classes = num_classes
        self.topk = tuple(topk)
        self.ignore_index = ignore_index
        self._confusion = torch.zeros(num_classes * num_classes, dtype=torch.int64)
        self._hits = torch.zeros(min(max(topk), num_classes), dtype=torch.int64)

    @torch.no_grad()
    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Count one batch.

        Args:
            logits: (B, C), floating point; probabilities will do too.
            labels: (B,), integer, from 0 to C - 1 or ``ignore_index``, on the same device.

        Raises:
            ValueError: the shapes do not belong together.
        """
        if logits.dim() != 2 or logits.shape[1] != self.num_classes or labels.shape != logits.shape[:1]:
            raise ValueError(
                f"logits of shape (B, {self.num_classes}) and labels of shape (B,) expected, "
                f"{tuple(logits.shape)} and {tuple(labels.shape)} given"
            )
        if self._confusion.device != logits.device:
            self._confusion, self._hits = self._confusion.to(logits.device), self._hits.to(logits.device)
        counted = labels != self.ignore_index
        labels = labels.long().where(counted, 0)
        best = logits.topk(len(self._hits), dim=1).indices
        self._hits += ((best == labels[:, None]) & counted[:, None]).sum(dim=0)
        self._confusion.index_add_(0, labels * self.num_classes + best[:, 0], counted.long())

    def merge(self) -> ClassificationResult:
        """Return the result over the batches of all processes; every process calls it and gets the same.

        The counts travel through main memory, so that a process without a batch, which knows no device, takes part.
        """
        total = all_reduce_sum(torch.cat((self._confusion, self._hits)).cpu())
        confusion, hits = total[: len(self._confusion)], total[len(self._confusion) :]
        return ClassificationResult(confusion_matrix=confusion.view(self.num_classes, self.num_classes), hits=hits, topk=self.topk)

    def compute(self) -> dict[str, float]:
        """Return :meth:`ClassificationResult.metrics` over all processes; every process calls it."""
        return self.merge().metrics()
