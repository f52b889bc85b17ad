"""Accuracy of a classifier, and the record of what it said."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pet.data.targets.dataset import Dataset
from pet.metrics.classification import ClassificationMetrics, ClassificationResult
from pet.metrics.results import write_predictions
from pet.typed import VisionConfig
from pet.visual.charts import Chart, Line, LineChart, Table, make_calibration, make_confusion, make_histogram
from pet.visual.confusion_matrix import draw_confusion_matrix
from petlib.distributed.collectives import gather_objects
from petlib.events.writers.console import format_figure

TOP_COUNT = 5


class ClassificationEvaluator:
    """Top-1, top-5 and mean class accuracy over the samples of all processes; see :class:`pet.evaluation.evaluator.Evaluator`.

    Args:
        classes: names of the classes of the data; a model may have more outputs.
        num_classes: outputs of the model.
        keep_predictions: remember what :meth:`write` needs.
        prefix: what the names of metrics begin with.
        suffix: what they end with, as ``@10x3`` where each sample is looked at in so many views.
    """

    def __init__(
        self, *, classes: Sequence[str], num_classes: int, keep_predictions: bool = False, prefix: str = "cls", suffix: str = ""
    ) -> None:
        self.prefix, self.suffix = prefix, suffix
        self.classes = [*classes, *(str(number) for number in range(len(classes), num_classes))][:num_classes]
        self.keep_predictions = keep_predictions
        self._metrics = ClassificationMetrics(num_classes, topk=(1, TOP_COUNT))
        self._predictions = _Predictions(top_count=min(TOP_COUNT, num_classes))
        self._result: ClassificationResult | None = None
        # on the main process, where predictions are written
        self._scores, self._right = np.zeros(0), np.zeros(0, bool)

    def update(self, batch: dict[str, Any], predictions: list[dict[str, Tensor]]) -> None:
        """Take one batch: ``label`` (B,) and ``meta`` of the batch, ``logits`` (num_classes,) of each prediction."""
        logits = torch.stack([prediction["logits"] for prediction in predictions])
        self._metrics.update(logits, batch["label"])
        if self.keep_predictions:
            self._predictions.add(batch, logits)

    def compute(self) -> dict[str, float]:
        """Return ``cls/acc1``, ``cls/acc5`` and ``cls/mean_class_acc`` over all processes, from 0 to 1, with prefix and suffix."""
        self._result = self._metrics.merge()
        return self._named(self._result)

    def write(self, folder: Path) -> None:
        """Write what accompanies the metrics; every process calls it after :meth:`compute`, the main process writes.

        ``predictions.jsonl``: for each sample, in the order of the data set, id, file, label, prediction, score (the
        probability of the prediction) and top5 (classes, the best first). ``per_class_accuracy.csv``.
        ``confusion_matrix.png`` and ``.csv``: rows are the labels, columns the predictions.
        """
        assert self.keep_predictions, "the evaluator was built without keep_predictions"
        result = self._result
        assert result is not None, "write() is called after compute()"
        shares = gather_objects(list(self._predictions.records()))
        if shares is None:
            return
        records = [record for share in shares for record in share]
        write_predictions(folder / "predictions.jsonl", records)
        labelled = [record for record in records if record["label"] >= 0]
        self._scores = np.array([record["score"] for record in labelled])
        self._right = np.array([record["label"] == record["prediction"] for record in labelled], bool)
        self._write_tables(folder, result)
        draw_confusion_matrix(result.confusion_matrix, self.classes, folder / "confusion_matrix.png")

    def charts(self) -> Sequence[Chart]:
        """Return the figures of each class, the confusion matrix, and how far scores can be trusted."""
        assert self._result is not None, "charts() is called after compute()"
        counts = self._result.confusion_matrix.numpy()
        found: list[Chart] = [chart_classes(self.prefix, self.classes, counts), make_confusion("Confusion matrix", self.classes, counts)]
        if not len(self._scores):
            return found
        order = np.argsort(-self._scores, kind="stable")
        shares = np.arange(1, len(order) + 1) / len(order)
        accuracies = np.cumsum(self._right[order]) / np.arange(1, len(order) + 1)
        note = "If only the samples with the highest scores are answered, so many of the answers are right."
        return [
            *found,
            make_calibration(self._scores, self._right, what="samples"),
            make_histogram("Scores of predictions", "score", {"right": self._scores[self._right], "wrong": self._scores[~self._right]}),
            LineChart("Accuracy of the surest", "share of the samples", "accuracy", [Line("accuracy", shares, accuracies)], note),
        ]

    def summary(self) -> str:
        """Return ``test_acc1: 94.28% | test_acc5: 99.88%``."""
        assert self._result is not None, "summary() is called after compute()"
        metrics = self._result.metrics()
        return " | ".join(f"test_acc{k}{self.suffix}: {format_figure(metrics[f'cls/acc{k}'], '.2%')}" for k in (1, TOP_COUNT))

    def _named(self, result: ClassificationResult) -> dict[str, float]:
        return {f"{self.prefix}/{name.partition('/')[2]}{self.suffix}": value for name, value in result.metrics().items()}

    def _write_tables(self, folder: Path, result: ClassificationResult) -> None:
        matrix = result.confusion_matrix.tolist()
        accuracies = result.per_class_accuracy().tolist()
        with (folder / "confusion_matrix.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["label", *self.classes])
            writer.writerows([name, *row] for name, row in zip(self.classes, matrix, strict=True))
        with (folder / "per_class_accuracy.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["class", "samples", "accuracy"])
            for name, row, accuracy in zip(self.classes, matrix, accuracies, strict=True):
                writer.writerow([name, sum(row), f"{accuracy:.6f}" if sum(row) else ""])


def chart_classes(prefix: str, classes: Sequence[str], counts: np.ndarray) -> Table:
    """Return samples, recall, precision and F1 of each class, from a confusion matrix (C, C) whose rows are the truth."""
    hits, truth, found = np.diag(counts).astype(np.float64), counts.sum(axis=1), counts.sum(axis=0)
    rows = [
        [name, int(there), *(hit / total if total else None for total in (there, taken, (there + taken) / 2))]
        for name, hit, there, taken in zip(classes, hits.tolist(), truth.tolist(), found.tolist(), strict=True)
    ]
    return Table(f"{prefix} by class", ["class", "samples", "recall %", "precision %", "F1 %"], rows, "Recall is the accuracy of a class.")


class _Predictions:
    """The best classes of every sample of this process; they stay on the device until they are read."""

    def __init__(self, *, top_count: int) -> None:
        self._top_count = top_count
        self._meta: list[dict[str, Any]] = []
        self._labels: list[Tensor] = []
        self._scores: list[Tensor] = []
        self._best: list[Tensor] = []

    def add(self, batch: dict[str, Any], logits: Tensor) -> None:
        """Take the logits (B, C) of a batch."""
        scores, best = logits.float().softmax(dim=1).topk(self._top_count, dim=1)
        self._meta.extend(batch["meta"])
        self._labels.append(batch["label"])
        self._scores.append(scores[:, 0])
        self._best.append(best)

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield one JSON object for each sample, in the order in which they came."""
        if not self._meta:
            return
        labels, scores, best = (torch.cat(parts).tolist() for parts in (self._labels, self._scores, self._best))
        for meta, label, score, classes in zip(self._meta, labels, scores, best, strict=True):
            yield {
                "id": meta["id"],
                "file": meta["file"],
                "label": label,
                "prediction": classes[0],
                "score": round(score, 6),
                "top5": classes,
            }


def build_classification_evaluator(cfg: VisionConfig, dataset: Dataset, *, keep_predictions: bool) -> ClassificationEvaluator:
    """Return what measures a classifier of ``MODEL.NUM_CLASSES``."""
    return ClassificationEvaluator(classes=dataset.info.classes, num_classes=cfg.MODEL.NUM_CLASSES, keep_predictions=keep_predictions)
