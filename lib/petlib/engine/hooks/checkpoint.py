"""Checkpoints are written."""

import logging

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
        evaluation: tells when a model was the best one.
    """

    order = 90
    key = "checkpoint"

    def __init__(self, *, every: int, config: str, evaluation: EvaluationHook | None = None) -> None:
        self._every = every
        self.intervals = (every,)
        self._config = config
        self._evaluation = evaluation
        self._saved_at = 0

    def before_train(self, state: TrainState) -> None:
        """Remember where the run begins."""
        self._saved_at = state.iteration

    def after_step(self, state: TrainState) -> None:
        """Save when it is time; at the end of an epoch that waits for what the hooks do after it."""
        if not state.at_epoch_end and self._is_due(state):
            self._save(state)

    def after_epoch(self, state: TrainState) -> None:
        """Save when it is time."""
        if self._is_due(state):
            self._save(state)

    def after_train(self, state: TrainState) -> None:
        """Wait until the last checkpoint is on the disk."""
        if self._saved_at != state.iteration:
            self._save(state)
        state.checkpointer.wait()

    def on_exception(self, state: TrainState) -> None:
        """Let a checkpoint that is being written be finished; the exception that is under way matters more than its errors."""
        try:
            state.checkpointer.wait()
        except CheckpointError as error:
            logger.error("%s", error)

    def _save(self, state: TrainState) -> None:
        components = snapshot_of(state, config=self._config)
        state.checkpointer.save(components, iteration=state.iteration, best=self._is_best(state.iteration))
        self._saved_at = state.iteration

    def _is_due(self, state: TrainState) -> bool:
        iteration = state.iteration
        ends = iteration == state.max_iter or state.stop_reason != ""
        return ends or due(iteration, every=self._every) or self._is_best(iteration)

    def _is_best(self, iteration: int) -> bool:
        return self._evaluation is not None and self._evaluation.improved_at == iteration
