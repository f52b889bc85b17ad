"""A live line at the bottom of the terminal."""

import time

from petlib.events.records import EvaluationRecord, TrainingRecord

REFRESH_SECONDS = 0.2


class ProgressWriter:
    """Shows a bar, the iteration, the rate and the loss while the run goes, below the lines that are logged.

    Args:
        max_iter: iterations of the whole run.
        start_iteration: iterations done before.
    """

    def __init__(self, *, max_iter: int, start_iteration: int) -> None:
        # only wanted on a terminal
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        self._progress = Progress(
            TextColumn("training"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:.1f} it/s"),
            TextColumn("{task.fields[loss]}"),
            TimeElapsedColumn(),
            auto_refresh=False,
            transient=True,
        )
        self._task = self._progress.add_task("training", total=max_iter, completed=start_iteration, rate=0.0, loss="")
        self._shown_at = time.perf_counter()
        self._shown_iteration = start_iteration
        self._progress.start()

    def write_training(self, record: TrainingRecord) -> None:
        """Take over the loss of a window."""
        name, value = next(iter(record.losses.items()), ("", 0.0))
        self._progress.update(self._task, loss=f"{name} {value:.4f}" if name else "")

    def write_evaluation(self, record: EvaluationRecord) -> None:
        """Show nothing more: the metrics are logged above the line."""

    def tick(self, iteration: int) -> None:
        """Move the bar, a few times a second."""
        elapsed = time.perf_counter() - self._shown_at
        if elapsed < REFRESH_SECONDS:
            return
        rate = (iteration - self._shown_iteration) / elapsed
        self._progress.update(self._task, completed=iteration, rate=rate)
        self._progress.refresh()
        self._shown_at, self._shown_iteration = self._shown_at + elapsed, iteration

    def close(self) -> None:
        """Remove the line."""
        self._progress.stop()
