"""Schedules of the learning rate and of other numbers in closed form: one value for each iteration, so that resuming needs no history."""

import bisect
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Factor = Callable[[int], float]
"""From an iteration, counted from 0, to a number."""


logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The course of the learning rate after warm-up, as a factor of the base rate.

    With ``p`` the share of the iterations after warm-up that is done, and ``m`` the minimum:

    - step: ``gamma ** (number of milestones reached)``, counted from the start of the training
    - cosine: ``m + (1 - m) * (1 + cos(pi * p)) / 2`` (https://arxiv.org/abs/1608.03983, without restarts)
    - poly: ``m + (1 - m) * (1 - p) ** power``
    - linear: ``m + (1 - m) * (1 - p)``
    - exponential: ``gamma ** p``
    - constant: 1

    Args:
        name: one of these.
        milestones: iterations of the step schedule, ascending.
        gamma: factor of the step and exponential schedules.
        power: exponent of the poly schedule.
        minimum: factor at the end of the cosine, poly and linear schedules, from 0 to 1.
    """

    name: Literal["step", "cosine", "poly", "linear", "exponential", "constant"]
    milestones: Sequence[int] = ()
    gamma: float = 0.1
    power: float = 0.9
    minimum: float = 0.0


@dataclass(frozen=True, kw_only=True)
class WarmUp:
    """The first iterations, on smaller rates (https://arxiv.org/abs/1706.02677).

    With ``f`` the factor of the first iteration and ``w`` the share of the warm-up that is done:
    linear ``f + (1 - f) * w``, exponential ``f ** (1 - w)``, constant ``f``.

    Args:
        iterations: its length; iteration ``iterations`` is the first one at the full rate. 0: no warm-up.
        factor: ``f``; greater than 0 for the exponential method.
        method: the shape.
    """

    iterations: int = 0
    factor: float = 0.1
    method: Literal["linear", "exponential", "constant"] = "linear"


def learning_rate_factor(schedule: Schedule, warm_up: WarmUp, *, max_iter: int) -> Factor:
    """Return the function from an iteration, counted from 0, to the factor of the base learning rate.

    It holds from iteration 0 to ``max_iter`` (where the decay is complete) and stays there afterwards. A warm-up that is longer is a
    warning: the rate only rises then.
    """
    start = warm_up.iterations
    report_long_warm_up(start, max_iter)
    rise, decay = _rise(warm_up), _decay(schedule, start=start, length=max(max_iter - start, 1))
    if start == 0:
        return decay
    if schedule.name == "step":
        return lambda iteration: rise(iteration) * decay(iteration) if iteration < start else decay(iteration)
    return lambda iteration: rise(iteration) if iteration < start else decay(iteration)


def report_long_warm_up(iterations: int, max_iter: int) -> None:
    """Warn where a warm-up is longer than the training."""
    if iterations > max_iter:
        logger.warning(
            "the warm-up of %d iterations does not end in this training of %d; the full rate is never reached", iterations, max_iter
        )


def _decay(schedule: Schedule, *, start: int, length: int) -> Factor:
    """Return the factor after warm-up, which is over at iteration ``start``; the decay takes ``length`` iterations.

    Each is one function without further calls: it runs in every iteration.
    """
    minimum, power, gamma = schedule.minimum, schedule.power, schedule.gamma
    span, end, milestones = 1.0 - minimum, start + length, list(schedule.milestones)
    # the share that is done is (iteration - start) / length, and 1 from the end on
    decays: dict[str, Factor] = {
        "step": lambda iteration: gamma ** bisect.bisect_right(milestones, iteration),
        "cosine": lambda i: minimum + span * (1.0 + math.cos(math.pi * (i - start) / length)) / 2 if i < end else minimum,
        "poly": lambda i: minimum + span * (1.0 - (i - start) / length) ** power if i < end else minimum,
        "linear": lambda i: minimum + span * (1.0 - (i - start) / length) if i < end else minimum,
        "exponential": lambda i: gamma ** ((i - start) / length) if i < end else gamma,
        "constant": lambda _: 1.0,
    }
    return decays[schedule.name]


def _rise(warm_up: WarmUp) -> Factor:
    """Return the factor of the warm-up, for iterations before its end."""
    factor, length = warm_up.factor, warm_up.iterations
    if warm_up.method == "linear":
        return lambda iteration: factor + (1 - factor) * iteration / length
    if warm_up.method == "exponential":
        assert factor > 0 or length == 0, "an exponential warm-up cannot start at 0"
        return lambda iteration: factor ** (1 - iteration / length)
    return lambda _: factor


def number_schedule(start: float, end: float, *, iterations: int, shape: Literal["cosine", "linear", "constant"] = "cosine") -> Factor:
    """Return the function from an iteration, counted from 0, to a number that goes from ``start`` to ``end``: a teacher's momentum, a
    temperature, a weight decay, a margin.

    With ``p`` the share of ``iterations`` that is done: cosine ``end - (end - start) * (1 + cos(pi * p)) / 2``, linear
    ``start + (end - start) * p``, constant ``start``. After ``iterations`` it stays at ``end``.

    Args:
        start: the number in iteration 0.
        end: the number in iteration ``iterations``.
        iterations: how long it takes; 0: it is ``end`` from the beginning.
        shape: the course.
    """
    if shape == "constant" or start == end:
        return lambda _: start
    span = end - start
    if shape == "linear":
        return lambda iteration: start + span * iteration / iterations if iteration < iterations else end
    return lambda iteration: end - span * (1.0 + math.cos(math.pi * iteration / iterations)) / 2 if iteration < iterations else end
