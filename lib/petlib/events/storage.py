"""Values of the iterations since the last print, kept on their device until somebody asks."""

from collections.abc import Mapping

import torch
from torch import Tensor

from petlib.dist.collectives import all_reduce_mean


class EventStorage:
    """Collects named scalars of every iteration and gives their means at the end of a window.

    A value stays a tensor on its device until :meth:`flush`, which fetches all means in one transfer: nothing waits for
    the device between two prints.
    """

    def __init__(self) -> None:
        self._losses: dict[str, list[Tensor]] = {}
        self._metrics: dict[str, list[Tensor]] = {}
        self._totals: list[Tensor] = []

    def put_losses(self, losses: Mapping[str, Tensor], total: Tensor) -> None:
        """Add the losses of one forward pass and their sum (scalar tensors; their graphs are not kept)."""
        for name, value in losses.items():
            self._losses.setdefault(name, []).append(value.detach())
        self._totals.append(total.detach())

    def put_metrics(self, metrics: Mapping[str, Tensor]) -> None:
        """Add further scalars of one forward pass, e.g. the accuracy of the batch."""
        for name, value in metrics.items():
            self._metrics.setdefault(name, []).append(value.detach())

    def totals(self) -> Tensor:
        """Return the total losses since the last flush, shape (forward passes,), float32, on their device."""
        return torch.stack([total.float() for total in self._totals]) if self._totals else torch.empty(0)

    def latest_losses(self) -> dict[str, float]:
        """Return each loss of the last forward pass; waits for the device."""
        return {name: float(values[-1]) for name, values in self._losses.items()}

    def flush(self) -> tuple[dict[str, float], dict[str, float]]:
        """Return the means of losses and metrics since the last flush over all ranks, and begin a new window.

        With more than one loss the first entry is their sum, ``total_loss``. Every rank must call this together.
        """
        series = {**({"total_loss": self._totals} if len(self._losses) > 1 else {}), **self._losses}
        names = [*series, *self._metrics]
        values = [*series.values(), *self._metrics.values()]
        if not names:
            return {}, {}
        means = torch.stack([torch.stack(items).double().mean() for items in values])
        numbers = all_reduce_mean(means).tolist()
        self._losses, self._metrics, self._totals = {}, {}, []
        return dict(zip(names[: len(series)], numbers, strict=False)), dict(zip(names[len(series) :], numbers[len(series) :], strict=True))
