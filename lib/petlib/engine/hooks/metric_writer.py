"""Figures of the iterations go to the writers."""

import resource
from collections.abc import Callable

import torch

from petlib.engine.hook import Hook, due
from petlib.engine.hooks.timer import TimerHook
from petlib.engine.state import TrainState
from petlib.events.records import TrainingRecord, Writer

MEBIBYTE = 2**20


class MetricWriterHook(Hook):
    """Hands the means of a window of iterations to the writers.

    Args:
        make_writers: gives the writers of this rank for a run that begins after the given iteration; ranks other than 0
            have none, but take part in the means.
        every: iterations of a window.
        timer: measures the iterations.
    """

    order = 40
    key = "metric_writer"

    def __init__(self, *, make_writers: Callable[[int], list[Writer]], every: int, timer: TimerHook) -> None:
        self._make_writers = make_writers
        self._every = every
        self._timer = timer
        self._written_at = 0

    def before_train(self, state: TrainState) -> None:
        """Open the writers and begin the first window."""
        state.writers = self._make_writers(state.iteration)
        self._written_at = state.iteration

    def after_step(self, state: TrainState) -> None:
        """Write when a window is full or the run is at its end."""
        if due(state.iteration, every=self._every) or state.iteration == state.max_iter:
            self._write(state)
        for writer in state.writers:
            writer.tick(state.iteration)

    def after_train(self, state: TrainState) -> None:
        """Write what is left of a run that was stopped, and close the writers."""
        if self._written_at != state.iteration:
            self._write(state)
        _close(state)

    def on_exception(self, state: TrainState) -> None:
        """Close the writers."""
        _close(state)

    def _write(self, state: TrainState) -> None:
        self._written_at = state.iteration
        losses, metrics = state.storage.flush()
        # read after the flush, which waits for the device
        iter_time, data_time, eta = self._timer.window(state)
        if not state.writers:
            return
        record = TrainingRecord(
            iteration=state.iteration,
            max_iter=state.max_iter,
            epoch=(state.iteration - 1) // state.iterations_per_epoch + 1,
            total_epochs=state.total_epochs,
            lr=_learning_rate(state),
            eta_seconds=eta,
            memory_mb=_peak_memory_mb(),
            iter_time=iter_time,
            data_time=data_time,
            losses=losses,
            metrics=metrics,
        )
        for writer in state.writers:
            writer.write_training(record)


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
