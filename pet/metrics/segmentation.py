"""Agreement of label images over a data set, counted image by image."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from petlib.distributed.collectives import all_reduce_sum
from petlib.errors import DataError

IGNORE_LABEL = 255


@dataclass(frozen=True, kw_only=True)
class ForegroundFigures:
    """How well one class is separated from all others, each figure from 0 to 1; NaN where it is undefined.

    Args:
        iou: intersection over union.
        precision: share of the pixels taken for the class that is right.
        recall: share of the class's pixels that was found.
        f1: harmonic mean of precision and recall.
        accuracy: share of all pixels at which it is right whether they belong to the class.
    """

    iou: float
    precision: float
    recall: float
    f1: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class SegmentationResult:
    """The counts of a whole data set.

    Figures of single classes are float64 (C,), from 0 to 1, and NaN where they are undefined; means leave these classes out.
    Figures of nothing are NaN too.

    Args:
        confusion_matrix: int64 (C, C) on the CPU; element [i, j] counts pixels of class i that were taken for class j.
    """

    confusion_matrix: Tensor

    @property
    def num_pixels(self) -> int:
        """Pixels that were counted."""
        return int(self.confusion_matrix.sum())

    @property
    def pixel_accuracy(self) -> float:
        """Share of the pixels that are right."""
        return _share(int(self.confusion_matrix.diagonal().sum()), self.num_pixels)

    @property
    def mean_accuracy(self) -> float:
        """Mean of :meth:`per_class_accuracy` over the classes that occur in the truth."""
        return mean_of_defined(self.per_class_accuracy())

    @property
    def mean_iou(self) -> float:
        """Mean of :meth:`per_class_iou` over the classes that occur in the truth or in the predictions."""
        return mean_of_defined(self.per_class_iou())

    @property
    def mean_f1(self) -> float:
        """Mean of :meth:`per_class_f1` over the classes that occur in the truth or in the predictions."""
        return mean_of_defined(self.per_class_f1())

    @property
    def kappa(self) -> float:
        """Cohen's kappa (https://doi.org/10.1177/001316446002000104): agreement beyond chance, from -1 to 1.

        Where truth and prediction know one and the same class only, chance agrees as well, and kappa is NaN.
        """
        counts = self.confusion_matrix.double()
        total = counts.sum()
        if not total:
            return math.nan
        observed = counts.diagonal().sum() / total
        by_chance = (counts.sum(dim=0) * counts.sum(dim=1)).sum() / total**2
        return float((observed - by_chance) / (1 - by_chance)) if by_chance < 1 else math.nan

    def per_class_iou(self) -> Tensor:
        """Return the intersection over union of each class; NaN for one that occurs neither in truth nor in prediction."""
        counts = self.confusion_matrix.double()
        return counts.diagonal() / (counts.sum(dim=0) + counts.sum(dim=1) - counts.diagonal())

    def per_class_accuracy(self) -> Tensor:
        """Return the share of each class's pixels that was found, which is its recall; NaN for one that is not in the truth."""
        counts = self.confusion_matrix.double()
        return counts.diagonal() / counts.sum(dim=1)

    def per_class_precision(self) -> Tensor:
        """Return the share of the pixels taken for a class that is right; NaN for one that was never predicted."""
        counts = self.confusion_matrix.double()
        return counts.diagonal() / counts.sum(dim=0)

    def per_class_f1(self) -> Tensor:
        """Return the harmonic mean of precision and recall; NaN for a class that occurs neither in truth nor in prediction."""
        counts = self.confusion_matrix.double()
        return 2 * counts.diagonal() / (counts.sum(dim=0) + counts.sum(dim=1))

    def foreground(self, label: int = 1) -> ForegroundFigures:
        """Return the figures of one class against all others, which of two classes are those of a binary segmentation."""
        assert 0 <= label < len(self.confusion_matrix), f"label {label} of {len(self.confusion_matrix)} classes"
        right = int(self.confusion_matrix[label, label])
        taken, there = int(self.confusion_matrix[:, label].sum()), int(self.confusion_matrix[label].sum())
        return ForegroundFigures(
            iou=_share(right, taken + there - right),
            precision=_share(right, taken),
            recall=_share(right, there),
            f1=_share(2 * right, taken + there),
            accuracy=_share(self.num_pixels - taken - there + 2 * right, self.num_pixels),
        )


class SegmentationMetrics:
    """Counts pixels on the device, in memory that does not grow, and joins the counts of all processes exactly.

    Args:
        num_classes: C. The counts take ``8 * C * C`` bytes.
        ignore_label: label of the pixels that do not count.
    """

    def __init__(self, num_classes: int, *, ignore_label: int = IGNORE_LABEL) -> None:
        assert num_classes > 0, f"num_classes is {num_classes}"
        self.num_classes = num_classes
        self.ignore_label = ignore_label
        # one more row and column for labels outside of the classes: an update cannot report them without waiting for the device
        self._counts = torch.zeros((num_classes + 1) ** 2, dtype=torch.int64)

    @torch.no_grad()
    def update(self, prediction: Tensor, truth: Tensor) -> None:
        """Count the pixels of one image, or of several.

        Args:
            prediction: integer, of any shape, from 0 to C - 1.
            truth: integer, of the same shape, from 0 to C - 1 or ``ignore_label``; moved to the device of the prediction.

        Raises:
            ValueError: the shapes differ.
        """
        if prediction.shape != truth.shape:
            raise ValueError(
                f"a prediction of shape {tuple(prediction.shape)} and a truth of shape {tuple(truth.shape)}; the same expected"
            )
        if self._counts.device != prediction.device:
            self._counts = self._counts.to(prediction.device)
        truth = truth.to(prediction.device, torch.int64).flatten()
        side = self.num_classes + 1
        counted = truth != self.ignore_label
        taken = prediction.long().flatten()
        cells = truth.clamp(0, self.num_classes).where(truth >= 0, self.num_classes) * side + taken.clamp(0, self.num_classes)
        # ignored pixels go into a cell of their own behind the others
        self._counts += torch.bincount(cells.where(counted, side * side), minlength=side * side + 1)[:-1]

    def merge(self) -> SegmentationResult:
        """Return the result over the images of all processes; every process calls it and gets the same.

        The counts travel through main memory, so that a process without an image, which knows no device, takes part.

        Raises:
            DataError: a label of the truth lies outside of the classes.
            ValueError: one of a prediction does.
        """
        side = self.num_classes + 1
        counts = all_reduce_sum(self._counts.cpu()).view(side, side)
        if wrong := int(counts[-1].sum()):
            raise DataError(
                f"{wrong} pixels of the label images have a label outside of 0 to {self.num_classes - 1} that is not "
                f"{self.ignore_label} (ignored); fix the label images or set the number of classes"
            )
        if wrong := int(counts[:, -1].sum()):
            raise ValueError(f"{wrong} predicted pixels have a label outside of 0 to {self.num_classes - 1}")
        return SegmentationResult(confusion_matrix=counts[:-1, :-1].contiguous())


def report_lines(result: SegmentationResult, num_images: int) -> list[str]:
    """Return the result in the lines that PaddleSeg (https://github.com/PaddlePaddle/PaddleSeg) prints, and more of the same shape.

    The first line is ``[EVAL] #Images: 5000 mIoU: 0.8938 Acc: 0.9582 Kappa: 0.8863``. For each figure of the classes a line with
    its name and one with the values follow, ``[EVAL] Class IoU:`` and ``[0.9464 0.8412]``; ``nan`` where undefined. ``Class Acc``
    is the precision there, which is reported under its own name too.

    Args:
        result: the counts.
        num_images: images that were looked at.
    """
    precision = result.per_class_precision()
    figures = {
        "IoU": result.per_class_iou(),
        "Acc": precision,
        "Precision": precision,
        "Recall": result.per_class_accuracy(),
        "F1": result.per_class_f1(),
    }
    lines = [f"[EVAL] #Images: {num_images} mIoU: {result.mean_iou:.4f} Acc: {result.pixel_accuracy:.4f} Kappa: {result.kappa:.4f}"]
    for name, values in figures.items():
        shown = np.array2string(values.numpy().round(4), suppress_small=True, max_line_width=10**6, threshold=len(values))
        lines += [f"[EVAL] Class {name}:", shown]
    return lines


def mean_of_defined(values: Tensor) -> float:
    """Return the mean of the values that are not NaN; NaN where all are."""
    return float(values.nanmean())


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
