"""A live line at the bottom of the terminal."""

import time

from petlib.engine.hook import Hook
from petlib.engine.state import TrainState

REFRESH_SECONDS = 0.2


class ProgressHook(Hook):
    """Shows a bar, the iteration, the rate and the loss while the run goes, below the lines that are logged.

    It is for the rank that prints, on a terminal.
    """

    order = 42
    key = "progress"

    def __init__(self) -> None:
        # only wanted on a terminal
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("training"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:.1f} it/s"),
            TextColumn("{task.fields[loss]}"),
            TimeElapsedColumn(),
            # the one that all share keeps what the terminal was when it was first used
            console=Console(),
            auto_refresh=False,
            transient=True,
        )
        self._task = self._progress.add_task("training", rate=0.0, loss="")
        self._shown_at = 0.0
        self._shown_iteration = 0
        self._terminal_is_gone = False

    def before_train(self, state: TrainState) -> None:
        """Show the line."""
        self._progress.update(self._task, total=state.max_iter, completed=state.iteration)
        self._shown_at, self._shown_iteration = time.perf_counter(), state.iteration
        self._progress.start()

    def after_step(self, state: TrainState) -> None:
        """Move the bar, a few times a second."""
        elapsed = time.perf_counter() - self._shown_at
        if elapsed >= REFRESH_SECONDS and not self._terminal_is_gone:
            try:
                self._show(state, elapsed)
            except OSError:
                # the log goes on without it
                self._terminal_is_gone = True

    def after_train(self, state: TrainState) -> None:
        """Remove the line."""
        self._stop()

    def on_exception(self, state: TrainState) -> None:
        """Remove the line."""
        self._stop()

    def _stop(self) -> None:
        if self._terminal_is_gone:
            return
        try:
            self._progress.stop()
        except OSError:
            self._terminal_is_gone = True

    def _show(self, state: TrainState, elapsed: float) -> None:
        rate = (state.iteration - self._shown_iteration) / elapsed
        loss = f"loss {state.storage.flushed[-1].total:.4f}" if state.storage.flushed else ""
        self._progress.update(self._task, completed=state.iteration, rate=rate, loss=loss)
        self._progress.refresh()
        self._shown_at, self._shown_iteration = self._shown_at + elapsed, state.iteration
