"""A small number that all processes learn at the same iteration, without waiting for each other."""

import torch
from torch import distributed
from torch.distributed.distributed_c10d import AllreduceOptions, ProcessGroup, ReduceOp, Work

from petlib.distributed.process_group import collective_timeout, world_size


class AgreedFlag:
    """Agreement on a flag that any rank may raise, e.g. "a signal asked for the end". Of several flags the highest counts.

    :meth:`exchange` starts to combine the present value of all ranks and answers with the combined value of the call before,
    which has had a whole iteration to travel. So it costs some microseconds, and still every rank gets the same answer at
    the same call. Every rank makes the same number of calls. It has a gloo group of its own, so its messages cannot mix
    with those of gradients or of other collectives; every rank constructs it at the same place.
    """

    def __init__(self) -> None:
        self._group: ProcessGroup | None = None
        if world_size() > 1:
            group = distributed.new_group(backend="gloo", timeout=collective_timeout())
            assert isinstance(group, ProcessGroup), "every rank is a member"
            self._group = group
        flag = torch.zeros(1, dtype=torch.uint8)
        # The same byte seen by numpy, which reads and writes it in a tenth of the time that a tensor takes.
        self._byte = flag.numpy()
        self._values = [flag]
        self._options = AllreduceOptions()
        self._options.reduceOp = ReduceOp.MAX
        self._work: Work | None = None

    def exchange(self, value: int) -> int:
        """Hand in this rank's value, 0 to 255; return the greatest that any rank handed in at the call before.

        The first call returns 0. Without a process group the value itself is returned at once.
        """
        if self._group is None:
            return value
        agreed = self.finish()
        self._byte[0] = value
        # The group's own method: the function around it takes as long again, and this runs at every iteration.
        self._work = self._group.allreduce(self._values, self._options)
        return agreed

    def finish(self) -> int:
        """Wait for what is under way and return its combined value; 0 where nothing is under way.

        Call it before the process group is left, when all ranks do.
        """
        if self._work is None:
            return 0
        self._work.wait()
        self._work = None
        return int(self._byte[0])
