"""The moving average of the weights follows the training."""

from petlib.engine.hook import Hook
from petlib.engine.state import TrainState
from petlib.engine.weight_average import WeightAverage


class EmaHook(Hook):
    """Updates the average after every iteration.

    Args:
        average: saved in the checkpoint next to the weights, where a test finds it.
    """

    order = 20
    key = "ema"

    def __init__(self, *, average: WeightAverage) -> None:
        self.average = average

    def after_step(self, state: TrainState) -> None:
        """Take in the weights of this iteration, unless it was left out."""
        if state.left_out is None:
            self.average.update(state.iteration)
