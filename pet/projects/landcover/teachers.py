"""The teachers follow their students."""

from typing import cast

from pet.projects.landcover.mutual_distillation import MutualDistillation
from petlib.engine.hook import Hook
from petlib.engine.state import TrainState


class TeacherHook(Hook):
    """Moves the teachers of a :class:`MutualDistillation` towards their students after every iteration.

    The teachers are in the state dict of the model, so the hook has nothing to remember. It comes before the moving average of
    all weights and before evaluations.

    Args:
        momentum: share of its weights that a teacher keeps in an iteration, in the end.
    """

    order = 18
    key = "teachers"

    def __init__(self, *, momentum: float) -> None:
        self.momentum = momentum

    def after_step(self, state: TrainState) -> None:
        """Take in the weights of this iteration, unless it was left out."""
        if state.left_out is None:
            cast(MutualDistillation, state.network).update_teachers(momentum_after(state.iteration, self.momentum))


def momentum_after(iterations: int, end: float) -> float:
    """Return the share of its weights that a teacher keeps once so many iterations are done.

    It is the mean over all weights since the beginning, ``n / (n + 1)``, until ``end`` is reached, as in AI Earth's MKD
    (https://github.com/aiearth-damo/deeplearning, models/landcover/algorithms/exp_cps2.py), whose iterations count from 1 and begin
    with the update: ``1 - 1 / n``.
    """
    return min(iterations / (iterations + 1), end)
