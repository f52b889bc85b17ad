"""What embeddings are worth: nearest neighbours and a linear classifier with labels that the training never sees."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pet.data.loading.build import build_dataset, build_test_loader, scales_by_type
from pet.data.loading.joined import EvaluationSamples
from pet.data.targets.check import check_samples, describe_source
from pet.data.targets.dataset import Dataset, Expectation
from pet.data.targets.names import names_of
from pet.evaluation.embeddings import EmbeddingCollector, Embeddings, collect_embeddings
from pet.evaluation.evaluation import SAMPLES, Evaluation, write_results
from pet.evaluation.evaluator import Evaluator
from pet.evaluation.loop import Batches, evaluate
from pet.evaluation.metrics import build_metrics
from pet.evaluation.samples import Gallery, build_gallery
from pet.metrics.collapse import effective_rank, spread
from pet.metrics.linear_probe import fit_linear
from pet.metrics.neighbours import Neighbours, NeighbourSearch, vote
from pet.typed import ContrastConfig
from petlib.config import ConfigError
from petlib.distributed.collectives import all_reduce_sum, broadcast_object
from petlib.distributed.gathering import broadcast_rows, gather_rows
from petlib.distributed.process_group import is_main_process, rank, world_size
from petlib.errors import DataError
from petlib.log import FILE_ONLY
from petlib.solver.precision import build_mixed_precision

logger = logging.getLogger(__name__)

LABELS = ("label",)
MOST_FOR_RANK = 4096
"""Embeddings that the effective rank is measured on."""

SMALLEST_VOTE = 1e-6
"""In place of a class that no neighbour votes for."""


class RawPixels(nn.Module):
    """The pixels of an image as its embedding: what a method has to beat."""

    def forward(self, batch: dict[str, Any]) -> list[dict[str, Tensor]]:
        """Return the pixels of each image."""
        return [{"embedding": row} for row in batch["image"].flatten(1)]


class ProbeEvaluation(Evaluation):
    """Classifies test images by embeddings of labelled ones.

    The bank stays spread over the processes: its parts travel one after another, and each process looks for the neighbours of its own
    test images.

    Attributes:
        baseline: the figures of the untrained network and of bare pixels; empty: not measured.

    Args:
        bank: the labelled images of this process.
        loader: the test images of this process.
        num_classes: number of classes.
        neighbours: how many vote; the accuracy of the first one is the headline.
        temperature: see :func:`pet.metrics.neighbours.vote`.
        linear: also fit a linear classifier.
        autocast: gives the context of each forward pass, for mixed precision.
        build_evaluators: gives further metrics of the test images' embeddings; its argument says whether they will write.
        build_gallery: gives what keeps pictures of the test images that the votes of their neighbours are best and worst for; None: none.
    """

    def __init__(
        self,
        *,
        bank: Batches,
        loader: Batches,
        num_classes: int,
        neighbours: Sequence[int],
        temperature: float,
        linear: bool,
        autocast: Callable[[], AbstractContextManager[None]],
        build_evaluators: Callable[[bool], Sequence[Evaluator]] = lambda _: [],
        build_gallery: Callable[[bool], Gallery] | None = None,
    ) -> None:
        super().__init__(loader=loader, build_evaluators=build_evaluators, autocast=autocast, build_gallery=build_gallery)
        self._votes = torch.zeros(0, num_classes)
        self._queries: Embeddings | None = None
        self.baseline: dict[str, float] = {}
        self._bank = bank
        self._num_classes = num_classes
        self._neighbours = list(neighbours)
        self._temperature = temperature
        self._linear = linear

    def __call__(self, model: nn.Module) -> dict[str, float]:
        """Return ``knn/acc<K>``, ``linear/acc`` and measures of collapse; every process calls it and gets the same."""
        return self._probe(model, self.build_evaluators(False))

    def _probe(self, model: nn.Module, evaluators: Sequence[Evaluator]) -> dict[str, float]:
        bank, queries, further = self._embed(model, evaluators)
        self._queries = queries
        metrics = self._neighbour_accuracies(bank, queries)
        if self._linear:
            metrics["linear/acc"] = self._linear_accuracy(bank, queries)
        some = gather_rows(queries.vectors[: -(-MOST_FOR_RANK // world_size())])
        metrics |= {"features/spread": float(spread(some)), "features/effective_rank": float(effective_rank(some))}
        headline = next(iter(metrics))
        if headline in self.baseline:
            metrics["knn/above_untrained"] = metrics[headline] - self.baseline[headline]
            metrics["knn/above_pixels"] = metrics[headline] - self.baseline["knn/pixels"]
        return metrics | further

    def measure_baseline(self, model: nn.Module) -> dict[str, float]:
        """Return the figures of the untrained ``model`` and, as ``knn/pixels``, of bare pixels; later figures are compared with them."""
        bank, queries, _ = self._embed(RawPixels())
        pixels = self._neighbour_accuracies(bank, queries)
        metrics = self(model)
        self.baseline = {**metrics, "knn/pixels": next(iter(pixels.values()))}
        return dict(self.baseline)

    def test(self, model: nn.Module, folder: Path) -> dict[str, float]:
        """Return the metrics of ``model``, write them into ``folder`` and print the result as the last line."""
        evaluators = self.build_evaluators(True)
        metrics = self._probe(model, evaluators)
        if is_main_process():
            folder.mkdir(parents=True, exist_ok=True)
        for evaluator in evaluators:
            evaluator.write(folder)
        self._draw_samples(folder / SAMPLES)
        write_results(folder, metrics, evaluators)
        if is_main_process():
            summary = "test_" + " | ".join(f"{name.replace('/', '_')}: {value:.2%}" for name, value in metrics.items() if "/acc" in name)
            logger.info(summary, extra=FILE_ONLY)
            print(summary, flush=True)
        return metrics

    def _draw_samples(self, folder: Path) -> None:
        """Draw the images whose neighbours vote best and worst for their class."""
        if self._build_gallery is None or self._queries is None:
            return
        gallery = self._build_gallery(True)
        batch = {"meta": [{"index": place} for place in self._queries.places.tolist()], "label": self._queries.labels}
        # votes are weights, and galleries take logits
        gallery.update(batch, [{"logits": row} for row in self._votes.clamp_min(SMALLEST_VOTE).log()])
        gallery.write(folder)

    def _embed(self, model: nn.Module, evaluators: Sequence[Evaluator] = ()) -> tuple[Embeddings, Embeddings, dict[str, float]]:
        bank = collect_embeddings(model, self._bank, autocast=self.autocast).own()
        queries = EmbeddingCollector()
        metrics = evaluate(model, self.loader, [queries, *evaluators], autocast=self.autocast)
        return bank, queries.own(), metrics

    def _neighbour_accuracies(self, bank: Embeddings, queries: Embeddings) -> dict[str, float]:
        search = NeighbourSearch(queries.vectors, max(self._neighbours))
        for source in range(world_size()):
            search.add(broadcast_rows(bank.vectors, source))
        labels, found = gather_rows(bank.labels), search.neighbours()
        votes = {count: self._vote(found, labels, count) for count in self._neighbours}
        self._votes = votes[max(self._neighbours)]
        return {f"knn/acc{count}": self._accuracy(own, queries.labels) for count, own in votes.items()}

    def _vote(self, found: Neighbours, labels: Tensor, count: int) -> Tensor:
        if not len(found.places):
            return torch.zeros(0, self._num_classes)
        return vote(found, labels, count=count, num_classes=self._num_classes, temperature=self._temperature)

    def _linear_accuracy(self, bank: Embeddings, queries: Embeddings) -> float:
        vectors, labels = gather_rows(bank.vectors), gather_rows(bank.labels)
        layer = fit_linear(vectors, labels, num_classes=self._num_classes) if rank() == 0 else None
        layer = broadcast_object(layer)
        assert layer is not None, "the main process has fitted one"
        return self._accuracy(layer(queries.vectors) if len(queries.vectors) else torch.zeros(0, self._num_classes), queries.labels)

    @staticmethod
    def _accuracy(scores: Tensor, labels: Tensor) -> float:
        hits, count = all_reduce_sum(torch.tensor([int((scores.argmax(dim=1) == labels).sum()), len(labels)])).tolist()
        return hits / count if count else float("nan")


def build_probe_evaluation(cfg: ContrastConfig, device: torch.device, dataset: Dataset | None = None) -> ProbeEvaluation:
    """Return what compares the embeddings of ``TEST.DATASETS``, or of data that a program brings, with those of ``PROBE.DATASETS``.

    Raises:
        ConfigError: there are no test data, or a name is unknown.
        DataError: the data are missing or have no labels, or their classes differ.
    """
    if dataset is None and not cfg.TEST.DATASETS:
        raise ConfigError("TEST.DATASETS: nothing given; name labelled data to test on")
    key = "PROBE.DATASETS" if cfg.PROBE.DATASETS else "TRAIN.DATASETS"
    try:
        bank = build_dataset(cfg, cfg.PROBE.DATASETS or cfg.TRAIN.DATASETS, LABELS)
    except DataError as error:
        advice = (
            ""
            if cfg.PROBE.DATASETS
            else "; test images are compared with labelled ones: name these as PROBE.DATASETS, or leave TEST.DATASETS empty"
        )
        raise DataError(f"{key}: {error}{advice}") from error
    test = build_dataset(cfg, cfg.TEST.DATASETS, LABELS, names=names_of(bank.info, LABELS)) if dataset is None else dataset
    expected = Expectation(kinds=LABELS, counts={"label": bank.info.num_classes})
    for source, data in ((describe_source(key, cfg[key.partition(".")[0]].DATASETS), bank), ("the test data", test)):
        check_samples(data, expected, cfg.DATA.CHECK_SAMPLES, source=source, scales_by_type=scales_by_type(cfg.TEST.TRANSFORMS))

    def build_evaluators(keep_predictions: bool) -> Sequence[Evaluator]:
        return build_metrics(cfg.EVAL.METRICS, test, keep_predictions=keep_predictions)

    # what is wrong with them is reported now, not at the first evaluation
    build_evaluators(False)
    gallery = build_gallery(cfg)
    bank_loader, loader = (build_test_loader(cfg, EvaluationSamples(data, LABELS), device, LABELS) for data in (bank, test))
    return ProbeEvaluation(
        bank=bank_loader,
        loader=loader,
        num_classes=bank.info.num_classes,
        neighbours=cfg.PROBE.NEIGHBOURS,
        temperature=cfg.PROBE.TEMPERATURE,
        linear=cfg.PROBE.LINEAR,
        autocast=build_mixed_precision(cfg, device).autocast,
        build_evaluators=build_evaluators,
        build_gallery=None if gallery is None else partial(gallery, test, LABELS),
    )
