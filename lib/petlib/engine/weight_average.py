"""The exponential moving average of a network's weights."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Average of parameters and floating-point buffers over the iterations; other buffers are copied.

    ``average <- decay * average + (1 - decay) * weights``, with a decay of at most ``(1 + n) / (10 + n)`` at the n-th
    update, so that the random first weights do not linger.

    Args:
        network: the network without wrappers, on its device; its tensors must stay the same objects.
        decay: share of the average that stays, 0 <= decay < 1.
    """

    def __init__(self, network: nn.Module, *, decay: float) -> None:
        assert 0.0 <= decay < 1.0, f"decay is {decay}, expected 0 <= decay < 1"
        self._decay = decay
        self._weights = dict(network.state_dict())
        self._averages = {name: tensor.detach().clone() for name, tensor in self._weights.items()}
        floating = [name for name, tensor in self._weights.items() if tensor.is_floating_point()]
        self._floating_averages = [self._averages[name] for name in floating]
        self._floating_weights = [self._weights[name] for name in floating]
        self._others = [name for name in self._weights if name not in set(floating)]

    @torch.no_grad()
    def update(self, count: int) -> None:
        """Take in the weights after the ``count``-th iteration."""
        weight = 1.0 - min(self._decay, (1.0 + count) / (10.0 + count))
        torch._foreach_lerp_(self._floating_averages, self._floating_weights, weight)
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
        """Return the averages under the names of the network's state dict."""
        return dict(self._averages)

    @torch.no_grad()
    def load_state_dict(self, averages: dict[str, Tensor]) -> None:
        """Take over averages from a checkpoint."""
        for name, average in self._averages.items():
            average.copy_(averages[name])

    @torch.no_grad()
    def _swap(self) -> None:
        for name, weights in self._weights.items():
            kept = weights.clone()
            weights.copy_(self._averages[name])
            self._averages[name].copy_(kept)
