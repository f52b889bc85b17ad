"""A run that no longer improves ends."""

from petlib.engine.hook import Hook
from petlib.engine.hooks.evaluation import EvaluationHook
from petlib.engine.state import TrainState


class EarlyStopHook(Hook):
    """Ends the run after some evaluations without an improvement of the best metric.

    Args:
        evaluation: knows the best metric.
        patience: evaluations without an improvement that are put up with.
    """

    order = 65
    key = "early_stop"
    intervals = ()

    def __init__(self, *, evaluation: EvaluationHook, patience: int) -> None:
        self._evaluation = evaluation
        self._patience = patience

    def before_train(self, state: TrainState) -> None:
        """A run that had ended in this way does not begin again."""
        self._judge(state)

    def after_step(self, state: TrainState) -> None:
        """Judge after the evaluations."""
        self._judge(state)

    def _judge(self, state: TrainState) -> None:
        if not state.stop_reason and self._evaluation.without_improvement >= self._patience:
            state.stop_reason = f"no improvement in {self._evaluation.without_improvement} evaluations"
