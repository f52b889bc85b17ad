"""A part of the network that stays as it is for the first epochs."""

import re
from collections.abc import Iterator

from torch import nn

from petlib.engine.hook import Hook
from petlib.engine.state import TrainState


class FreezeHook(Hook):
    """Keeps all of a network but its head as it is: parameters, and what modules do otherwise in training, such as batch norm's statistics.

    The gradients of the frozen parameters are dropped before the optimizer sees them. It would be faster not to compute them, but
    DistributedDataParallel fixes at its start which parameters have gradients, and so would never train them.

    Args:
        head: found in the names of the parameters that learn from the start.
        epochs: for how many epochs the others are frozen; -1: for the whole training.
    """

    order = 15
    key = "freeze"

    def __init__(self, *, head: re.Pattern[str], epochs: int) -> None:
        self.epochs = epochs
        self._head = head
        self._modules: list[nn.Module] = []
        self._parameters: list[nn.Parameter] = []

    def before_epoch(self, state: TrainState) -> None:
        """Freeze, or release what was frozen when the time is over."""
        if self.epochs < 0 or state.epoch < self.epochs:
            self._parameters = [parameter for name, parameter in state.network.named_parameters() if not self._head.search(name)]
            self._modules = list(frozen_modules(state.network, self._head))
        elif self._modules:
            self._parameters, self._modules = [], []
            state.network.train()
        self.before_step(state)

    def before_step(self, state: TrainState) -> None:
        """Keep frozen modules in evaluation mode: an evaluation switches all of the network back to training."""
        for module in self._modules:
            if module.training:
                module.eval()

    def after_backward(self, state: TrainState) -> None:
        """Drop the gradients of what is frozen."""
        for parameter in self._parameters:
            parameter.grad = None


def frozen_modules(network: nn.Module, head: re.Pattern[str], prefix: str = "") -> Iterator[nn.Module]:
    """Yield the greatest parts of a network that have parameters, none of which belongs to the head."""
    for name, child in network.named_children():
        names = [f"{prefix}{name}.{parameter}" for parameter, _ in child.named_parameters()]
        if names and not any(head.search(parameter) for parameter in names):
            yield child
        elif names:
            yield from frozen_modules(child, head, f"{prefix}{name}.")
