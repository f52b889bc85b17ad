"""Iterations that were left out are reported and counted."""

import logging
from typing import Any

from petlib.engine.failure import describe_failure
from petlib.engine.hook import Hook
from petlib.engine.hooks.nan_guard import ADVICE, TrainingDivergedError, explain
from petlib.engine.state import TrainState

logger = logging.getLogger(__name__)


class SkippedStepsHook(Hook):
    """Logs each iteration that a :class:`petlib.engine.skipping.StepGuard` left out, and ends a run that leaves out too many in a row.

    Args:
        limit: so many in a row are let pass.
        advice: see :class:`petlib.engine.hooks.nan_guard.NanGuardHook`.

    Attributes:
        count: iterations of the whole run that were left out.
    """

    order = 44
    key = "skipped_steps"

    def __init__(self, *, limit: int, advice: str = ADVICE) -> None:
        self._limit = limit
        self._advice = advice
        self._in_a_row = 0
        self.count = 0

    def after_step(self, state: TrainState) -> None:
        """Count an iteration that was left out.

        Raises:
            TrainingDivergedError: there are too many in a row.
        """
        if state.left_out is None:
            self._in_a_row = 0
            return
        self.count += 1
        self._in_a_row += 1
        failure = describe_failure(state.iteration, *state.left_out)
        what = "gradients that are not finite" if failure.loss is None else f"the loss {failure.loss:g}"
        logger.warning("iteration %d was left out because of %s; left out so far: %d", state.iteration, what, self.count)
        if self._in_a_row > self._limit:
            raise TrainingDivergedError(
                f"{self._in_a_row} iterations in a row were left out (SkippedStepsHook.limit): {explain(state, failure, self._advice)}"
            )

    def after_train(self, state: TrainState) -> None:
        """Say how many there were."""
        if self.count:
            logger.warning("%d of %d iterations were left out because they were not finite", self.count, state.iteration)

    def state_dict(self) -> dict[str, Any]:
        """Return the counts."""
        return {"count": self.count, "in_a_row": self._in_a_row}

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Take over the counts."""
        self.count, self._in_a_row = values["count"], values["in_a_row"]
