"""An evaluation that is ready to run on any model of a run."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pet.data.loading.build import build_dataset, build_test_loader, scales_by_type
from pet.data.loading.fingerprint import recorder
from pet.data.loading.joined import EvaluationSamples
from pet.data.loading.renumbered import with_names
from pet.data.loading.share_record import TEST_RECORD, ShareRecord
from pet.data.targets.check import check_samples, describe_source, report_sides
from pet.data.targets.dataset import Dataset, Expectation
from pet.data.targets.names import NO_NAMES, Names
from pet.evaluation.evaluator import Charted, Evaluator
from pet.evaluation.loop import Batches, evaluate
from pet.evaluation.metrics import build_metrics
from pet.evaluation.samples import LATEST, SAMPLES_FILE, Gallery, GalleryMaker, SampleGallery, build_gallery
from pet.metrics.results import write_metrics_json
from pet.typed import AnyConfig
from pet.visual.charts import CHARTS_FILE, write_charts
from petlib.config import ConfigError
from petlib.data.protocols import Dataset as Samples
from petlib.distributed.process_group import is_main_process
from petlib.log import FILE_ONLY
from petlib.solver.precision import build_mixed_precision

SAMPLES = "samples"
"""Folder of the pictures of samples, in that of a test."""

logger = logging.getLogger(__name__)


class Evaluation:
    """The test data of a run and what is measured on them.

    Args:
        loader: the batches of this process.
        build_evaluators: gives new evaluators; its argument says whether they are to keep the predictions.
        autocast: gives the context of each forward pass, for mixed precision.
        begin: called before the samples are read.
        build_gallery: gives what keeps pictures of some samples; its argument says whether they are the best and the worst ones of a
            test. None: none are kept.
        latest: where those of an evaluation within a training go. None: they are not kept.
    """

    def __init__(
        self,
        *,
        loader: Batches,
        build_evaluators: Callable[[bool], Sequence[Evaluator]],
        autocast: Callable[[], AbstractContextManager[None]] = nullcontext,
        begin: Callable[[], None] | None = None,
        build_gallery: Callable[[bool], Gallery] | None = None,
        latest: Path | None = None,
    ) -> None:
        self.loader = loader
        self.build_evaluators = build_evaluators
        self.autocast = autocast
        self._begin = begin
        self._build_gallery = build_gallery
        self.latest = latest

    def __call__(self, model: nn.Module) -> dict[str, float]:
        """Return the metrics of ``model``; every process calls it and gets the same."""
        return self.measure_in_training(model)

    def measure_in_training(self, model: nn.Module, *, part: str = "") -> dict[str, float]:
        """Return the metrics of ``model``, one of several whose pictures go to the folder ``part`` of the latest ones."""
        pictures = None if self.latest is None else self.latest / part
        return self._evaluate(model, self.build_evaluators(False), judges=False, pictures=pictures)

    def test(self, model: nn.Module, folder: Path) -> dict[str, float]:
        """Return the metrics of ``model``, write them and the predictions into ``folder``, and print the result.

        ``metrics.json`` holds flat names with fractions from 0 to 1. The summaries of the evaluators are the last lines
        on the screen, without a time before them. Every process calls it; the main process writes and prints.
        """
        metrics, evaluators = self.measure(model, folder)
        write_results(folder, metrics, evaluators)
        return metrics

    def measure(self, model: nn.Module, folder: Path, *, samples: str = SAMPLES) -> tuple[dict[str, float], Sequence[Evaluator]]:
        """Return the metrics of ``model``, and what measured them, which has written the predictions into ``folder``.

        Args:
            model: what is measured.
            folder: of the predictions.
            samples: folder of the pictures, below that.
        """
        evaluators = self.build_evaluators(True)
        metrics = self._evaluate(model, evaluators, judges=True, pictures=folder / samples)
        for evaluator in evaluators:
            evaluator.write(folder)
        return metrics, evaluators

    def _evaluate(self, model: nn.Module, evaluators: Sequence[Evaluator], *, judges: bool, pictures: Path | None) -> dict[str, float]:
        """Return the metrics, and write pictures of some samples into a folder."""
        if self._begin is not None:
            self._begin()
        if self._build_gallery is None or pictures is None:
            return evaluate(model, self.loader, evaluators, autocast=self.autocast)
        gallery = self._build_gallery(judges)
        metrics = evaluate(model, self.loader, [*evaluators, gallery], autocast=self.autocast)
        gallery.write(pictures)
        return metrics


class SeveralEvaluations(Evaluation):
    """Data sets that are measured one after another, each with figures of its own, as if they were one.

    Args:
        evaluations: their metrics have different names.
        folders: where each writes its predictions, below the folder of a test; None: all into that, under different names.
        in_training: how many of them a training measures, from the first; a test measures all. None: all.
    """

    def __init__(self, evaluations: Sequence[Evaluation], *, folders: Sequence[str] | None = None, in_training: int | None = None) -> None:
        first = evaluations[0]
        super().__init__(loader=first.loader, build_evaluators=first.build_evaluators, autocast=first.autocast, latest=first.latest)
        self._evaluations = list(evaluations)
        self._in_training = in_training
        self._folders = [""] * len(evaluations) if folders is None else list(folders)

    def __call__(self, model: nn.Module) -> dict[str, float]:
        """Return the metrics of ``model`` on the data of a training; every process calls it and gets the same."""
        measured = self._evaluations[: self._in_training]
        parts = [""] if len(measured) == 1 else [str(number) for number in range(len(measured))]
        found = [evaluation.measure_in_training(model, part=part) for evaluation, part in zip(measured, parts, strict=True)]
        if self.latest is not None:
            _forget_samples(self.latest, [self.latest / part for part in parts])
        return {name: value for metrics in found for name, value in metrics.items()}

    def test(self, model: nn.Module, folder: Path) -> dict[str, float]:
        """Return the metrics of ``model`` on all data, write them and the predictions, and print the results."""
        places = [folder / name for name in self._folders]
        for place in places:
            _forget_samples(place / SAMPLES)
        measured = [
            # those that share a folder have folders of pictures in it
            evaluation.measure(model, place, samples=SAMPLES if places.count(place) == 1 else f"{SAMPLES}/{number}")
            for number, (evaluation, place) in enumerate(zip(self._evaluations, places, strict=True))
        ]
        metrics = {name: value for found, _ in measured for name, value in found.items()}
        write_results(folder, metrics, [evaluator for _, evaluators in measured for evaluator in evaluators])
        return metrics


def _forget_samples(folder: Path, kept: Sequence[Path] = ()) -> None:
    """Remove the records of pictures below a folder, which belong to other data now, but for those in the folders ``kept``."""
    if is_main_process():
        for earlier in folder.glob(f"**/{SAMPLES_FILE}"):
            if earlier.parent not in kept:
                earlier.unlink()


def write_results(folder: Path, metrics: Mapping[str, float], evaluators: Sequence[Evaluator]) -> None:
    """Write ``metrics.json``, and print the summary of each evaluator; the main process does it."""
    if not is_main_process():
        return
    write_metrics_json(folder / "metrics.json", metrics)
    try:
        charts = [chart for evaluator in evaluators if isinstance(evaluator, Charted) for chart in evaluator.charts()]
        write_charts(folder / CHARTS_FILE, charts)
    except Exception as error:  # noqa: BLE001 -- a chart never takes the figures away
        logger.warning("the charts of this test are not written: %s: %s", type(error).__name__, error)
    logger.info("metrics and predictions are in %s", folder)
    for evaluator in evaluators:
        logger.info(evaluator.summary(), extra=FILE_ONLY)
        print(evaluator.summary(), flush=True)


def build_evaluation(
    cfg: AnyConfig,
    device: torch.device,
    expected: Expectation,
    build_evaluators: Callable[[Dataset, bool], Sequence[Evaluator]],
    *,
    dataset: Dataset | None = None,
    names: Names = NO_NAMES,
    prepare: Callable[[Dataset], Samples] | None = None,
    gallery: GalleryMaker = SampleGallery,
) -> Evaluation:
    """Return the evaluation on ``TEST.DATASETS``, or on the data that a program brings.

    Args:
        cfg: the config.
        device: where the model computes.
        expected: what the model wants of its data.
        build_evaluators: gives new evaluators from the test data and whether predictions are to be kept; those of ``EVAL.METRICS`` follow.
        dataset: other test data than ``TEST.DATASETS``, which a program brings.
        names: what the numbers of the model mean, from its training: the test data get these numbers, whatever order they have on their
            own, and may lack some. Empty: not known, only the number of classes is compared.
        prepare: makes of the data set what samples are taken from; None: its images with what evaluators compare of them.
        gallery: what keeps pictures of the best and the worst samples.

    Raises:
        ConfigError: there are no test data, or the settings of the evaluators are wrong.
        DataError: a data set is missing, cannot be used, or does not fit the model.
    """
    source, record = "the test data", ShareRecord(Path(cfg.MISC.CKPT) / TEST_RECORD)
    if dataset is None:
        if not cfg.TEST.DATASETS:
            raise ConfigError("TEST.DATASETS: nothing given; name the data to test on")
        source = describe_source("TEST.DATASETS", cfg.TEST.DATASETS)
        dataset = build_dataset(cfg, cfg.TEST.DATASETS, expected.kinds, names=names, record=record)
    else:
        dataset = with_names(source, dataset, names, expected.kinds, others=cfg.DATA.OTHER_CLASSES)
    if not dataset.info.annotated:
        logger.warning("%s have no annotations: they are predicted on in a test, and nothing is measured", source)
    by_type = scales_by_type(cfg.TEST.TRANSFORMS)
    check_samples(dataset, expected, cfg.DATA.CHECK_SAMPLES, source=source, scales_by_type=by_type)
    if "VIEWS" in cfg.TEST and cfg.TEST.VIEWS.FLIP:
        report_sides(dataset.info, expected.kinds, source="TEST.VIEWS.FLIP")
    build_all = partial(_build_all, build_evaluators, list(cfg.EVAL.METRICS), dataset)
    # what is wrong with them is reported now, not at the first evaluation
    build_all(False)
    samples = EvaluationSamples(dataset, expected.kinds) if prepare is None else prepare(dataset)
    pictures = build_gallery(cfg, gallery)
    return Evaluation(
        loader=build_test_loader(cfg, samples, device, expected.kinds),
        build_evaluators=build_all,
        autocast=build_mixed_precision(cfg, device).autocast,
        begin=recorder(record, cfg.MISC.CKPT, "test", cfg.TEST.DATASETS, dataset),
        build_gallery=None if pictures is None else partial(pictures, dataset, expected.kinds),
        latest=Path(cfg.MISC.CKPT) / LATEST,
    )


def _build_all(
    build_evaluators: Callable[[Dataset, bool], Sequence[Evaluator]], metrics: Sequence[Any], dataset: Dataset, keep_predictions: bool
) -> list[Evaluator]:
    return [*build_evaluators(dataset, keep_predictions), *build_metrics(metrics, dataset, keep_predictions=keep_predictions)]
