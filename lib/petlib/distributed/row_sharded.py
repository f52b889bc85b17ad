"""Parameters whose rows the processes share out, next to a model that each of them has whole, e.g. the centres of very many classes.

With several processes they are ``DTensor`` s divided along the first dimension: optimizers, clipping and checkpoints take them, and a
checkpoint is read by any number of processes. Name them in ``ignored`` of :func:`petlib.distributed.parallelize`.
"""

from typing import TYPE_CHECKING, Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh

from petlib.distributed.collectives import all_reduce_sum
from petlib.distributed.process_group import rank, world_size

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor


def is_sharded(value: Any) -> "TypeGuard[DTensor]":
    """Return whether ``value`` is a ``DTensor``, of which each rank has a part; asked in a way that does not import that class."""
    return isinstance(value, Tensor) and hasattr(value, "device_mesh")


def own_rows(count: int) -> range:
    """Return which of ``count`` rows this process has: the same number each, the last ones fewer or none."""
    share = -(-count // world_size())
    return range(min(rank() * share, count), min((rank() + 1) * share, count))


def share_rows(own: Tensor, count: int) -> nn.Parameter:
    """Return a parameter of ``count`` rows, of which this process gives its own; every process calls it.

    Args:
        own: the rows :func:`own_rows` of this process, on the device where it computes.
        count: rows of all processes.
    """
    assert len(own) == len(own_rows(count)), f"{len(own)} rows given, this process has {len(own_rows(count))} of {count}"
    if world_size() == 1:
        return nn.Parameter(own)
    from torch.distributed.tensor import DTensor, Shard  # slow to import, and most trainings share out no rows

    mesh = init_device_mesh(own.device.type, (world_size(),))
    shape = torch.Size((count, *own.shape[1:]))
    whole = DTensor.from_local(own, mesh, [Shard(0)], run_check=False, shape=shape, stride=torch.empty(shape, device="meta").stride())
    return nn.Parameter(whole)


def share_some_rows(own: Tensor, *, like: Tensor) -> Tensor:
    """Return rows that the processes have, any number each, as one tensor; every process calls it.

    Args:
        own: the rows of this process.
        like: what they were taken from, of :func:`share_rows`; where no process shares it, ``own`` is returned.
    """
    if not is_sharded(like):
        return own
    from torch.distributed.tensor import DTensor  # slow to import, and most trainings share out no rows

    count = int(all_reduce_sum(torch.tensor(len(own), device=own.device)))
    shape = torch.Size((count, *own.shape[1:]))
    stride = torch.empty(shape, device="meta").stride()
    return DTensor.from_local(own, like.device_mesh, like.placements, run_check=False, shape=shape, stride=stride)


def local_rows(parameter: Tensor) -> Tensor:
    """Return the rows that this process has of a parameter of :func:`share_rows`; gradients flow back to it."""
    return parameter.to_local() if is_sharded(parameter) else parameter
