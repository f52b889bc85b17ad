"""``paddle.distributed``: which process this is. ``torchrun`` starts the processes, and a training brings them together."""

import os

from pet.compat.shared.absent import refuse_absent

STARTED = "start the script with torchrun --nproc-per-node N script.py"
TOGETHER = "petlib.distributed has the collectives of a run: all_reduce_sum, all_gather_objects, broadcast_object, barrier"
ABSENT = {
    **dict.fromkeys(("spawn", "launch", "fleet"), STARTED),
    **dict.fromkeys(("all_reduce", "all_gather", "broadcast", "reduce", "scatter", "barrier", "new_group", "split", "ReduceOp"), TOGETHER),
}
__getattr__ = refuse_absent(__name__, ABSENT)


def get_rank() -> int:
    """Return which of the processes this one is, from 0 on."""
    return int(os.environ.get("RANK", "0"))


def get_world_size() -> int:
    """Return how many processes there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def init_parallel_env() -> None:
    """Do nothing: ``train``, ``evaluate`` and ``predict`` bring the processes together, and part them again."""


class ParallelEnv:
    """The place of this process among those that ``torchrun`` started.

    Attributes:
        rank, local_rank: its number among all, and those of its machine.
        world_size, nranks: how many there are.
        device_id: the GPU of this process.
    """

    def __init__(self) -> None:
        self.rank = get_rank()
        self.local_rank = self.device_id = int(os.environ.get("LOCAL_RANK", "0"))
        self.world_size = self.nranks = get_world_size()
