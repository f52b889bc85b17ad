"""Courses of the learning rate, in closed form.

A policy gives the factor of the base rate for each step of a course: steps are iterations, or epochs where ``by_epoch`` is on. The
formulas are those of the policies of the same names in mmcv 1.x, whose vocabulary antgo uses
(https://github.com/open-mmlab/mmcv/blob/1.x/mmcv/runner/hooks/lr_updater.py).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from petlib.errors import ConfigError
from petlib.solver.schedules import Factor, Schedule, WarmUp, learning_rate_factor

Anneal = Callable[[float, float, float], float]
"""From the values at both ends and the share of the way that is done to the value at that point."""


class Policy(Protocol):
    """What ``lr_config.policy`` names; its fields are the arguments in the config.

    Attributes:
        by_epoch: whether the course counts epochs where the config does not say.
    """

    by_epoch: ClassVar[bool]

    def factor(self, length: int, base_lr: float) -> Factor:
        """Return the factor of each step from 0 to ``length`` - 1, of the rate ``base_lr``."""


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """The rate stays."""

    by_epoch: ClassVar[bool] = True

    def factor(self, length: int, base_lr: float) -> Factor:
        """Return 1."""
        return lambda _: 1.0


@dataclass(frozen=True, kw_only=True)
class Step:
    """``gamma`` at each of the steps, or after every ``step`` steps; never below ``min_lr``."""

    by_epoch: ClassVar[bool] = True
    step: int | list[int]
    gamma: float = 0.1
    min_lr: float | None = None

    def factor(self, length: int, base_lr: float) -> Factor:
        """Return gamma ** (steps that were reached)."""
        steps = range(self.step, length, self.step) if isinstance(self.step, int) and self.step > 0 else self.step
        if isinstance(steps, int) or list(steps) != sorted(set(steps)) or min(steps, default=1) < 1:
            raise ConfigError(f"lr_config.step: {self.step} given, a number from 1 on or an ascending list of them expected")
        course = _petlib(Schedule(name="step", milestones=steps, gamma=self.gamma), length)
        floor = (self.min_lr or 0.0) / base_lr
        return lambda step: max(course(step), floor)


@dataclass(frozen=True, kw_only=True)
class Exp:
    """``gamma`` after every step."""

    by_epoch: ClassVar[bool] = True
    gamma: float

    def factor(self, length: int, base_lr: float) -> Factor:
        """Return gamma ** step."""
        return lambda step: self.gamma**step


@dataclass(frozen=True, kw_only=True)
class Poly:
    """From the rate down to ``min_lr``, ``(1 - p) ** power``."""

    by_epoch: ClassVar[bool] = True
    power: float = 1.0
    min_lr: float = 0.0

    def factor(self, length: int, base_lr: float) -> Factor:
        """Return the polynomial of the share that is left."""
        return _petlib(Schedule(name="poly", power=self.power, minimum=self.min_lr / base_lr), length)


@dataclass(frozen=True, kw_only=True)
class CosineAnnealing:
    """Half a cosine from the rate down to ``min_lr``, or to ``min_lr_ratio`` of it (https://arxiv.org/abs/1608.03983)."""

    by_epoch: ClassVar[bool] = True
    min_lr: float | None = None
    min_lr_ratio: float | None = None

    def factor(self, length: int, base_lr: float) -> Factor:
        """Return half a cosine."""
        return _petlib(Schedule(name="cosine", minimum=_end(self.min_lr, self.min_lr_ratio, base_lr)), length)


@dataclass(frozen=True, kw_only=True)
class FlatCosine:
    """The full rate for the share ``start_percent`` of the course, then half a cosine down to ``min_lr``."""

    by_epoch: ClassVar[bool] = True
    start_percent: float = 0.75
    min_lr: float | None = None
    min_lr_ratio: float | None = None

    def factor(self, length: int, base_lr: float) -> Factor:
        """Return 1, then half a cosine."""
        if not 0.0 <= self.start_percent < 1.0:
            raise ConfigError(f"lr_config.start_percent: {self.start_percent} given, a share from 0 to below 1 expected")
        start = round(length * self.start_percent)
        end = _end(self.min_lr, self.min_lr_ratio, base_lr)
        # a constant warm-up to 1 is a flat beginning
        return learning_rate_factor(
            Schedule(name="cosine", minimum=end), WarmUp(iterations=start, factor=1.0, method="constant"), max_iter=length
        )


@dataclass(frozen=True, kw_only=True)
class CosineRestart:
    """Half cosines of given lengths, one after another, each from its ``restart_weights`` (default 1) of the way up again."""

    by_epoch: ClassVar[bool] = True
    periods: list[int]
    restart_weights: list[float] | None = None
    min_lr: float | None = None
    min_lr_ratio: float | None = None

    def factor(self, length: int, base_lr: float) -> Factor:
        """Return the cosine of the period that a step is in."""
        weights = self.restart_weights or [1.0] * len(self.periods)
        if len(weights) != len(self.periods) or min(self.periods, default=0) < 1:
            raise ConfigError(
                f"lr_config: {len(weights)} restart_weights and periods {self.periods} given, one weight a period of at least 1 expected"
            )
        if sum(self.periods) < length:
            raise ConfigError(
                f"lr_config.periods: {self.periods} are {sum(self.periods)} steps, but the training has {length}; add a period"
            )
        end = _end(self.min_lr, self.min_lr_ratio, base_lr)
        courses = [(period, weight) for period, weight in zip(self.periods, weights, strict=True)]

        def factor(step: int) -> float:
            for period, weight in courses:
                if step < period:
                    return end + (1.0 - end) * weight * (1.0 + math.cos(math.pi * step / period)) / 2
                step -= period
            return end

        return factor


@dataclass(frozen=True, kw_only=True)
class Linear:
    """A straight line from the rate down to ``min_lr``, or to ``min_lr_ratio`` of it."""

    by_epoch: ClassVar[bool] = True
    min_lr: float | None = None
    min_lr_ratio: float | None = None

    def factor(self, length: int, base_lr: float) -> Factor:
        """Return a straight line."""
        return _petlib(Schedule(name="linear", minimum=_end(self.min_lr, self.min_lr_ratio, base_lr)), length)


@dataclass(frozen=True, kw_only=True)
class Cyclic:
    """Up to ``target_ratio[0]`` times the rate and down to ``target_ratio[1]`` times, ``cyclic_times`` times (https://arxiv.org/abs/1506.01186).

    The way up takes the share ``step_ratio_up`` of a cycle; from cycle to cycle the distance to the rate shrinks by ``gamma``.
    """

    by_epoch: ClassVar[bool] = False
    target_ratio: list[float] | float = 10.0
    cyclic_times: int = 1
    step_ratio_up: float = 0.4
    anneal_strategy: str = "cos"
    gamma: float = 1.0

    def factor(self, length: int, base_lr: float) -> Factor:
        """Return the way up or down in the cycle of a step."""
        ratios = [self.target_ratio, self.target_ratio / 1e5] if isinstance(self.target_ratio, float) else self.target_ratio
        period = length // max(self.cyclic_times, 1)
        up = int(self.step_ratio_up * period)
        if len(ratios) != 2 or self.cyclic_times < 1 or not 0 < up < period:
            raise ConfigError(
                f"lr_config: target_ratio {self.target_ratio}, cyclic_times {self.cyclic_times}, step_ratio_up {self.step_ratio_up} given; "
                f"two ratios expected, and a way up and a way down of at least one of the {length} iterations each"
            )
        anneal = _anneal(self.anneal_strategy)

        def factor(step: int) -> float:
            cycle, place = divmod(step, period)
            scale = self.gamma**cycle
            top = 1.0 - scale + ratios[0] * scale
            return anneal(1.0, top, place / up) if place < up else anneal(top, ratios[1], (place - up) / (period - up))

        return factor


@dataclass(frozen=True, kw_only=True)
class OneCycle:
    """Up from ``max_lr / div_factor`` to ``max_lr``, then down to ``1 / final_div_factor`` of the first rate (https://arxiv.org/abs/1708.07120).

    The way up takes the share ``pct_start``; with ``three_phase`` a way down to the first rate, as long, follows, and then the rest.
    As in ``torch.optim.lr_scheduler.OneCycleLR``; the optimizer's own rate has no effect.
    """

    by_epoch: ClassVar[bool] = False
    max_lr: float
    total_steps: int | None = None
    pct_start: float = 0.3
    anneal_strategy: str = "cos"
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    three_phase: bool = False

    def factor(self, length: int, base_lr: float) -> Factor:
        """Return the rate of the phase of a step, as a share of ``base_lr``."""
        total = self.total_steps or length
        if total < length:
            raise ConfigError(f"lr_config.total_steps: {total} given, but the training has {length} iterations")
        first = self.max_lr / self.div_factor
        last = first / self.final_div_factor
        peak = self.pct_start * total - 1
        phases = [(peak, first, self.max_lr)]
        phases += [(2 * peak, self.max_lr, first), (total - 1, first, last)] if self.three_phase else [(total - 1, self.max_lr, last)]
        begins = [0.0, *(end for end, _, _ in phases[:-1])]
        if any(end <= begin for begin, (end, _, _) in zip(begins, phases, strict=True)):
            raise ConfigError(f"lr_config.pct_start: {self.pct_start} of {total} iterations leaves a phase without iterations")
        anneal = _anneal(self.anneal_strategy)

        def factor(step: int) -> float:
            for begin, (end, start_rate, end_rate) in zip(begins, phases, strict=True):
                if step <= end:
                    return anneal(start_rate, end_rate, (step - begin) / (end - begin)) / base_lr
            return last / base_lr

        return factor


def _petlib(schedule: Schedule, length: int) -> Factor:
    return learning_rate_factor(schedule, WarmUp(), max_iter=length)


def _end(min_lr: float | None, min_lr_ratio: float | None, base_lr: float) -> float:
    if min_lr is not None and min_lr_ratio is not None:
        raise ConfigError(f"lr_config: min_lr {min_lr:g} and min_lr_ratio {min_lr_ratio:g} given, one of them expected")
    return min_lr_ratio or (min_lr or 0.0) / base_lr


def _anneal(strategy: str) -> Anneal:
    if strategy not in ("cos", "linear"):
        raise ConfigError(f"lr_config.anneal_strategy: {strategy!r} given, cos or linear expected")
    if strategy == "linear":
        return lambda start, end, share: start + (end - start) * share
    return lambda start, end, share: end + (start - end) * (1.0 + math.cos(math.pi * share)) / 2
