"""Accuracy of classifiers."""

from collections.abc import Sequence

import numpy as np

from pet.compat.antgo.measures.values import Values, array_of
from petlib.errors import ConfigError, DataError


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
