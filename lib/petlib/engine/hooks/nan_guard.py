"""A run whose loss is NaN or infinite ends before such weights are saved."""

import math

from petlib.engine.hook import Hook
from petlib.engine.state import TrainState
from petlib.errors import UserError


class TrainingDivergedError(UserError):
    """The loss is no finite number any more."""


class NanGuardHook(Hook):
    """Looks at the mean losses when they are written, and before an evaluation and a checkpoint.

    It looks only then, because looking waits for the device. A mean that is finite has no value that is not.

    Args:
        every: intervals of evaluations and checkpoints in iterations.
    """

    order = 45
    key = "nan_guard"

    def __init__(self, *, every: tuple[int, ...]) -> None:
        self._every = tuple(interval for interval in every if interval > 0)
        self.intervals = self._every
        self._last_look = 0
        self._flushes_seen = 0

    def before_train(self, state: TrainState) -> None:
        """Remember where the run begins."""
        self._last_look = state.iteration

    def after_step(self, state: TrainState) -> None:
        """Look when there is something to see, or something follows that must not happen with bad weights.

        Raises:
            TrainingDivergedError: a loss since the last look is not finite.
        """
        if state.storage.flush_count != self._flushes_seen:
            self._flushes_seen = state.storage.flush_count
            for means in state.storage.flushed:
                self._judge(state, means.total)
        iteration = state.iteration
        for interval in self._every:
            if iteration % interval == 0:
                self._judge(state, state.storage.mean_total())
                self._last_look = iteration
                return
        if iteration == state.max_iter or state.stop_reason:
            self._judge(state, state.storage.mean_total())

    def _judge(self, state: TrainState, mean: float) -> None:
        if math.isfinite(mean):
            return
        rate = next(iter(state.optimizers.values())).param_groups[0]["lr"]
        raise TrainingDivergedError(
            f"the loss became {mean:g} between iterations {self._last_look + 1} and {state.iteration} (learning rate {rate:g}).\n"
            "  Nothing was saved since; the run continues from its last checkpoint. Lower SOLVER.OPTIMIZER.BASE_LR, lengthen "
            "SOLVER.SCHEDULER.WARM_UP_ITERS, clip with SOLVER.CLIP_GRADIENTS, or use SOLVER.AMP.DTYPE bf16 instead of fp16."
        )
