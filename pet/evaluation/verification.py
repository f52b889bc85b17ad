"""Whether embeddings say which pairs of images show one person."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pet.data.datasets.face_templates import FaceTemplates
from pet.data.datasets.verification import Pairs
from pet.evaluation.embeddings import EmbeddingCollector
from pet.metrics import identification, verification
from pet.visual.charts import Chart, Line, LineChart, make_histogram
from petlib.distributed.collectives import gather_objects
from petlib.distributed.process_group import is_main_process
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

    def charts(self) -> Sequence[Chart]:
        """Return how far apart pairs of one and of two persons are, and true over false accepts."""
        same, distances = np.asarray(self._pairs.same, bool), self._distances
        order = np.argsort(distances, kind="stable")
        accepted = np.cumsum(same[order]) / max(same.sum(), 1)
        mistaken = np.cumsum(~same[order]) / max((~same).sum(), 1)
        pairs = {"one person": distances[same], "two persons": distances[~same]}
        curve = [Line("this model", mistaken, accepted)]
        return [
            make_histogram(f"Distances of pairs: {self._name}", "squared distance", pairs),
            LineChart(f"True and false accepts: {self._name}", "false accepts", "true accepts", curve),
        ]

    def summary(self) -> str:
        """Return ``lfw: accuracy 99.80% +- 0.25% | tar@far=0.001: 99.70%``, with the strictest rate."""
        figures = {name.removeprefix(f"{self._name}/"): format_figure(value, ".2%") for name, value in self._metrics.items()}
        strictest = [f"tar@far={min(self._false_accepts):g}"] if self._false_accepts else []
        parts = [f"accuracy {figures['accuracy']} +- {figures['accuracy_std']}", *(f"{name}: {figures[name]}" for name in strictest)]
        return f"{self._name}: {' | '.join(parts)}"


class TemplateEvaluator:
    """True accepts of pairs of templates, and identification where there are galleries: the protocols of IJB-B and IJB-C.

    The embedding of an image, as long as the model gives it, times the score of the detector; the mean of the images of a medium, the sum
    of the media of a template, divided by its length; the cosine of two templates.

    The metrics, after ``<name>/``: of all pairs for each rate, e.g. 0.0001, ``tar@far=0.0001`` and ``nearest_tar@far=0.0001``; with
    galleries ``rank1`` and ``rank5``, and for each rate ``tpir@fpir=0.01``, the mean over the galleries.

    Args:
        name: of the data set.
        templates: it has the templates, and what is compared.
        false_accepts: the rates of false accepts.
        false_positives: the rates of false positive identifications.
        keep_predictions: whether :meth:`write` is called.
    """

    def __init__(
        self,
        *,
        name: str,
        templates: FaceTemplates,
        false_accepts: Sequence[float],
        false_positives: Sequence[float],
        keep_predictions: bool = False,
    ) -> None:
        self._name, self._templates = name, templates
        self._false_accepts, self._false_positives = list(false_accepts), list(false_positives)
        self._keeps = keep_predictions
        self._collector = EmbeddingCollector(normalise=False)
        self._ids, self._vectors = np.zeros(0, np.int64), np.zeros((0, 0), np.float32)
        self._metrics: dict[str, float] = {}

    def update(self, batch: dict[str, Any], predictions: list[dict[str, Any]]) -> None:
        """Take one batch: its ``meta`` with ``index``, and ``embedding`` (D,) of each prediction."""
        self._collector.update(batch, predictions)

    def compute(self) -> dict[str, float]:
        """Return the metrics over the images of all processes; NaN where pairs or probes of a kind are missing."""
        data = self._templates
        vectors = self._collector.gather().vectors.numpy() * data.scores[:, None]
        self._ids, self._vectors = verification.join_templates(vectors, data.templates, data.media)
        scores = verification.template_scores(self._ids, self._vectors, data.pairs.templates)
        rates = verification.accept_rates(scores, data.pairs.same, self._false_accepts)
        figures = {f"tar@far={rate:g}": found.rate for rate, found in zip(self._false_accepts, rates, strict=True)}
        figures |= {f"nearest_tar@far={rate:g}": found.nearest for rate, found in zip(self._false_accepts, rates, strict=True)}
        self._metrics = {f"{self._name}/{figure}": value for figure, value in {**figures, **self._identify()}.items()}
        return self._metrics

    def _identify(self) -> dict[str, float]:
        data = self._templates
        if data.probes is None:
            return {}
        probes = self._vectors[np.searchsorted(self._ids, data.probes.templates)]
        searches = [
            identification.search_gallery(
                probes, data.probes.subjects, self._vectors[np.searchsorted(self._ids, gallery.templates)], gallery.subjects
            )
            for gallery in data.galleries.values()
        ]
        ranks = {f"rank{rank}": float(np.mean([identification.rank_rate(search, rank) for search in searches])) for rank in (1, 5)}
        rates = {
            f"tpir@fpir={rate:g}": float(np.mean([identification.identification_rate(search, rate) for search in searches]))
            for rate in self._false_positives
        }
        return {**ranks, **rates}

    def write(self, folder: Path) -> None:
        """Write ``<name>_templates.npz``: ``templates``, their ids, and ``embeddings`` of length 1."""
        assert self._keeps, "the evaluator was built without keep_predictions"
        if is_main_process():
            np.savez(folder / f"{self._name.replace('/', '_')}_templates.npz", templates=self._ids, embeddings=self._vectors)

    def summary(self) -> str:
        """Return ``ijbc: tar@far=0.0001: 96.37% | rank1: 95.10%``, with the strictest rates."""
        strictest = [f"tar@far={min(self._false_accepts):g}"] if self._false_accepts else []
        if self._templates.probes is not None:
            strictest += ["rank1", *([f"tpir@fpir={min(self._false_positives):g}"] if self._false_positives else [])]
        parts = [f"{figure}: {format_figure(self._metrics[f'{self._name}/{figure}'], '.2%')}" for figure in strictest]
        return f"{self._name}: {' | '.join(parts)}"
