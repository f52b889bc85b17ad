"""AdamW with Paddle's arguments."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from pet.compat.paddleseg.paddle.optimizer.lr import LRScheduler, check_rate
from petlib.errors import ConfigError

Parameters = Iterable[nn.Parameter] | Iterable[dict[str, Any]]


class AdamW(torch.optim.AdamW):
    """torch's AdamW, which remembers its schedule for :func:`pet.compat.paddleseg.core.train`.

    Args:
        learning_rate: above 0, or a schedule of :mod:`pet.compat.paddleseg.paddle.optimizer.lr`.
        beta1: decay rate of the mean of the gradients.
        beta2: decay rate of the mean of their squares.
        epsilon: added to the denominator.
        parameters: what is learned, ``model.parameters()``, or groups of parameters as torch takes them.
        weight_decay: decoupled from the gradients.

    Raises:
        ConfigError: there are no parameters, or the rate is no rate.

    Attributes:
        schedule: the learning rate of each iteration; None: it stays.
    """

    def __init__(  # noqa: PLR0917 -- Paddle's order
        self,
        learning_rate: float | LRScheduler = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-08,
        parameters: Parameters | None = None,
        weight_decay: float = 0.01,
    ) -> None:
        if parameters is None:
            raise ConfigError("AdamW: parameters: nothing given, parameters=model.parameters() expected")
        schedule = learning_rate if isinstance(learning_rate, LRScheduler) else None
        base_lr = schedule.base_lr if schedule is not None else check_rate("AdamW", float(learning_rate))  # type: ignore[arg-type]
        super().__init__(parameters, lr=base_lr, betas=(beta1, beta2), eps=epsilon, weight_decay=weight_decay)
        self.schedule = schedule
