"""What turns predictions into metrics."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pet.visual.charts import Chart


class Collector(Protocol):
    """Takes the predictions of the evaluation loop."""

    def update(self, batch: dict[str, Any], predictions: list[dict[str, Any]]) -> None:
        """Take the predictions of one batch, one for each sample, without waiting for the device."""

    def compute(self) -> dict[str, float]:
        """Return the metrics over the samples of all processes, named like ``cls/acc1``, as fractions from 0 to 1; NaN where undefined."""


class Evaluator(Collector, Protocol):
    """Collects the predictions of one head over this process's share of the samples and joins the shares at the end.

    Every process makes the same calls: ``update`` for each of its batches, then ``compute``, then ``write`` where files
    are wanted.
    """

    def write(self, folder: Path) -> None:
        """Write predictions and pictures into ``folder``; the main process does it."""

    def summary(self) -> str:
        """Return the result in one line, e.g. ``test_acc1: 94.28% | test_acc5: 99.88%``; ``-`` where undefined."""


@runtime_checkable
class Charted(Protocol):
    """An evaluator that has more to show than numbers."""

    def charts(self) -> "Sequence[Chart]":
        """Return tables and charts of what was measured; the main process asks for them after :meth:`Evaluator.write`."""
