"""Counts of images against the number of their dots, and the places of dots that were found."""

import csv
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pet.data.files.opening import read_text
from pet.data.targets.dataset import Dataset
from pet.metrics.counting import (
    Interval,
    Positions,
    calibrate_interval,
    count_density,
    count_dots,
    count_errors,
    errors_by_level,
    grid_error,
    match_dots,
)
from pet.metrics.dot_precision import THRESHOLDS, RankedDots, average_precisions, rank_dots
from pet.typed import VisionConfig
from pet.visual.charts import Chart, Line, LineChart, make_histogram
from petlib.distributed.collectives import all_gather_objects
from petlib.distributed.process_group import is_main_process
from petlib.errors import DataError, name_in_errors
from petlib.events.writers.console import format_figure

LEVELS = (1, 2, 3)
"""Of GAME: 4, 16 and 64 cells."""
FINEST = 2 ** LEVELS[-1]
SHOWN = (0.05, 0.25, 0.5)
"""Of :data:`THRESHOLDS`, those that the paper has tables of."""
TABLE = "counts.csv"

logger = logging.getLogger(__name__)


class _Counted(NamedTuple):
    """An image: its name, found and true number, GAME of each level, pairs and found dots for each radius, and found dots by score."""

    name: str
    found: float
    truth: int
    game: tuple[float, ...]
    positions: tuple[Positions, ...]
    ranked: RankedDots | None


class CountEvaluator:
    """Errors of counts over the images of all processes; see :class:`pet.evaluation.evaluator.Evaluator`.

    The truth is the number of dots in the file, whatever transforms did to the image. GAME is the sum of the errors in 4, 16 and 64
    cells of an image. ``always_the_mean`` is the MAE of answering the mean count of these images for each: a network that does not do
    better has learned nothing, which is a warning.

    Args:
        radii: distances up to which a found dot is right, pixels of the file; only where dots are found.
        interval: says how sure counts are; None: nothing is said.
    """

    def __init__(self, *, radii: Sequence[float] = (), interval: Interval | None = None) -> None:
        self._radii = tuple(radii)
        self._interval = interval
        self._metas: list[dict[str, Any]] = []
        self._found: list[dict[str, Tensor]] = []
        self._truth: list[Tensor] = []
        self._counted: list[_Counted] = []
        self._metrics: dict[str, float] = {}

    def update(self, batch: dict[str, Any], predictions: list[dict[str, Any]]) -> None:
        """Take the predictions of one batch, and ``truth_dots`` (N, 2) of each image."""
        for meta, prediction, truth in zip(batch["meta"], predictions, batch["truth_dots"], strict=True):
            found: dict[str, Tensor] = {name: prediction[name] for name in ("count", "dots", "dot_scores") if name in prediction}
            density = prediction.get("density")
            if density is not None:
                extent = torch.tensor(meta["size"], device=density.device) / prediction["density_cell"]
                found["grid"] = count_density(density, (extent[0], extent[1]), FINEST)
            self._metas.append(meta)
            self._found.append(found)
            self._truth.append(truth)

    def compute(self) -> dict[str, float]:
        """Return ``count/MAE``, ``RMSE``, ``NAE``, ``bias``, ``always_the_mean``, ``GAME1`` ..., and of dots ``dots/F1@8``, ``nAP`` ...

        ``count/MAE/1-100`` and the like are those of levels of true counts; with an interval, ``count/coverage`` is the share of the
        images whose true count lies in it, and ``count/interval`` its mean width.
        """
        own = [_measure(*image, self._radii) for image in zip(self._metas, self._found, self._truth, strict=True)]
        places = [int(meta["index"]) for meta in self._metas]
        joined = {place: one for share in all_gather_objects((places, own)) for place, one in zip(*share, strict=True)}
        self._counted = [joined[place] for place in sorted(joined)]
        found, truth = self._counts()
        errors = count_errors(found, truth)
        metrics = {f"count/{name}": value for name, value in zip(("MAE", "RMSE", "NAE", "bias", "always_the_mean"), errors, strict=True)}
        games = [[one.game[place] for one in self._counted] for place in range(len(LEVELS))]
        metrics |= {f"count/GAME{level}": _mean(game) for level, game in zip(LEVELS, games, strict=True)}
        metrics |= {f"count/MAE/{name}": of_level.mae for name, (_, of_level) in errors_by_level(found, truth).items()}
        metrics |= self._dot_metrics() | self._interval_metrics(found, truth)
        if errors.mae >= errors.baseline and is_main_process():
            logger.warning("the counts are no better (MAE %.2f) than always answering the mean (%.2f)", errors.mae, errors.baseline)
        self._metrics = metrics
        return metrics

    def write(self, folder: Path) -> None:
        """Write ``counts.csv``: name, true count and count of each image, and the interval; the main process writes."""
        if not is_main_process():
            return
        found, truth = self._counts()
        rows = [[one.name, int(true), f"{count:.4f}"] for one, true, count in zip(self._counted, truth, found, strict=True)]
        header = ["image", "truth", "count"]
        if self._interval is not None:
            header += ["least", "greatest"]
            rows = [[*row, f"{low:.4f}", f"{high:.4f}"] for row, low, high in zip(rows, *self._interval.around(found), strict=True)]
        with (folder / TABLE).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])

    def charts(self) -> Sequence[Chart]:
        """Return counts over true counts, and how the errors are spread."""
        found, truth = self._counts()
        if not len(truth):
            return []
        ends = [0.0, float(max(truth.max(), found.max()))]
        lines = [Line("images", truth, found), Line("as the files say", ends, ends)]
        return [
            LineChart("Counts", "true count", "count", lines, points=True),
            make_histogram("Errors of counts", "count less true count", {"images": found - truth}),
        ]

    def summary(self) -> str:
        """Return e.g. ``test_MAE: 4.31 | RMSE: 6.90 | NAE: 0.091 | bias: -0.40 | always the mean: 51.69``."""
        shown = {name: self._metrics[f"count/{name}"] for name in ("MAE", "RMSE", "NAE", "bias", "always_the_mean")}
        parts = [f"{name.replace('_', ' ')}: {format_figure(value, '.3f' if name == 'NAE' else '.2f')}" for name, value in shown.items()]
        parts += [f"F1@{radius:g}: {format_figure(self._metrics[f'dots/F1@{radius:g}'], '.2%')}" for radius in self._radii]
        if self._interval is not None:
            parts.append(f"coverage: {format_figure(self._metrics['count/coverage'], '.1%')}")
        return "test_" + " | ".join(parts)

    def _counts(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array([one.found for one in self._counted]), np.array([float(one.truth) for one in self._counted])

    def _dot_metrics(self) -> dict[str, float]:
        metrics: dict[str, float] = {}
        for place, radius in enumerate(self._radii):
            sums = Positions(*(sum(numbers) for numbers in zip(*(one.positions[place] for one in self._counted), strict=True)))
            figures = {"precision": sums.precision, "recall": sums.recall, "F1": sums.f1}
            metrics |= {f"dots/{name}@{radius:g}": value for name, value in figures.items()}
        ranked = [one.ranked for one in self._counted if one.ranked is not None]
        if ranked:
            areas = dict(zip(THRESHOLDS, average_precisions(ranked).tolist(), strict=True))
            metrics |= {"dots/nAP": _mean(list(areas.values())), **{f"dots/nAP@{share:g}": areas[share] for share in SHOWN}}
        return metrics

    def _interval_metrics(self, found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        if self._interval is None:
            return {}
        low, high = self._interval.around(found)
        return {"count/coverage": _mean((low <= truth) & (truth <= high)), "count/interval": _mean(high - low)}


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _measure(meta: dict[str, Any], found: dict[str, Tensor], truth: Tensor, radii: Sequence[float]) -> _Counted:
    dots, size = truth.cpu().numpy(), meta["size"]
    own, mass = found.get("dots"), found.get("grid")
    places = np.zeros((0, 2)) if own is None else own.float().cpu().numpy()
    grid = None if mass is None else mass.cpu().numpy()
    game = []
    for level in LEVELS:
        cells = 2**level
        edge = FINEST // cells
        counts = count_dots(places, size, cells) if grid is None else grid.reshape(cells, edge, cells, edge).sum(axis=(1, 3))
        game.append(grid_error(counts, count_dots(dots, size, cells)))
    positions = tuple(Positions(match_dots(places, dots, radius), len(places), len(dots)) for radius in radii)
    ranked = rank_dots(places, found["dot_scores"].float().cpu().numpy(), dots, size) if "dot_scores" in found else None
    return _Counted(str(meta["id"]), float(found["count"]), len(dots), tuple(game), positions, ranked)


def read_interval(path: Path, share: float) -> Interval:
    """Return intervals that are calibrated by the ``counts.csv`` of a test on images that were not trained on.

    Raises:
        DataError: it is no such table.
    """
    rows = list(csv.DictReader(read_text(path, what="the table of counts").splitlines()))
    try:
        found, truth = ([float(row[name]) for row in rows] for name in ("count", "truth"))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: columns 'truth' and 'count' with numbers expected, as a test writes them into {TABLE}") from error
    if len(found) + 1 < 1 / (1 - share):
        raise DataError(
            f"{path}: {len(found)} images, but intervals that hold {share:g} of the counts need at least {math.ceil(share / (1 - share))}; "
            "test on more images, or lower read_interval.share"
        )
    return calibrate_interval(found, truth, share)


def build_interval(cfg: VisionConfig) -> Interval | None:
    """Return the intervals of ``TEST.INTERVAL``; None where they are not calibrated."""
    settings = cfg.TEST.INTERVAL
    if not settings.CALIBRATION:
        return None
    with name_in_errors({"read_interval.share": "TEST.INTERVAL.SHARE"}):
        return read_interval(Path(settings.CALIBRATION), settings.SHARE)


def build_density_evaluator(cfg: VisionConfig, dataset: Dataset, *, keep_predictions: bool) -> CountEvaluator:  # noqa: ARG001 -- shared signature
    """Return what measures counts of densities; its numbers are few, and kept anyway."""
    return CountEvaluator(interval=build_interval(cfg))


def build_dots_evaluator(cfg: VisionConfig, dataset: Dataset, *, keep_predictions: bool) -> CountEvaluator:  # noqa: ARG001 -- shared signature
    """Return what measures counts and places of dots."""
    return CountEvaluator(radii=cfg.EVAL.DOT_RADII, interval=build_interval(cfg))
