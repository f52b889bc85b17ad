"""Rows of all processes joined into one tensor: with gradients for losses over the whole batch, and without for what is measured."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, distributed
from torch.autograd import Function

from petlib.distributed.collectives import all_gather_objects
from petlib.distributed.process_group import rank, world_size


class _GatherRows(Function):
    """All ranks' rows forward; backward the sum of what all ranks say of this rank's rows."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, scale: float) -> Tensor:
        ctx.count, ctx.scale = len(rows), scale
        gathered = rows.new_empty(world_size() * len(rows), *rows.shape[1:])
        distributed.all_gather([*gathered.chunk(world_size())], rows.contiguous())
        return gathered

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        own = total[rank() * ctx.count : (rank() + 1) * ctx.count]
        return own * ctx.scale if ctx.scale != 1.0 else own, None


def gather_with_gradient(rows: Tensor, *, scale: float = 1.0) -> Tensor:
    """Return the rows (B, ...) of all ranks as (world size * B, ...), in the order of the ranks, through which gradients flow back.

    The gradient of a row is the sum of what the losses of all ranks say of it. So where each rank takes the mean loss of its own
    rows against all rows, or all ranks compute the whole loss, ``DistributedDataParallel``, which averages gradients, gives those of
    the mean of the ranks' losses: what one process with the whole batch has. Every rank calls it, as often in its backward pass too.

    Args:
        rows: floating point, of the same shape and dtype on every rank.
        scale: factor of the gradient. Where the ranks compute *parts* of one loss, as with class centres that are sharded over them,
            it is ``world_size()``: the parts are added, and the average of ``DistributedDataParallel`` would divide them once more.

    Returns:
        A new tensor; without a process group ``rows`` itself, whose gradient is multiplied by nothing.
    """
    if world_size() == 1:
        return rows
    gathered: Tensor = _GatherRows.apply(rows, scale)
    return gathered


@torch.no_grad()
def gather_rows(rows: Tensor) -> Tensor:
    """Return the rows (N_r, ...) of all ranks as (sum of N_r, ...), in the order of the ranks, on every rank; no gradients.

    The ranks may have different numbers of rows, also none; the other lengths and the dtype are the same. Used on the contiguous shares
    of a :class:`petlib.data.EvaluationLoader`, the rows come in the order of the data set.
    """
    if world_size() == 1:
        return rows
    counts = all_gather_objects(len(rows))
    padded = rows.new_zeros(max(counts), *rows.shape[1:])
    padded[: len(rows)] = rows
    gathered = rows.new_empty(world_size() * max(counts), *rows.shape[1:])
    if max(counts):
        distributed.all_gather([*gathered.chunk(world_size())], padded)
    return torch.cat(_without_padding(gathered, counts))


def _without_padding(gathered: Tensor, counts: Sequence[int]) -> list[Tensor]:
    longest = max(counts)
    return [gathered[number * longest : number * longest + count] for number, count in enumerate(counts)]


@torch.no_grad()
def broadcast_rows(rows: Tensor, source: int) -> Tensor:
    """Return the rows (N, ...) of rank ``source`` on every rank; dtype, device and the other lengths are the same everywhere."""
    if world_size() == 1:
        return rows
    count = all_gather_objects(len(rows))[source]
    received = rows.contiguous() if rank() == source else rows.new_empty(count, *rows.shape[1:])
    if received.numel():
        distributed.broadcast(received, src=source)
    return received
