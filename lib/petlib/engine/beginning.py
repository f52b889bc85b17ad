"""What an iteration begins with and a forward pass changes: random numbers and buffers, so that it can be computed again."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class KeptBuffers:
    """The buffers of a network, such as batch-norm statistics, as they were."""

    def __init__(self) -> None:
        self._buffers: list[Tensor] = []
        self._kept: list[tuple[list[Tensor], list[Tensor]]] = []

    @torch.no_grad()
    def keep(self, network: nn.Module) -> None:
        """Remember the buffers of ``network``."""
        buffers = list(network.buffers())
        if [*map(id, buffers)] != [*map(id, self._buffers)]:
            self._buffers, self._kept = buffers, _with_copies(buffers)
        for members, copies in self._kept:
            torch._foreach_copy_(copies, members)

    @torch.no_grad()
    def restore(self) -> None:
        """Make the buffers again what they were."""
        for members, copies in self._kept:
            torch._foreach_copy_(members, copies)


class Beginning:
    """Buffers and random states of torch at the beginning of an iteration."""

    def __init__(self) -> None:
        self._buffers = KeptBuffers()
        self._random: list[Tensor] = []

    def keep(self, network: nn.Module) -> None:
        """Remember those of now."""
        self._buffers.keep(network)
        self._random = random_states()

    def restore(self) -> None:
        """Go back to them."""
        self._buffers.restore()
        restore_random_states(self._random)


def random_states() -> list[Tensor]:
    """Return the states of torch's generators: of the CPU, and of the GPU where it is in use."""
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state()] if torch.cuda.is_initialized() else states  # type: ignore[no-untyped-call]


def restore_random_states(states: list[Tensor]) -> None:
    """Go back to what :func:`random_states` returned."""
    torch.set_rng_state(states[0])
    if len(states) > 1:
        torch.cuda.set_rng_state(states[1])


def _with_copies(tensors: Iterable[Tensor]) -> list[tuple[list[Tensor], list[Tensor]]]:
    """Return tensors of one device and type together, so that one operation copies them all, with room for a copy of each."""
    groups: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for tensor in tensors:
        groups.setdefault((tensor.device, tensor.dtype), []).append(tensor)
    return [(members, [torch.empty_like(member) for member in members]) for members in groups.values()]
