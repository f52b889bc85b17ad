"""Teachers follow their students."""

from typing import cast

from petlib.engine.hook import Hook
from petlib.engine.state import TrainState
from petlib.engine.teacher import HasTeacher
from petlib.solver.schedules import Factor


class TeacherHook(Hook):
    """Moves the teachers of a model towards their students after every iteration.

    The teachers are in the state dict of the model and the momentum follows from the iteration, so the hook has nothing to remember.
    It comes before the moving average of all weights and before evaluations.

    Args:
        momentum: from the iteration that was just done, counted from 0, to the share of its weights that a teacher keeps, e.g.
            :func:`petlib.solver.schedules.number_schedule`.
    """

    order = 18
    key = "teachers"

    def __init__(self, *, momentum: Factor) -> None:
        self.momentum = momentum

    def before_train(self, state: TrainState) -> None:
        """Check that there are teachers."""
        assert isinstance(state.network, HasTeacher), f"a {type(state.network).__name__} has no teacher"

    def after_step(self, state: TrainState) -> None:
        """Take in the weights of this iteration, unless it was left out."""
        if state.left_out is None:
            cast(HasTeacher, state.network).update_teacher(self.momentum(state.iteration - 1))
