"""Networks whose weights and computation are float16."""

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map


class HalfPrecision(nn.Module):
    """A network in float16 that takes and gives float32, wherever such tensors are in its arguments and results.

    Args:
        network: a copy of it is converted, with its buffers.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).half()

    def forward(self, *args: Any) -> Any:
        """Return what the network gives."""
        return _cast(self.network(*_cast(args, torch.float32, torch.float16)), torch.float16, torch.float32)


def with_half(network: nn.Module, names: Iterable[str]) -> nn.Module:
    """Return a copy of a network in which some modules compute in float16 and all else stays in float32.

    Args:
        network: the network.
        names: of the modules below it.
    """
    network = copy.deepcopy(network)
    for name in names:
        parent = network.get_submodule(name.rpartition(".")[0])
        setattr(parent, name.rpartition(".")[2], HalfPrecision(network.get_submodule(name)))
    return network


def _cast(values: Any, given: torch.dtype, wanted: torch.dtype) -> Any:
    def change(value: Any) -> Any:
        return value.to(wanted) if isinstance(value, Tensor) and value.dtype == given else value

    return tree_map(change, values)
