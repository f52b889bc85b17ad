"""Optimizers with Paddle's arguments, which remember their schedule for :func:`pet.compat.paddleseg.core.train`."""

from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import nn

from pet.compat.paddleseg.paddle.optimizer.lr import LRScheduler, check_rate
from petlib.errors import ConfigError

Parameters = Iterable[nn.Parameter] | Iterable[dict[str, Any]]


class AdamArguments:
    """What Adam and AdamW take.

    Args:
        learning_rate: above 0, or a schedule of :mod:`pet.compat.paddleseg.paddle.optimizer.lr`.
        beta1: decay rate of the mean of the gradients.
        beta2: decay rate of the mean of their squares.
        epsilon: added to the denominator.
        parameters: what is learned, ``model.parameters()``, or groups of parameters as torch takes them.
        weight_decay: None: Paddle's default of this optimizer.

    Raises:
        ConfigError: there are no parameters, or the rate is no rate.

    Attributes:
        schedule: the learning rate of each iteration; None: it stays.
        default_decay: Paddle's default.
    """

    default_decay: ClassVar[float]

    def __init__(  # noqa: PLR0917 -- Paddle's order
        self,
        learning_rate: float | LRScheduler = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-08,
        parameters: Parameters | None = None,
        weight_decay: float | None = None,
    ) -> None:
        name = type(self).__name__
        self.schedule, base_lr = read_rate(name, learning_rate)
        groups, decay = check_parameters(name, parameters), self.default_decay if weight_decay is None else weight_decay
        super().__init__(groups, lr=base_lr, betas=(beta1, beta2), eps=epsilon, weight_decay=decay)  # type: ignore[call-arg]  # torch's


class AdamW(AdamArguments, torch.optim.AdamW):
    """torch's AdamW, which remembers its schedule for :func:`pet.compat.paddleseg.core.train`; its decay is not added to the gradients."""

    default_decay = 0.01


class Adam(AdamArguments, torch.optim.Adam):
    """torch's Adam; its decay is added to the gradients."""

    default_decay = 0.0


class Momentum(torch.optim.SGD):
    """torch's SGD with momentum.

    Args:
        learning_rate: above 0, or a schedule.
        momentum: share of the update before that is kept.
        parameters: what is learned.
        use_nesterov: look ahead along the momentum.
        weight_decay: added to the gradients; None: 0.
    """

    def __init__(
        self,
        learning_rate: float | LRScheduler = 0.001,
        momentum: float = 0.9,
        parameters: Parameters | None = None,
        use_nesterov: bool = False,
        weight_decay: float | None = None,
    ) -> None:
        self.schedule, base_lr = read_rate("Momentum", learning_rate)
        groups = check_parameters("Momentum", parameters)
        super().__init__(groups, lr=base_lr, momentum=momentum, nesterov=use_nesterov, weight_decay=weight_decay or 0.0)


class SGD(Momentum):
    """torch's SGD without momentum."""

    def __init__(
        self, learning_rate: float | LRScheduler = 0.001, parameters: Parameters | None = None, weight_decay: float | None = None
    ) -> None:
        super().__init__(learning_rate, momentum=0.0, parameters=parameters, weight_decay=weight_decay)


def read_rate(name: str, learning_rate: float | LRScheduler) -> tuple[LRScheduler | None, float]:
    """Return the schedule, None where the rate stays, and the rate that its others are multiples of.

    Raises:
        ConfigError: it is no rate.
    """
    if isinstance(learning_rate, LRScheduler):
        return learning_rate, learning_rate.base_lr
    return None, check_rate(name, float(learning_rate))


def check_parameters(name: str, parameters: Parameters | None) -> Parameters:
    """Return the parameters.

    Raises:
        ConfigError: there are none.
    """
    if parameters is None:
        raise ConfigError(f"{name}: parameters: nothing given, parameters=model.parameters() expected")
    return parameters
