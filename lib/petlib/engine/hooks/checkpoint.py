"""Checkpoints are written."""

import logging
import sys
from collections.abc import Callable

from petlib.engine.hook import Hook, due
from petlib.engine.hooks.evaluation import EvaluationHook
from petlib.engine.snapshot import snapshot_of
from petlib.engine.state import TrainState
from petlib.errors import CheckpointError

logger = logging.getLogger(__name__)


class CheckpointHook(Hook):
    """Saves the whole state of the run every so many iterations, after a new best evaluation, and at its end.

    It comes after all other hooks, so that what they did in an iteration is in the checkpoint of that iteration.

    Args:
        every: iterations between two checkpoints; 0: only the best and the last.
        config: the config as YAML text.
        evaluation: knows when a model was the best one.
        on_error: ``stop`` raises where a checkpoint cannot be saved; ``continue`` logs that and goes on, unless it is the last.
        check: called before an unplanned save; raises where the weights must not be saved.
        saves_beginning: save the state that a new run begins with, too.
    """

    order = 90
    key = "checkpoint"

    def __init__(
        self,
        *,
        every: int,
        config: str,
        evaluation: EvaluationHook | None = None,
        on_error: str = "stop",
        check: Callable[[TrainState], None] | None = None,
        saves_beginning: bool = False,
    ) -> None:
        self._every = every
        self.intervals = (every,)
        self._config = config
        self._evaluation = evaluation
        self._goes_on = on_error == "continue"
        self._check = check
        self._saves_beginning = saves_beginning
        self._saved_at = 0
        self._failures = 0
        # Why there is no checkpoint of the latest attempt, as far as that is known.
        self._problem: CheckpointError | None = None

    def before_train(self, state: TrainState) -> None:
        """Remember where the run begins; save the evaluation that was completed late, and the beginning where that is wanted."""
        self._saved_at = state.iteration
        is_new = self._saves_beginning and state.iteration == 0
        if is_new or (self._evaluation is not None and self._evaluation.completed_pending):
            self._save(state)

    def save_now(self, state: TrainState) -> None:
        """Save between two iterations, unless that was done after the first of them."""
        if self._saved_at != state.iteration:
            if self._check is not None:
                self._check(state)
            self._save(state)

    def after_step(self, state: TrainState) -> None:
        """Save when it is time; at the end of an epoch that waits for what the hooks do after it."""
        if not state.at_epoch_end and self._is_due(state):
            self._save(state)

    def after_epoch(self, state: TrainState) -> None:
        """Save when it is time."""
        if self._is_due(state):
            self._save(state)

    def after_rollback(self, state: TrainState) -> None:
        """Save, so that a restart does not go through what failed again."""
        self._save(state)

    def after_train(self, state: TrainState) -> None:
        """Wait until the last checkpoint is on the disk; raise where it is not, whatever ``on_error`` says."""
        if self._saved_at != state.iteration:
            self._save(state)
        if self._problem is None:
            self._attempt(state.checkpointer.wait, "this is the end of the run")
        if self._problem is not None:
            raise CheckpointError(f"the last checkpoint of the run, of iteration {self._saved_at}, is not saved: {self._problem}")
        if self._failures:
            logger.warning("%d attempts to save a checkpoint failed in this run; the last checkpoint is on the disk", self._failures)

    def on_exception(self, state: TrainState) -> None:
        """Let a checkpoint that is being written be finished; the exception that is under way matters more than its errors.

        The other ranks may be gone. Who presses Ctrl-C twice does not want to wait.
        """
        if isinstance(sys.exception(), KeyboardInterrupt):
            state.checkpointer.give_up()
            return
        try:
            state.checkpointer.finish()
        except CheckpointError as error:
            logger.error("%s", error)

    def _save(self, state: TrainState) -> None:
        self._saved_at = state.iteration
        checkpointer, last = state.checkpointer, self._ends(state)
        self._attempt(lambda: checkpointer.wait(patient=last), "training goes on")
        if checkpointer.stalled:
            logger.error("no checkpoint of iteration %d is saved, because an earlier one still hangs", state.iteration)
            return
        components = snapshot_of(state, config=self._config)
        best = self._is_best(state.iteration)
        self._attempt(lambda: checkpointer.save(components, iteration=state.iteration, best=best), "training goes on")

    def _attempt(self, work: Callable[[], None], what_follows: str) -> None:
        """Do what all ranks do together and what fails on all of them in the same way."""
        self._problem = None
        try:
            work()
        except CheckpointError as error:
            if not self._goes_on:
                raise
            self._problem = error
            self._failures += 1
            logger.error("%s; %s (CheckpointHook.on_error is continue)", error, what_follows)

    def _is_due(self, state: TrainState) -> bool:
        return self._ends(state) or due(state.iteration, every=self._every) or self._is_best(state.iteration)

    def _ends(self, state: TrainState) -> bool:
        return state.iteration == state.max_iter or state.stop_reason != ""

    def _is_best(self, iteration: int) -> bool:
        return self._evaluation is not None and self._evaluation.improved_at == iteration
