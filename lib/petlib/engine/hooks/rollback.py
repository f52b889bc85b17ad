"""A run whose loss or weights are not finite goes on from its last checkpoint, with other data."""

import logging
from typing import Any, NoReturn

from petlib.engine.failure import Failure
from petlib.engine.hook import due
from petlib.engine.hooks.nan_guard import ADVICE, NanGuardHook, TrainingDivergedError, explain
from petlib.engine.snapshot import RolledBack, go_back
from petlib.engine.state import TrainState

logger = logging.getLogger(__name__)


class RollbackHook(NanGuardHook):
    """Looks when a :class:`NanGuardHook` does, and goes back instead of ending the run.

    Weights, optimizers, moving average and the states of the hooks become those of the last checkpoint. The counter goes on from
    the first iteration that failed, so that its data, and all that came after the checkpoint, do not come again in this epoch.

    Args:
        every: intervals of evaluations and checkpoints in iterations.
        save_every: the interval of checkpoints; one that was written shows that the run got further.
        limit: so often is gone back without a new checkpoint in between.
        advice: see :class:`NanGuardHook`.

    Attributes:
        count: how often the run went back.
    """

    def __init__(self, *, every: tuple[int, ...], save_every: int, limit: int, advice: str = ADVICE) -> None:
        super().__init__(every=every, advice=advice)
        self._save_every = save_every
        self._limit = limit
        self._in_a_row = 0
        self.count = 0

    def after_step(self, state: TrainState) -> None:
        """Look, and go back where something is not finite.

        Raises:
            RolledBack: the run is to go on from the state that was restored.
            TrainingDivergedError: it went back too often.
        """
        super().after_step(state)
        if due(state.iteration, every=self._save_every):
            self._in_a_row = 0

    def after_train(self, state: TrainState) -> None:
        """Say how often the run went back."""
        if self.count:
            logger.warning("the run went back to a checkpoint %d times because something was not finite", self.count)

    def state_dict(self) -> dict[str, Any]:
        """Return the counts."""
        return {"count": self.count, "in_a_row": self._in_a_row}

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Take over the counts."""
        self.count, self._in_a_row = values["count"], values["in_a_row"]

    def _act(self, state: TrainState, failure: Failure) -> NoReturn:
        if self._in_a_row >= self._limit:
            raise TrainingDivergedError(
                f"the run went back {self._in_a_row} times without a new checkpoint (RollbackHook.limit): "
                f"{explain(state, failure, self._advice)}"
            )
        count, in_a_row = self.count + 1, self._in_a_row + 1
        begun = go_back(state, iteration=failure.iteration)
        self.count, self._in_a_row = count, in_a_row
        logger.warning(
            "iteration %d is not finite: back to the weights of iteration %d, on with iteration %d; gone back so far: %d",
            failure.iteration,
            begun,
            failure.iteration + 1,
            count,
        )
        raise RolledBack
