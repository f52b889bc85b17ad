"""Whether embeddings say which pairs of images show one person."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pet.data.datasets.verification import Pairs
from pet.evaluation.embeddings import EmbeddingCollector
from pet.metrics import verification
from petlib.distributed.collectives import gather_objects
from petlib.events.writers.console import format_figure


class VerificationEvaluator:
    """Accuracy over ten folds and true accepts at rates of false ones, see :mod:`pet.metrics.verification`.

    The metrics, after ``<name>/``: ``accuracy`` and ``accuracy_std``, and for each rate, e.g. 0.001, ``tar@far=0.001`` (false accepts do
    not exceed it), ``nearest_tar@far=0.001`` (the corner of the curve nearest to it, which may) and ``fold_tar@far=0.001`` (the threshold
    is found on nine folds and counts on the tenth).

    Args:
        name: of the pairs.
        pairs: which images are compared.
        false_accepts: the rates.
        keep_predictions: remember what :meth:`write` needs.
    """

    def __init__(self, *, name: str, pairs: Pairs, false_accepts: Sequence[float], keep_predictions: bool = False) -> None:
        self._name, self._pairs, self._false_accepts = name, pairs, list(false_accepts)
        self._keeps = keep_predictions
        self._collector = EmbeddingCollector(normalise=False)
        self._files: dict[int, str] = {}
        self._distances = np.zeros(0)
        self._metrics: dict[str, float] = {}

    def update(self, batch: dict[str, Any], predictions: list[dict[str, Any]]) -> None:
        """Take one batch: its ``meta`` with ``index``, and ``embedding`` (D,) of each prediction."""
        self._collector.update(batch, predictions)
        if self._keeps:
            self._files |= {meta["index"]: str(meta.get("file", meta["index"])) for meta in batch["meta"]}

    def compute(self) -> dict[str, float]:
        """Return the metrics over the images of all processes; NaN where pairs of a kind are missing."""
        vectors = self._collector.gather().vectors.numpy()
        first, second = vectors[self._pairs.places].transpose(1, 0, 2)
        same = self._pairs.same
        self._distances = verification.squared_distances(first, second)
        accuracy = verification.fold_accuracy(self._distances, same)
        figures = {"accuracy": accuracy.mean, "accuracy_std": accuracy.std}
        rates = verification.accept_rates(-self._distances, same, self._false_accepts)
        for false_accepts, rate in zip(self._false_accepts, rates, strict=True):
            figures[f"tar@far={false_accepts:g}"] = rate.rate
            figures[f"nearest_tar@far={false_accepts:g}"] = rate.nearest
            figures[f"fold_tar@far={false_accepts:g}"] = verification.fold_accept_rate(self._distances, same, false_accepts).mean
        self._metrics = {f"{self._name}/{figure}": value for figure, value in figures.items()}
        return self._metrics

    def write(self, folder: Path) -> None:
        """Write ``<name>_pairs.csv``: both files, whether they show one person, and the squared distance from 0 to 4 of each pair."""
        assert self._keeps, "the evaluator was built without keep_predictions"
        shares = gather_objects(self._files)
        if shares is None:
            return
        files = {index: file for share in shares for index, file in share.items()}
        with (folder / f"{self._name.replace('/', '_')}_pairs.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["image", "image2", "same", "squared_distance"])
            for (first, second), same, distance in zip(self._pairs.places.tolist(), self._pairs.same, self._distances, strict=True):
                writer.writerow([files[first], files[second], int(same), f"{distance:.6f}"])

    def summary(self) -> str:
        """Return ``lfw: accuracy 99.80% +- 0.25% | tar@far=0.001: 99.70%``, with the strictest rate."""
        figures = {name.removeprefix(f"{self._name}/"): format_figure(value, ".2%") for name, value in self._metrics.items()}
        strictest = [f"tar@far={min(self._false_accepts):g}"] if self._false_accepts else []
        parts = [f"accuracy {figures['accuracy']} +- {figures['accuracy_std']}", *(f"{name}: {figures[name]}" for name in strictest)]
        return f"{self._name}: {' | '.join(parts)}"
