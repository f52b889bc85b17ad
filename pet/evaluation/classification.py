"""Accuracy of a classifier, and the record of what it said."""

import csv
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pet.metrics.classification import ClassificationMetrics
from pet.visual.confusion_matrix import draw_confusion_matrix
from petlib.dist.collectives import gather_objects

Record = dict[str, Any]


class ClassificationEvaluator:
    """Top-1, top-5 and mean class accuracy over the samples of all processes; see :class:`pet.evaluation.evaluator.Evaluator`.

    Args:
        classes: names of the classes; a model may have more outputs than there are names.
        num_classes: outputs of the model.
        keep_predictions: remember what :meth:`write` needs.
    """

    def __init__(self, *, classes: list[str], num_classes: int, keep_predictions: bool = False) -> None:
        self.classes = [*classes, *(str(number) for number in range(len(classes), num_classes))]
        self.keep_predictions = keep_predictions
        self.metrics = ClassificationMetrics(num_classes)
        self.top_count = min(5, num_classes)
        self._samples: list[dict[str, Any]] = []
        self._labels: list[Tensor] = []
        self._scores: list[Tensor] = []
        self._top: list[Tensor] = []
        self._result: dict[str, float] = {}

    def update(self, batch: dict[str, Any], predictions: list[dict[str, Tensor]]) -> None:
        """Take one batch: ``label`` (B,) and ``meta`` of the batch, ``logits`` (num_classes,) of each prediction."""
        logits = torch.stack([prediction["logits"] for prediction in predictions])
        self.metrics.update(logits, batch["label"])
        if self.keep_predictions:
            scores, top = logits.softmax(dim=1).topk(self.top_count, dim=1)
            self._samples.extend(batch["meta"])
            self._labels.append(batch["label"])
            self._scores.append(scores[:, 0])
            self._top.append(top)

    def compute(self) -> dict[str, float]:
        """Return ``cls/acc1``, ``cls/acc5`` and ``cls/mean_class_acc`` over all processes, from 0 to 1."""
        self._result = self.metrics.compute()
        return self._result

    def write(self, folder: Path) -> None:
        """Write what is beside the metrics; every process calls it, the main process writes.

        ``predictions.jsonl``: one object for each sample, in the order of the data set; ``per_class_accuracy.csv``;
        ``confusion_matrix.png`` and ``confusion_matrix.csv`` (rows are true classes, columns predicted ones).
        """
        shares = gather_objects(self._records())
        if shares is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        lines = (json.dumps(record, ensure_ascii=False) for share in shares for record in share)
        (folder / "predictions.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def summary(self) -> str:
        """Return ``test_acc1: 94.28% | test_acc5: 99.88%``."""
        return f"test_acc1: {self._result['cls/acc1']:.2%} | test_acc5: {self._result['cls/acc5']:.2%}"
