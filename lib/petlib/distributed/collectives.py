"""Exchange between all processes. Without a process group each function answers for the one process there is.

Every rank has to call them in the same order. Objects are pickled and travel over gloo, also on CUDA.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from petlib.distributed.process_group import is_main_process, rank, world_size

Value = TypeVar("Value")


def barrier() -> None:
    """Wait until every process has come here."""
    if world_size() > 1:
        distributed.all_reduce(torch.zeros(1))


def broadcast_object(value: Value, source: int = 0) -> Value:
    """Return the ``value`` of rank ``source`` on every rank."""
    if world_size() == 1:
        return value
    box = [value if rank() == source else None]
    distributed.broadcast_object_list(box, src=source, device=torch.device("cpu"))
    return box[0]  # type: ignore[return-value]


def all_gather_objects(value: Value) -> list[Value]:
    """Return the values of all ranks, in the order of the ranks, on every rank."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    distributed.all_gather_object(values, value)
    return values


def gather_objects(value: Value) -> list[Value] | None:
    """Return the values of all ranks, in the order of the ranks, on rank 0, and None on the others."""
    if world_size() == 1:
        return [value]
    values: list[Any] | None = [None] * world_size() if is_main_process() else None
    distributed.gather_object(value, values, dst=0)
    return values


def any_rank(*flags: bool) -> tuple[bool, ...]:
    """Return for each of ``flags`` whether it is set on any rank; the answer is the same on every rank."""
    if world_size() == 1:
        return flags
    counts = all_reduce_sum(torch.tensor(flags, dtype=torch.int64))
    return tuple(count > 0 for count in counts.tolist())


def all_reduce_sum(tensor: Tensor) -> Tensor:
    """Return the sum of the tensors of all ranks as a new tensor; shapes and dtypes have to be the same."""
    total = tensor.detach().clone(memory_format=torch.contiguous_format)
    if world_size() > 1:
        distributed.all_reduce(total)
    return total


def all_reduce_mean(tensor: Tensor) -> Tensor:
    """Return the mean over the ranks as a new tensor; whole numbers give a floating-point mean."""
    return all_reduce_sum(tensor) / world_size()


def all_reduce_max(tensor: Tensor) -> Tensor:
    """Return the largest values of all ranks, element by element, as a new tensor; shapes and dtypes have to be the same."""
    largest = tensor.detach().clone(memory_format=torch.contiguous_format)
    if world_size() > 1:
        distributed.all_reduce(largest, op=distributed.ReduceOp.MAX)
    return largest


def broadcast_buffers(model: nn.Module) -> None:
    """Give every rank the buffers of rank 0, such as batch-norm statistics, whole numbers and flags too."""
    broadcast_tensors(model.buffers())


@torch.no_grad()
def broadcast_tensors(tensors: Iterable[Tensor]) -> None:
    """Overwrite ``tensors`` in place with those of rank 0; one message for each device, whatever the dtypes."""
    if world_size() == 1:
        return
    by_device: dict[torch.device, list[Tensor]] = {}
    for tensor in tensors:
        if tensor.numel():
            by_device.setdefault(tensor.device, []).append(tensor)
    for members in by_device.values():
        pieces = [member.detach().contiguous().reshape(-1).view(torch.uint8) for member in members]
        message = torch.cat(pieces)
        distributed.broadcast(message, src=0)
        if rank() != 0:
            for member, received in zip(members, torch.split(message, [len(piece) for piece in pieces]), strict=True):
                member.copy_(received.clone().view(member.dtype).view(member.shape))
