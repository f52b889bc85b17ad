"""Gradients that processes average by themselves, once all of them have said that they have them."""

from collections.abc import Iterator

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from petlib.distributed.collectives import all_reduce_sum, broadcast_tensors
from petlib.distributed.parallel import computes_together, unwrap
from petlib.distributed.process_group import rank, world_size

BUCKET_BYTES = 32 * 2**20
"""So much travels in one message; DDP's are of this size too."""


class GradientExchange:
    """Averages the gradients of a model after its backward passes, in which no process waits for another.

    ``DistributedDataParallel`` exchanges them within the backward pass, so that the others would wait for ever for a process that could not
    finish its own. Here each process first says whether it could (:meth:`agree`). What it costs: the messages no longer travel while the
    backward pass computes. One process alone has nothing to exchange.

    Args:
        model: as it is called in training. Only one in ``DistributedDataParallel`` has gradients to be averaged.
    """

    def __init__(self, model: nn.Module) -> None:
        self._buffers: list[Tensor] = []
        self._parameters: list[nn.Parameter] = []
        if isinstance(model, DistributedDataParallel):
            network, own = unwrap(model), model.parameters_to_ignore
            self._buffers = [buffer for name, buffer in network.named_buffers() if name not in own]
            self._parameters = [value for name, value in network.named_parameters() if value.requires_grad and name not in own]
        self._used = [False] * len(self._parameters)

    def begin(self) -> None:
        """Give every process the buffers of the first one, as ``DistributedDataParallel`` does before a forward pass."""
        broadcast_tensors(self._buffers)

    def agree(self, *, failed: bool) -> list[int]:
        """Return the numbers of the processes that failed; every process calls it with whether it did, and gets the same answer."""
        count = world_size()
        if count == 1:
            return [0] if failed else []
        said = [failed and place == rank() for place in range(count)]
        said += [parameter.grad is not None for parameter in self._parameters]
        sums = all_reduce_sum(torch.tensor(said, dtype=torch.int32)).tolist()
        self._used = [number > 0 for number in sums[count:]]
        return [place for place in range(count) if sums[place]]

    @torch.no_grad()
    def average(self) -> None:
        """Make each gradient the mean of those of all processes; call it after :meth:`agree`. One that no process has stays None."""
        if not self._parameters:
            return
        for parameter, used in zip(self._parameters, self._used, strict=True):
            if used and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        for bucket in _buckets([value.grad for value in self._parameters if value.grad is not None]):
            message = torch.cat([gradient.reshape(-1) for gradient in bucket])
            distributed.all_reduce(message)
            message /= world_size()
            pieces = torch.split(message, [gradient.numel() for gradient in bucket])
            torch._foreach_copy_(bucket, [piece.view_as(gradient) for piece, gradient in zip(pieces, bucket, strict=True)])


def can_repeat(model: nn.Module) -> bool:
    """Return whether a forward pass that failed in one process can be done again by all of them, as if it had not begun.

    It cannot where the forward pass itself waits for the other processes: these would wait for the one that failed. Sharded models do, and
    synchronised batch norms; other modules say so by ``waits_for_others = True``. A module that counts its calls has ``can_repeat`` False.
    """
    modules = list(model.modules())
    if world_size() > 1:
        waits = any(isinstance(module, nn.SyncBatchNorm) or getattr(module, "waits_for_others", False) for module in modules)
        if waits or computes_together(model):
            return False
    return all(getattr(module, "can_repeat", True) for module in modules)


def _buckets(gradients: list[Tensor]) -> Iterator[list[Tensor]]:
    """Yield gradients of one device and type together, at most :data:`BUCKET_BYTES` unless one alone has more."""
    groups: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for gradient in gradients:
        groups.setdefault((gradient.device, gradient.dtype), []).append(gradient)
    for members in groups.values():
        bucket: list[Tensor] = []
        for gradient in members:
            if bucket and sum(one.nbytes for one in bucket) + gradient.nbytes > BUCKET_BYTES:
                yield bucket
                bucket = []
            bucket.append(gradient)
        yield bucket
