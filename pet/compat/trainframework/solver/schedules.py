"""The courses of ``LRMultiplierScheduler`` as Pet's schedules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from petlib.arguments import fit_arguments
from petlib.config.nested import Component
from petlib.errors import ConfigError
from petlib.solver.schedules import Factor, Schedule, WarmUp, learning_rate_factor
from petlib.suggest import did_you_mean


@dataclass(frozen=True, kw_only=True)
class CourseParameters:
    """What ``lr_scheduler_param`` and the block around it may hold.

    Args:
        gamma: factor of each step, or over the whole length.
        steps: iterations at which the rate is multiplied by ``gamma``.
        power: exponent of the polynomial.
        end_factor: share of the rate that is left at the end.
        warmup_factor: share of the rate that the warm-up starts at.
        warmup_iter: its length in iterations.
        warmup_method: ``linear``, ``exponential`` or ``constant``.
    """

    gamma: float = 0.1
    steps: Sequence[int] = ()
    power: float = 0.9
    end_factor: float = 0.0
    warmup_factor: float = 0.1
    warmup_iter: int = 0
    warmup_method: str = "linear"


Course = Literal["step", "cosine", "poly", "linear", "exponential", "constant"]

COURSES: Mapping[str, tuple[Course, tuple[str, ...]]] = {
    "WarmupMultiStepLR": ("step", ("gamma", "steps")),
    "WarmupCosineLR": ("cosine", ("end_factor",)),
    "WarmupPolyLR": ("poly", ("power", "end_factor")),
    "WarmupLinearLR": ("linear", ("end_factor",)),
    "WarmupExponentialLR": ("exponential", ("gamma",)),
    "WarmupConstantLR": ("constant", ()),
}
"""Name in the config -> Pet's schedule, and which parameters it has besides those of the warm-up."""

WARM_UP = ("warmup_factor", "warmup_iter", "warmup_method")
WARM_UP_METHODS: Mapping[str, Literal["linear", "exponential", "constant"]] = {
    "linear": "linear",
    "exponential": "exponential",
    "constant": "constant",
}


def build_factor(component: Component | None, *, max_iter: int) -> Factor:
    """Return the function from an iteration to the factor of the learning rate.

    Args:
        component: name and parameters; None: the rate stays.
        max_iter: iterations of the training.

    Raises:
        ConfigError: the name or a parameter is unknown, or values contradict each other.
    """
    if component is None:
        return learning_rate_factor(Schedule(name="constant"), WarmUp(), max_iter=max_iter)
    if component.name not in COURSES:
        raise ConfigError(
            f"{component.place}: unknown course {component.name!r}{did_you_mean(component.name, COURSES)}; there are: {', '.join(COURSES)}"
        )
    name, own = COURSES[component.name]
    values = _parameters(component, (*own, *WARM_UP))
    schedule = Schedule(name=name, milestones=values.steps, gamma=values.gamma, power=values.power, minimum=values.end_factor)
    return learning_rate_factor(schedule, _warm_up(component, values), max_iter=max_iter)


def _parameters(component: Component, taken: Sequence[str]) -> CourseParameters:
    for name in component.arguments:
        if name not in taken:
            raise ConfigError(
                f"{component.place}: {component.name} has no parameter {name!r}{did_you_mean(name, taken)}; it has {', '.join(taken)}"
            )
    given: dict[str, Any] = fit_arguments(f"{component.place}:", component.name, CourseParameters, component.arguments)
    values = CourseParameters(**given)
    if sorted(set(values.steps)) != list(values.steps) or min(values.steps, default=1) < 1:
        raise ConfigError(f"{component.place}: steps: {list(values.steps)} given, ascending positive iterations expected")
    if not 0.0 <= values.end_factor <= 1.0 or values.warmup_factor < 0.0 or values.gamma < 0.0:
        raise ConfigError(f"{component.place}: end_factor must be from 0 to 1, warmup_factor and gamma must not be negative")
    return values


def _warm_up(component: Component, values: CourseParameters) -> WarmUp:
    if values.warmup_method not in WARM_UP_METHODS:
        raise ConfigError(f"{component.place}: warmup_method: {values.warmup_method!r} given, one of {', '.join(WARM_UP_METHODS)} expected")
    if values.warmup_iter < 0:
        raise ConfigError(f"{component.place}: warmup_iter: {values.warmup_iter} given, a number of iterations from 0 on expected")
    if values.warmup_method == "exponential" and values.warmup_iter > 0 and values.warmup_factor == 0:
        raise ConfigError(f"{component.place}: warmup_factor: an exponential warm-up cannot start at 0; give a small positive number")
    return WarmUp(iterations=values.warmup_iter, factor=values.warmup_factor, method=WARM_UP_METHODS[values.warmup_method])
