"""How long iterations take, and when the run will be done."""

import time

from petlib.engine.hook import Hook
from petlib.engine.state import TrainState

SMOOTHING = 0.6


class TimerHook(Hook):
    """Measures the wall time of an iteration without the time that evaluations take.

    :meth:`window` gives the means since it was last called. Clock jumps do no harm: the clock is monotonic.
    """

    order = 0
    key = "timer"

    def __init__(self) -> None:
        self._begin = 0.0
        self._excluded = 0.0
        self._iteration = 0
        self._waited = 0.0
        self._smoothed = 0.0

    def before_train(self, state: TrainState) -> None:
        """Begin the first window."""
        self._begin = time.perf_counter()
        self._iteration = state.iteration

    def after_rollback(self, state: TrainState) -> None:
        """Begin a new window."""
        self._begin, self._excluded = time.perf_counter(), 0.0
        self._iteration, self._waited = state.iteration, state.data.wait_seconds

    def exclude(self, seconds: float) -> None:
        """Leave out time that does not belong to iterations, e.g. that of an evaluation."""
        self._excluded += seconds

    def since_window(self, state: TrainState) -> tuple[float, float]:
        """Return the seconds since the window began, and those of them that data were waited for."""
        return time.perf_counter() - self._begin - self._excluded, state.data.wait_seconds - self._waited

    def window(self, state: TrainState) -> tuple[float, float, float]:
        """Return seconds an iteration, seconds of it that data were waited for, and the expected seconds to the end."""
        now = time.perf_counter()
        count = max(state.iteration - self._iteration, 1)
        iter_time = max(now - self._begin - self._excluded, 0.0) / count
        data_time = (state.data.wait_seconds - self._waited) / count
        self._smoothed = SMOOTHING * self._smoothed + (1 - SMOOTHING) * iter_time if self._smoothed else iter_time
        self._begin, self._excluded = now, 0.0
        self._iteration, self._waited = state.iteration, state.data.wait_seconds
        return iter_time, data_time, self._smoothed * (state.max_iter - state.iteration)
