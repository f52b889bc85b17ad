"""Figures of the iterations go to the writers."""

import logging
import resource
from collections.abc import Callable
from dataclasses import replace

import torch

from petlib.engine.hook import Hook, due
from petlib.engine.hooks.timer import TimerHook
from petlib.engine.state import TrainState
from petlib.events.storage import TrainingRecord, Writer

logger = logging.getLogger(__name__)

MEBIBYTE = 2**20
SECONDS_BETWEEN_WRITES = 0.5
MOST_WINDOWS = 200


class MetricWriterHook(Hook):
    """Hands the means of windows of iterations to the writers.

    Windows that are shorter than half a second are written several at a time: no reader is faster, and fetching values,
    printing and writing files costs a fast loop more than the iterations between.

    Args:
        make_writers: gives the writers of this rank for a run that begins after the given iteration; ranks other than 0
            have none, but take part in the means.
        every: iterations of a window.
        write_at: further intervals in iterations at which all windows that have ended are written: those of evaluations
            and checkpoints, so that nothing that a checkpoint has seen is missing after a restart.
        timer: measures the iterations.
    """

    order = 40
    key = "metric_writer"

    def __init__(
        self, *, make_writers: Callable[[int], list[Writer]], every: int, write_at: tuple[int, ...] = (), timer: TimerHook
    ) -> None:
        self._make_writers = make_writers
        self._every = every
        self._write_at = tuple(interval for interval in write_at if interval > 0)
        self.intervals = (every, *self._write_at)
        self._timer = timer
        self._records: list[TrainingRecord] = []
        self._began_at = 0
        self._window_ended_at = 0
        self._windows_per_write = 1

    def before_train(self, state: TrainState) -> None:
        """Open the writers and begin the first window."""
        state.writers = self._make_writers(state.iteration)
        self._began_at = self._window_ended_at = state.iteration

    def after_step(self, state: TrainState) -> None:
        """End a window when it is full, and write when enough of them are or something follows that needs it."""
        iteration = state.iteration
        # a run that ends here is saved by a later hook
        ends = iteration == state.max_iter or state.stop_reason != ""
        if ends or due(iteration, every=self._every):
            self._end_window(state)
            if ends or len(self._records) >= self._windows_per_write:
                self._write(state)
        elif iteration == self._began_at + 1 and state.writers:
            self._log_first_iteration(state)
        if self._records:
            for interval in self._write_at:
                if iteration % interval == 0:
                    self._write(state)
                    break

    def write_ended(self, state: TrainState) -> None:
        """Write the windows that have ended, before an unplanned checkpoint; all ranks call it together."""
        if self._records:
            self._write(state)

    def after_rollback(self, state: TrainState) -> None:
        """Begin anew: what was written about later iterations goes, as after a restart."""
        _close(state)
        self._records = []
        self.before_train(state)

    def after_train(self, state: TrainState) -> None:
        """Write what is left of a run that was stopped, and close the writers."""
        if self._window_ended_at != state.iteration:
            self._end_window(state)
        if self._records:
            self._write(state)
        _close(state)

    def on_exception(self, state: TrainState) -> None:
        """Close the writers."""
        _close(state)

    def _log_first_iteration(self, state: TrainState) -> None:
        """Show that the run goes, how fast, and in how much memory, long before a window is full."""
        seconds, waited = self._timer.since_window(state)
        following = min(-(-state.iteration // self._every) * self._every, state.max_iter)
        logger.info(
            "the first iteration took %.2f s, %.2f s of it waiting for data; memory: %.0fM; the first figures come at iteration %d",
            seconds,
            waited,
            _peak_memory_mb(),
            following,
        )

    def _end_window(self, state: TrainState) -> None:
        state.storage.end_window()
        iter_time, data_time, eta = self._timer.window(state)
        self._window_ended_at = state.iteration
        self._records.append(
            TrainingRecord(
                iteration=state.iteration,
                max_iter=state.max_iter,
                epoch=(state.iteration - 1) // state.iterations_per_epoch + 1,
                total_epochs=state.total_epochs,
                lr=_learning_rate(state),
                eta_seconds=eta,
                memory_mb=_peak_memory_mb(),
                iter_time=iter_time,
                data_time=data_time,
            )
        )

    def _write(self, state: TrainState) -> None:
        all_means, seconds = state.storage.flush(self._records[-1].iter_time)
        # the ranks have agreed on the time, so they agree on when to write next
        window_seconds = max(seconds * self._every, 1e-6)
        self._windows_per_write = min(max(round(SECONDS_BETWEEN_WRITES / window_seconds), 1), MOST_WINDOWS)
        for pending, means in zip(self._records, all_means, strict=True) if state.writers else ():
            record = replace(pending, losses=means.losses, metrics=means.metrics)
            for writer in state.writers:
                writer.write_training(record)
        self._records = []


def _close(state: TrainState) -> None:
    for writer in state.writers:
        writer.close()
    state.writers = []


def _learning_rate(state: TrainState) -> float:
    return float(next(iter(state.optimizers.values())).param_groups[0]["lr"])


def _peak_memory_mb() -> float:
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return torch.cuda.max_memory_allocated() / MEBIBYTE
    # Linux counts in KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
