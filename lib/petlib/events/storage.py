"""Values of the iterations since the last print, kept on their device until somebody asks."""

from collections import defaultdict
from collections.abc import Mapping

import torch
from torch import Tensor

from petlib.dist.collectives import all_reduce_mean
from petlib.dist.process_group import world_size


class EventStorage:
    """Collects named scalars of every iteration and gives their means at the end of a window.

    A value stays a tensor on its device until :meth:`flush`, which fetches all means in one transfer: nothing waits for
    the device between two prints.
    """

    def __init__(self) -> None:
        self._totals: list[Tensor] = []
        self._losses: defaultdict[str, list[Tensor]] = defaultdict(list)
        self._metrics: defaultdict[str, list[Tensor]] = defaultdict(list)
        self._flushed: dict[str, float] = {}

    def put(self, losses: Mapping[str, Tensor], metrics: Mapping[str, Tensor], *, total: Tensor) -> None:
        """Add the losses of one forward pass, further scalars of it, and the sum of the losses.

        All are scalar tensors; their graphs are not kept. A single loss is its own sum.
        """
        if len(losses) > 1:
            self._totals.append(total.detach())
            for name, value in losses.items():
                self._losses[name].append(value.detach())
        else:
            for name in losses:
                self._losses[name].append(total.detach())
        for name, value in metrics.items():
            self._metrics[name].append(value.detach())

    def latest_losses(self) -> dict[str, float]:
        """Return each loss of the last forward pass, or of the last window when a new one has just begun."""
        return {name: float(values[-1]) for name, values in self._losses.items()} or self._flushed

    def mean_total(self) -> float:
        """Return the mean of the total losses since the last flush on this rank; right after a flush, what it gave.

        It is NaN or infinite when one of them is. Waits for the device.
        """
        totals = self._totals or next(iter(self._losses.values()), [])
        return _means([totals])[0] if totals else next(iter(self._flushed.values()), 0.0)

    def flush(self) -> tuple[dict[str, float], dict[str, float]]:
        """Return the means of losses and metrics since the last flush over all ranks, and begin a new window.

        With more than one loss the first entry is their sum, ``total_loss``. Every rank must call this together.
        """
        series = {**({"total_loss": self._totals} if self._totals else {}), **self._losses}
        numbers = _mean_over_ranks(_means([*series.values(), *self._metrics.values()]))
        losses = dict(zip(series, numbers, strict=False))
        metrics = dict(zip(self._metrics, numbers[len(series) :], strict=True))
        self._losses.clear()
        self._metrics.clear()
        self._totals = []
        self._flushed = losses
        return losses, metrics


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
    if world_size() == 1 or not values:
        return values
    means: list[float] = all_reduce_mean(torch.tensor(values, dtype=torch.float64)).tolist()
    return means
