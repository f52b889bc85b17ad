"""Values of the iterations, kept on their device until they are asked for."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from petlib.distributed.collectives import all_reduce_mean
from petlib.distributed.process_group import world_size


@dataclass(frozen=True)
class TrainingRecord:
    """Means over the iterations since the last record.

    Args:
        iteration: iterations done so far.
        max_iter: iterations of the whole run.
        epoch: the epoch that the iteration belongs to, counted from 1.
        total_epochs: epochs of the whole run; 0 where its length is set in iterations.
        lr: learning rate of the last iteration (of the first parameter group).
        eta_seconds: expected seconds until the end.
        memory_mb: most memory that was in use: of the GPU, or of the process where there is none; MiB.
        iter_time: seconds an iteration.
        data_time: seconds of it that the loop waited for data.
        losses: mean of each loss, ``total_loss`` first where there are several.
        metrics: mean of each training metric.
    """

    iteration: int
    max_iter: int
    epoch: int
    total_epochs: int
    lr: float
    eta_seconds: float
    memory_mb: float
    iter_time: float
    data_time: float
    losses: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)

    def scalars(self) -> dict[str, float]:
        """Return losses, metrics, learning rate and times by the names that TensorBoard and trackers show."""
        values = {"lr": self.lr, "time/iter_time": self.iter_time, "time/data_time": self.data_time}
        return {**values, **{f"train/{name}": value for name, value in {**self.losses, **self.metrics}.items()}}


@dataclass(frozen=True)
class EvaluationRecord:
    """Metrics of one evaluation, named like ``cls/acc1``, as fractions; NaN where undefined."""

    iteration: int
    metrics: dict[str, float]

    def scalars(self) -> dict[str, float]:
        """Return the metrics that are defined by the names that TensorBoard and trackers show."""
        return {f"eval/{name}": value for name, value in self.metrics.items() if not math.isnan(value)}


class Writer(Protocol):
    """Prints or keeps records. Only rank 0 has writers."""

    def write_training(self, record: TrainingRecord) -> None:
        """Take the figures of a window of iterations."""

    def write_evaluation(self, record: EvaluationRecord) -> None:
        """Take the figures of an evaluation."""

    def close(self) -> None:
        """Write what is still held back."""


Series = dict[str, list[Tensor]]


class _Window(NamedTuple):
    losses: Series
    metrics: Series
    totals: list[Tensor]


class WindowMeans(NamedTuple):
    """Means over the iterations of a window and over all ranks.

    Attributes:
        losses: of each loss; where there are several, their sum, ``total_loss``, comes first.
        metrics: of each training metric.
    """

    losses: dict[str, float]
    metrics: dict[str, float]

    @property
    def total(self) -> float:
        """The mean of the sum of the losses."""
        return next(iter(self.losses.values()), 0.0)


class EventStorage:
    """Collects named scalars of every iteration in windows and gives their means.

    A value stays a tensor on its device until :meth:`flush`, which fetches the means of all windows in one transfer:
    nothing waits for the device between two flushes.

    Attributes:
        flushed: the means that the last flush gave.
        flushed_totals: the sum of the losses of each forward pass that the last flush was about, on this rank and its device.
        flush_count: how often it was flushed.
    """

    def __init__(self) -> None:
        self.flushed: list[WindowMeans] = []
        self.flushed_totals: list[Tensor] = []
        self.flush_count = 0
        self._windows: list[_Window] = []
        self._begin_window()

    def put(self, losses: Mapping[str, Tensor], metrics: Mapping[str, Tensor], *, total: Tensor) -> None:
        """Add the losses of one forward pass, further scalars of it, and the sum of the losses.

        All are scalar tensors; their graphs are not kept. A single loss is its own sum.
        """
        total = total.detach()
        self._totals.append(total)
        if len(losses) > 1:
            self._losses["total_loss"].append(total)
            for name, value in losses.items():
                self._losses[name].append(value.detach())
        else:
            for name in losses:
                self._losses[name].append(total)
        for name, value in metrics.items():
            self._metrics[name].append(value.detach())

    def put_metrics(self, metrics: Mapping[str, Tensor]) -> None:
        """Add scalars that no forward pass gave, such as those that a hook measures now and then; every rank adds the same ones."""
        for name, value in metrics.items():
            self._metrics[name].append(value.detach())

    def end_window(self) -> None:
        """Let the present window end and a new one begin."""
        self._windows.append(_Window(self._losses, self._metrics, self._totals))
        self._begin_window()

    def pending_totals(self) -> list[Tensor]:
        """Return the sum of the losses of each forward pass since the last flush, on this rank and its device."""
        return [total for totals in (*(window.totals for window in self._windows), self._totals) for total in totals]

    def flush(self, seconds: float) -> tuple[list[WindowMeans], float]:
        """Return the means of the windows that ended since the last flush, and the mean of ``seconds`` over the ranks.

        Every rank must call this together.
        """
        series = [values for window in self._windows for values in (*window.losses.values(), *window.metrics.values())]
        *means, mean_seconds = _mean_over_ranks([*_means(series), seconds])
        numbers = iter(means)
        self.flushed = [WindowMeans(_take(window.losses, numbers), _take(window.metrics, numbers)) for window in self._windows]
        self.flushed_totals = [total for window in self._windows for total in window.totals]
        self.flush_count += 1
        self._windows = []
        return self.flushed, mean_seconds

    def _begin_window(self) -> None:
        self._losses: Series = defaultdict(list)
        self._metrics: Series = defaultdict(list)
        self._totals: list[Tensor] = []


def _take(series: Series, numbers: Iterator[float]) -> dict[str, float]:
    return {name: next(numbers) for name in series}


def _means(series: list[list[Tensor]]) -> list[float]:
    """Return the mean of each list of scalars, in double precision; all values come from the device in one transfer."""
    if not series:
        return []
    numbers = torch.stack([value for values in series for value in values]).tolist()
    means, begin = [], 0
    for values in series:
        means.append(sum(numbers[begin : begin + len(values)]) / len(values))
        begin += len(values)
    return means


def _mean_over_ranks(values: list[float]) -> list[float]:
    if world_size() == 1:
        return values
    means: list[float] = all_reduce_mean(torch.tensor(values, dtype=torch.float64)).tolist()
    return means
