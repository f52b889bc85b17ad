"""Numbers that follow closed-form schedules: temperatures, weight decay, margins."""

from collections.abc import Callable, Sequence
from typing import Any

from petlib.engine.hook import Hook
from petlib.engine.state import TrainState
from petlib.solver.schedules import Factor

SetNumber = Callable[[TrainState, float], None]
"""Puts a number where the next iteration takes it from."""


class ScheduledNumbersHook(Hook):
    """Sets numbers before each iteration, and keeps nothing: they follow from the iteration, so a run continues exactly.

    Args:
        schedules: pairs of a schedule (:func:`petlib.solver.schedules.number_schedule`) and what sets its number, e.g.
            ``lambda state, value: state.network.set_temperature(value)``.
    """

    order = 12
    key = "scheduled_numbers"

    def __init__(self, *, schedules: Sequence[tuple[Factor, SetNumber]]) -> None:
        self._schedules = list(schedules)

    def before_step(self, state: TrainState) -> None:
        """Set the numbers of the iteration that follows."""
        for number_of, put in self._schedules:
            put(state, number_of(state.iteration))


class WeightDecayHook(Hook):
    """Lets the weight decay follow a schedule, of all parameter groups that decay at all: biases and norms usually have 0 and keep it.

    Between iterations, and so in checkpoints, the groups have their own setting, which a run that continues is compared with.

    Args:
        schedule: from the iteration to the weight decay.
    """

    order = 13
    key = "weight_decay"

    def __init__(self, *, schedule: Factor) -> None:
        self._schedule = schedule
        self._settings: list[tuple[dict[str, Any], float]] = []

    def before_step(self, state: TrainState) -> None:
        """Set the weight decay of the iteration that follows."""
        groups = [group for optimizer in state.optimizers.values() for group in optimizer.param_groups]
        self._settings = [(group, group["weight_decay"]) for group in groups if group["weight_decay"] > 0]
        for group, _ in self._settings:
            group["weight_decay"] = self._schedule(state.iteration)

    def after_step(self, state: TrainState) -> None:
        """Put the setting back."""
        for group, setting in self._settings:
            group["weight_decay"] = setting
