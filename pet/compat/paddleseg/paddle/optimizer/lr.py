"""Schedules of the learning rate under Paddle's names, each a function of the iteration, counted from 0."""

import bisect
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

from pet.compat.shared.absent import refuse_absent
from petlib.errors import ConfigError


class LRScheduler(ABC):
    """The learning rate of every iteration.

    Attributes:
        base_lr: a rate above 0 that the others are multiples of.
    """

    base_lr: float

    @abstractmethod
    def rate(self, iteration: int) -> float:
        """Return the learning rate of an iteration, counted from 0."""


class PolynomialDecay(LRScheduler):
    """``(learning_rate - end_lr) * (1 - iteration / decay_steps) ** power + end_lr``, and ``end_lr`` after ``decay_steps``.

    Args:
        learning_rate: at the beginning, above 0.
        decay_steps: iterations of the decay, at least 1.
        end_lr: at its end and after it.
        power: exponent.

    Raises:
        ConfigError: an argument is out of range.
    """

    def __init__(self, learning_rate: float, decay_steps: int, end_lr: float = 0.0001, power: float = 1.0) -> None:
        self.base_lr = check_rate("PolynomialDecay", learning_rate)
        if decay_steps < 1:
            raise ConfigError(
                f"PolynomialDecay: decay_steps: {decay_steps} given, at least 1 iteration expected; "
                "iters // epochs is 0 where an epoch has fewer images than a batch: lower batch_size"
            )
        self.decay_steps = decay_steps
        self.end_lr = end_lr
        self.power = power

    def rate(self, iteration: int) -> float:
        """Return the learning rate of an iteration, counted from 0."""
        rest = 1.0 - min(iteration, self.decay_steps) / self.decay_steps
        return float((self.base_lr - self.end_lr) * rest**self.power + self.end_lr)


class LinearWarmup(LRScheduler):
    """From ``start_lr`` to ``end_lr`` in ``warmup_steps`` iterations along a line, then what ``learning_rate`` says.

    Args:
        learning_rate: the rate after the warm-up, above 0, or a schedule that begins there.
        warmup_steps: iterations of the warm-up; 0: none.
        start_lr: at the beginning.
        end_lr: at the end of the warm-up.

    Raises:
        ConfigError: an argument is out of range.
    """

    def __init__(self, learning_rate: float | LRScheduler, warmup_steps: int, start_lr: float, end_lr: float) -> None:
        self.after = None if not isinstance(learning_rate, LRScheduler) else learning_rate
        self.base_lr = learning_rate.base_lr if isinstance(learning_rate, LRScheduler) else check_rate("LinearWarmup", learning_rate)
        if warmup_steps < 0 or start_lr > end_lr:
            raise ConfigError(
                f"LinearWarmup: warmup_steps {warmup_steps}, start_lr {start_lr:g} and end_lr {end_lr:g} given; "
                "at least 0 iterations and a rise from start_lr to end_lr expected"
            )
        self.warmup_steps = warmup_steps
        self.start_lr = start_lr
        self.end_lr = end_lr

    def rate(self, iteration: int) -> float:
        """Return the learning rate of an iteration, counted from 0."""
        if iteration < self.warmup_steps:
            return self.start_lr + (self.end_lr - self.start_lr) * iteration / self.warmup_steps
        return self.after.rate(iteration - self.warmup_steps) if self.after is not None else self.base_lr


class CosineAnnealingDecay(LRScheduler):
    """From ``learning_rate`` to ``eta_min`` along half a cosine in ``T_max`` iterations, and back again.

    Args:
        learning_rate: at the beginning, above 0.
        T_max: iterations of half a cosine, at least 1.
        eta_min: at its end.

    Raises:
        ConfigError: an argument is out of range.
    """

    def __init__(self, learning_rate: float, T_max: int, eta_min: float = 0.0) -> None:  # noqa: N803 -- Paddle's name
        self.base_lr = check_rate("CosineAnnealingDecay", learning_rate)
        if T_max < 1:
            raise ConfigError(f"CosineAnnealingDecay: T_max: {T_max} given, at least 1 iteration expected")
        self.half_period = T_max
        self.eta_min = eta_min

    def rate(self, iteration: int) -> float:
        """Return the learning rate of an iteration, counted from 0."""
        share = (1.0 + math.cos(math.pi * iteration / self.half_period)) / 2.0
        return self.eta_min + (self.base_lr - self.eta_min) * share


class PiecewiseDecay(LRScheduler):
    """``values[0]`` before the iteration ``boundaries[0]``, ``values[1]`` before ``boundaries[1]``, and so on.

    Args:
        boundaries: ascending iterations.
        values: rates, one more, the first above 0.

    Raises:
        ConfigError: an argument is out of range.
    """

    def __init__(self, boundaries: Sequence[int], values: Sequence[float]) -> None:
        if len(values) != len(boundaries) + 1 or list(boundaries) != sorted(boundaries):
            raise ConfigError(
                f"PiecewiseDecay: {len(values)} values and the boundaries {list(boundaries)} given; "
                "ascending boundaries and one more value expected"
            )
        self.base_lr = check_rate("PiecewiseDecay", values[0])
        self.boundaries = list(boundaries)
        self.values = [float(value) for value in values]

    def rate(self, iteration: int) -> float:
        """Return the learning rate of an iteration, counted from 0."""
        return self.values[bisect.bisect_right(self.boundaries, iteration)]


class StepDecay(LRScheduler):
    """``learning_rate * gamma ** (iteration // step_size)``.

    Args:
        learning_rate: at the beginning, above 0.
        step_size: iterations of each rate, at least 1.
        gamma: factor from one to the next.

    Raises:
        ConfigError: an argument is out of range.
    """

    def __init__(self, learning_rate: float, step_size: int, gamma: float = 0.1) -> None:
        self.base_lr = check_rate("StepDecay", learning_rate)
        if step_size < 1:
            raise ConfigError(f"StepDecay: step_size: {step_size} given, at least 1 iteration expected")
        self.step_size = step_size
        self.gamma = gamma

    def rate(self, iteration: int) -> float:
        """Return the learning rate of an iteration, counted from 0."""
        return self.base_lr * self.gamma ** (iteration // self.step_size)


OTHERS = (
    *("ExponentialDecay", "NaturalExpDecay", "InverseTimeDecay", "MultiStepDecay", "LambdaDecay", "NoamDecay", "OneCycleLR", "CyclicLR"),
    *("ReduceOnPlateau", "MultiplicativeDecay", "LinearLR"),
)
ABSENT = dict.fromkeys(
    OTHERS, "train(optimizer=torch.optim...., lr_scheduler=torch.optim.lr_scheduler....) takes schedules of torch, stepped every iteration"
)
__getattr__ = refuse_absent(__name__, ABSENT)


def check_rate(name: str, learning_rate: float) -> float:
    """Return a learning rate above 0.

    Raises:
        ConfigError: it is something else.
    """
    if not 0.0 < learning_rate < float("inf"):
        raise ConfigError(f"{name}: learning_rate: {learning_rate} given, a number above 0 expected")
    return float(learning_rate)
