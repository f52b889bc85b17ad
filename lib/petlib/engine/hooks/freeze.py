"""A part of the network that stays as it is for the first epochs."""

import logging
import re
from collections.abc import Iterator

from torch import nn

from petlib.engine.hook import Hook
from petlib.engine.state import TrainState
from petlib.solver.optimizers import begin_momenta

logger = logging.getLogger(__name__)


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

    def before_train(self, state: TrainState) -> None:
        """Warn where the training ends before anything but the head has learned."""
        if self.epochs > 0 and self.epochs * state.iterations_per_epoch >= state.max_iter:
            logger.warning(
                "only the head will ever learn: the run ends after %d iterations, and the rest is frozen for %d epochs of %d",
                *(state.max_iter, self.epochs, state.iterations_per_epoch),
            )

    def before_epoch(self, state: TrainState) -> None:
        """Freeze, or release what was frozen when the time is over."""
        if self.epochs < 0 or state.epoch < self.epochs:
            self._freeze(state.network)
        else:
            for optimizer in state.optimizers.values():
                begin_momenta(optimizer)
            if self._modules:
                self._parameters, self._modules = [], []
                state.network.train()
                logger.info("epoch %d: all of the network learns", state.epoch + 1)
        self.before_step(state)

    def _freeze(self, network: nn.Module) -> None:
        parameters = dict(network.named_parameters())
        frozen = [parameter for name, parameter in parameters.items() if not self._head.search(name)]
        if not self._modules:
            until = "for the whole training" if self.epochs < 0 else f"for the first {self.epochs} epochs"
            logger.info(
                "%d of %d parameter tensors, the head, learn %s; the rest is frozen", len(parameters) - len(frozen), len(parameters), until
            )
        self._parameters, self._modules = frozen, list(frozen_modules(network, self._head))

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
