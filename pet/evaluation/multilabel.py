"""Mean average precision of a classifier whose samples have several classes."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pet.metrics.multilabel import average_precision
from pet.metrics.results import write_predictions
from pet.visual.charts import Chart, Line, LineChart, Table, make_calibration, make_histogram
from petlib.distributed.collectives import all_gather_objects, gather_objects
from petlib.events.writers.console import format_figure

MOST_CURVES = 8


class MultilabelEvaluator:
    """Mean average precision over the classes that occur; see :class:`pet.evaluation.evaluator.Evaluator`.

    Args:
        classes: names of the classes.
        keep_predictions: remember what :meth:`write` needs.
        prefix: what the names of metrics begin with.
        suffix: what they end with.
    """

    def __init__(self, *, classes: Sequence[str], keep_predictions: bool = False, prefix: str = "cls", suffix: str = "") -> None:
        self.classes, self.keep_predictions = list(classes), keep_predictions
        self.prefix, self.suffix = prefix, suffix
        self._scores: list[Tensor] = []
        self._targets: list[Tensor] = []
        self._meta: list[dict[str, Any]] = []
        self._precisions: list[float] = []
        self._shares: list[tuple[np.ndarray, np.ndarray]] = []

    def update(self, batch: dict[str, Any], predictions: list[dict[str, Tensor]]) -> None:
        """Take one batch: ``multilabel`` (B, K) and ``meta`` of the batch, ``class_scores`` (K,) of each prediction."""
        self._scores.append(torch.stack([prediction["class_scores"] for prediction in predictions]))
        self._targets.append(batch["multilabel"])
        if self.keep_predictions:
            self._meta.extend(batch["meta"])

    def compute(self) -> dict[str, float]:
        """Return ``cls/mAP`` over all processes, from 0 to 1, with prefix and suffix."""
        self._shares = all_gather_objects(self._own_share())
        scores, targets = (np.concatenate(parts) for parts in zip(*self._shares, strict=True))
        self._precisions = [average_precision(scores[:, label], targets[:, label] > 0) for label in range(len(self.classes))]
        return {f"{self.prefix}/mAP{self.suffix}": self._mean}

    def write(self, folder: Path) -> None:
        """Write ``predictions.jsonl``, the score of each class, and ``average_precision.csv``; the main process does it."""
        assert self.keep_predictions, "the evaluator was built without keep_predictions"
        scores, targets = self._own_share()
        records = [
            {
                "id": meta["id"],
                "file": meta["file"],
                "labels": np.flatnonzero(own).tolist(),
                "scores": [round(float(value), 6) for value in row],
            }
            for meta, row, own in zip(self._meta, scores, targets, strict=True)
        ]
        shares = gather_objects(records)
        if shares is None:
            return
        write_predictions(folder / "predictions.jsonl", (record for share in shares for record in share))
        with (folder / "average_precision.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["class", "average precision"])
            writer.writerows([name, format_figure(value, ".6f")] for name, value in zip(self.classes, self._precisions, strict=True))

    def charts(self) -> Sequence[Chart]:
        """Return the figures of each class, precision over recall of the most frequent ones, and how far scores can be trusted."""
        scores, targets = (np.concatenate(parts) for parts in zip(*self._shares, strict=True))
        counts = (targets > 0).sum(axis=0)
        rows = [[name, int(count), value] for name, count, value in zip(self.classes, counts, self._precisions, strict=True)]
        lines = []
        for label in np.argsort(-counts, kind="stable")[:MOST_CURVES].tolist():
            hits = np.cumsum((targets[:, label] > 0)[np.argsort(-scores[:, label], kind="stable")])
            if counts[label]:
                lines.append(Line(self.classes[label], hits / counts[label], hits / np.arange(1, len(hits) + 1)))
        right = targets.ravel() > 0
        return [
            Table(f"{self.prefix} by class", ["class", "samples", "average precision %"], rows),
            LineChart("Precision and recall", "recall", "precision", lines, note=f"Of the {len(lines)} most frequent classes."),
            make_calibration(scores.ravel(), right, what="classes"),
            make_histogram("Scores of classes", "score", {"present": scores.ravel()[right], "absent": scores.ravel()[~right]}),
        ]

    def summary(self) -> str:
        """Return ``test_mAP: 81.20%``."""
        return f"test_mAP{self.suffix}: {format_figure(self._mean, '.2%')}"

    @property
    def _mean(self) -> float:
        known = [value for value in self._precisions if not np.isnan(value)]
        return float(np.mean(known)) if known else float("nan")

    def _own_share(self) -> tuple[np.ndarray, np.ndarray]:
        """Return scores float32 (N, K) and targets uint8 (N, K) of this process."""
        if not self._scores:
            return np.zeros((0, len(self.classes)), np.float32), np.zeros((0, len(self.classes)), np.uint8)
        return torch.cat(self._scores).float().cpu().numpy(), torch.cat(self._targets).cpu().numpy()
