"""What a process knows of the others of a run."""

from typing import Any

import torch
from torch import Tensor

from petlib import distributed

get_rank = distributed.rank
get_world_size = distributed.world_size
get_local_rank = distributed.local_rank
get_local_size = distributed.local_world_size
is_main_process = distributed.is_main_process


def synchronize() -> None:
    """Wait for all processes."""
    distributed.barrier()


def all_gather(data: Any) -> list[Any]:
    """Return the objects of all processes, in the order of their ranks."""
    return distributed.all_gather_objects(data)


def gather(data: Any) -> list[Any]:
    """Return the objects of all processes in the first one, an empty list in the others."""
    return distributed.gather_objects(data) or []


def reduce_dict(input_dict: dict[str, Tensor], average: bool = True) -> dict[str, Tensor]:
    """Return the means of scalars over all processes, or their sums, in every process.

    Args:
        input_dict: scalars, of the same names in all processes.
        average: means.
    """
    names = sorted(input_dict)
    if get_world_size() < 2 or not names:
        return input_dict
    values = torch.stack([input_dict[name].detach() for name in names])
    reduced = distributed.all_reduce_mean(values) if average else distributed.all_reduce_sum(values)
    return dict(zip(names, reduced.unbind(), strict=True))
