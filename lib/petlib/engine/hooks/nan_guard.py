"""A run whose loss is NaN or infinite ends before such weights are saved."""

import math

from petlib.engine.hook import Hook
from petlib.engine.state import TrainState
from petlib.errors import UserError


class TrainingDivergedError(UserError):
    """The loss is no finite number any more."""


class NanGuardHook(Hook):
    """Looks at the losses of a window when they are printed, and before an evaluation and a checkpoint.

    It looks only then, because looking waits for the device. A mean that is finite has no value that is not.

    Args:
        every: iterations between two looks, each a number on its own: the windows of prints and of checkpoints.
    """

    order = 45
    key = "nan_guard"

    def __init__(self, *, every: tuple[int, ...]) -> None:
        self._every = tuple(interval for interval in every if interval > 0)
        self._last_look = 0

    def before_train(self, state: TrainState) -> None:
        """Remember where the run begins."""
        self._last_look = state.iteration

    def after_step(self, state: TrainState) -> None:
        """Look when a window ends.

        Raises:
            TrainingDivergedError: a loss of the window is not finite.
        """
        iteration = state.iteration
        for every in self._every:
            if iteration % every == 0:
                self._look(state)
                return
        if iteration == state.max_iter or state.stop_reason:
            self._look(state)

    def _look(self, state: TrainState) -> None:
        mean = state.storage.mean_total()
        if math.isfinite(mean):
            self._last_look = state.iteration
            return
        losses = ", ".join(f"{name} {value:g}" for name, value in state.storage.latest_losses().items())
        rate = next(iter(state.optimizers.values())).param_groups[0]["lr"]
        raise TrainingDivergedError(
            f"the loss became {mean:g} between iterations {self._last_look + 1} and {state.iteration} "
            f"(learning rate {rate:g}; {losses}).\n"
            "  Nothing was saved since; the run continues from its last checkpoint. Lower SOLVER.OPTIMIZER.BASE_LR, lengthen "
            "SOLVER.SCHEDULER.WARM_UP_ITERS, clip with SOLVER.CLIP_GRADIENTS, or use SOLVER.AMP.DTYPE bf16 instead of fp16."
        )
