"""A schedule for an optimizer of one's own; a run makes those that its config names."""

from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer

from pet.compat.trainframework.solver.schedules import build_factor
from petlib.config.nested import Component
from petlib.solver.factor_schedule import FactorSchedule


class LRMultiplierScheduler(FactorSchedule):
    """The courses of a config, as a schedule of torch.

    Args:
        optimizer: its rates are multiplied.
        warmup_factor: share of the rate that the warm-up starts at.
        warmup_iter: its length in iterations.
        lr_scheduler_param: ``dict(name="WarmupMultiStepLR", gamma=0.1, steps=[100])`` and the like.
        max_iter: iterations of the training.
        warmup_method: ``linear``, ``exponential`` or ``constant``.

    Raises:
        ConfigError: the name or a parameter is unknown, or values contradict each other.
    """

    def __init__(  # noqa: PLR0917 -- TrainFramework's order
        self,
        optimizer: Optimizer,
        warmup_factor: float,
        warmup_iter: int,
        lr_scheduler_param: Mapping[str, Any],
        max_iter: int,
        warmup_method: str = "linear",
    ) -> None:
        arguments = {"warmup_factor": warmup_factor, "warmup_iter": warmup_iter, "warmup_method": warmup_method, **lr_scheduler_param}
        course = Component(str(arguments.pop("name", "")), arguments, "LRMultiplierScheduler: lr_scheduler_param")
        super().__init__(optimizer, build_factor(course, max_iter=max_iter))
