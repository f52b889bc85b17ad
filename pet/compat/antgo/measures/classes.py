"""Measures of classes: accuracy of classifiers, intersection over union of label images."""

from collections.abc import Sequence

import numpy as np
import torch

from pet.compat.antgo.measures.evaluator import Values, array_of
from pet.metrics.segmentation import SegmentationResult
from petlib.errors import ConfigError, DataError


class SegMIOU:
    """``miou``: the mean intersection over union of all classes; one that occurs nowhere counts as 0, as in antgo's example.

    Pixels whose label is no class or ``ignore_val`` do not count.

    Args:
        class_num: number of classes.
        ignore_val: label of pixels that do not count.

    Raises:
        ConfigError: ``class_num`` is no number of classes.
    """

    def __init__(self, class_num: int, ignore_val: int = 255) -> None:
        if not isinstance(class_num, int) or class_num < 1:
            raise ConfigError(f"SegMIOU: class_num: {class_num!r} given, a number of classes of at least 1 expected")
        self.class_num = class_num
        self.ignore_val = ignore_val

    def keys(self) -> dict[str, list[str]]:
        """Return what is compared: ``pred_segments`` (H, W), classes, and ``segments`` of as many pixels."""
        return {"pred": ["pred_segments"], "gt": ["segments"]}

    def __call__(self, preds: Sequence[Values], gts: Sequence[Values]) -> dict[str, float]:
        """Return ``miou``, from 0 to 1.

        Raises:
            DataError: sizes differ, or a predicted class is none.
        """
        confusion = np.zeros((self.class_num, self.class_num), np.int64)
        for number, (pred, gt) in enumerate(zip(preds, gts, strict=True)):
            confusion += self._count(number, pred, gt)
        ious = SegmentationResult(confusion_matrix=torch.from_numpy(confusion)).per_class_iou()
        return {"miou": float(ious.nan_to_num(0.0).mean())}

    def _count(self, number: int, pred: Values, gt: Values) -> np.ndarray:
        """Return int64 (C, C): how many pixels of class i were taken for class j."""
        taken = array_of(pred, "pred_segments", f"SegMIOU: prediction {number}").ravel()
        truth = array_of(gt, "segments", f"SegMIOU: sample {number}").ravel()
        if taken.shape != truth.shape:
            raise DataError(
                f"SegMIOU: prediction {number} has {taken.size} pixels and its segments {truth.size}; give predictions the size of segments"
            )
        counted = (truth >= 0) & (truth < self.class_num) & (truth != self.ignore_val)
        taken, truth = taken[counted].astype(np.int64), truth[counted].astype(np.int64)
        if taken.size and not 0 <= taken.min() <= taken.max() < self.class_num:
            raise DataError(
                f"SegMIOU: prediction {number} has the classes {taken.min()} to {taken.max()}, 0 to {self.class_num - 1} expected "
                f"(class_num is {self.class_num})"
            )
        cells = np.bincount(self.class_num * truth + taken, minlength=self.class_num**2)
        return cells.reshape(self.class_num, self.class_num)


class TopKAccuracy:
    """``top<k>``: the share of the samples whose label is among the k classes of the greatest scores.

    Of equal scores the lower class counts as the greater. With k of the number of classes or more the share is 1.

    Args:
        topk: one k or several.

    Raises:
        ConfigError: a k is no whole number of at least 1.
    """

    def __init__(self, topk: int | Sequence[int] = (1, 5)) -> None:
        self.topk = (topk,) if isinstance(topk, int) else tuple(topk)
        if not self.topk or not all(isinstance(k, int) and k > 0 for k in self.topk):
            raise ConfigError(f"TopKAccuracy: topk: {topk!r} given, whole numbers of at least 1 expected, e.g. [1, 5]")

    def keys(self) -> dict[str, list[str]]:
        """Return what is compared: ``pred``, scores (C,) or, for top-1 alone, the class, and ``label``."""
        return {"pred": ["pred"], "gt": ["label"]}

    def __call__(self, preds: Sequence[Values], gts: Sequence[Values]) -> dict[str, float]:
        """Return ``top1``, ``top5`` and so on, from 0 to 1.

        Raises:
            DataError: there are no samples, arrays have other shapes than they should, or a label is no class.
        """
        if not len(preds):
            raise DataError("TopKAccuracy: there are no samples to measure")
        ranks = np.array([self._rank(number, pred, gt) for number, (pred, gt) in enumerate(zip(preds, gts, strict=True))])
        return {f"top{k}": float((ranks < k).mean()) for k in self.topk}

    def _rank(self, number: int, pred: Values, gt: Values) -> int:
        """Return how many classes come before the label."""
        scores = array_of(pred, "pred", f"TopKAccuracy: prediction {number}")
        label = array_of(gt, "label", f"TopKAccuracy: sample {number}")
        if label.size != 1:
            raise DataError(f"TopKAccuracy: sample {number}: label has the shape {label.shape}, one class expected")
        truth = int(label.item())
        if scores.size == 1 and scores.dtype.kind in "iu":
            if self.topk != (1,):
                raise DataError(f"TopKAccuracy: prediction {number} is one class; give the scores of all classes, or set topk=[1]")
            return int(int(scores.item()) != truth)
        if scores.ndim != 1 or not 0 <= truth < len(scores):
            raise DataError(
                f"TopKAccuracy: prediction {number} has the shape {scores.shape} and the label is {truth}; a score for each class "
                "expected, and a label below their number"
            )
        return int((scores > scores[truth]).sum() + (scores[:truth] == scores[truth]).sum())
