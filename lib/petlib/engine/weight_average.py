"""The exponential moving average of a network's weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass
class _Group:
    """Floating-point tensors that are averaged with one decay."""

    averages: list[Tensor] = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)


class WeightAverage:
    """Average of parameters and floating-point buffers over the iterations; other buffers are copied.

    ``average <- decay * average + (1 - decay) * weights``, with a decay of at most ``(1 + n) / (10 + n)`` at the n-th
    update, so that the random first weights do not linger.

    Args:
        network: the network without wrappers, on its device; its tensors must stay the same objects.
        decay: share of the average that stays, 0 <= decay < 1. A mapping from names of modules, such as ``generator``, to
            theirs averages these modules alone; what is not averaged has the network's own weights in :meth:`state_dict`.
    """

    def __init__(self, network: nn.Module, *, decay: float | Mapping[str, float]) -> None:
        decays = {"": decay} if isinstance(decay, float | int) else dict(decay)
        for name, share in decays.items():
            assert 0.0 <= share < 1.0, f"decay{f' of {name}' if name else ''} is {share}, expected 0 <= decay < 1"
        self._weights = dict(network.state_dict())
        self._averages: dict[str, Tensor] = {}
        self._groups: dict[float, _Group] = {}
        self._others: list[str] = []
        for name, weights in self._weights.items():
            own = _decay_of(name, decays)
            if own is not None:
                self._add(name, weights, own)

    def _add(self, name: str, weights: Tensor, decay: float) -> None:
        average = self._averages[name] = weights.detach().clone()
        if not weights.is_floating_point():
            self._others.append(name)
            return
        group = self._groups.setdefault(decay, _Group())
        group.averages.append(average)
        group.weights.append(weights)

    @torch.no_grad()
    def update(self, count: int) -> None:
        """Take in the weights after the ``count``-th iteration."""
        for decay, group in self._groups.items():
            torch._foreach_lerp_(group.averages, group.weights, 1.0 - min(decay, (1.0 + count) / (10.0 + count)))
        for name in self._others:
            self._averages[name].copy_(self._weights[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the averages into the network for the time of the context, e.g. for an evaluation."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def state_dict(self) -> dict[str, Tensor]:
        """Return the averages under the names of the network's state dict, with the weights of what is not averaged."""
        return {**self._weights, **self._averages}

    @torch.no_grad()
    def load_state_dict(self, averages: dict[str, Tensor]) -> None:
        """Take over averages from a checkpoint."""
        for name, average in self._averages.items():
            average.copy_(averages[name])

    @torch.no_grad()
    def _swap(self) -> None:
        for name, average in self._averages.items():
            weights = self._weights[name]
            kept = weights.clone()
            weights.copy_(average)
            average.copy_(kept)


def _decay_of(name: str, decays: Mapping[str, float]) -> float | None:
    """Return the decay of a tensor of the state dict; None: it is not averaged."""
    return next((decay for module, decay in decays.items() if not module or name.startswith(f"{module}.")), None)
