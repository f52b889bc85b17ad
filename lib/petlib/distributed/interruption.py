"""Requests to end or to save, by signals, and what all processes learn of them at the same iteration."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

import torch
from torch import distributed
from torch.distributed.distributed_c10d import AllreduceOptions, ProcessGroup, ReduceOp, Work

from petlib.distributed.collectives import all_gather_objects
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


Item = TypeVar("Item")


class Interrupted(Exception):  # noqa: N818 -- it is no error
    """Some process was asked to end; every process raises this at the same place.

    Attributes:
        signal_number: the signal.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"signal {signal_number}")
        self.signal_number = signal_number


class EndRequest:
    """Whether a signal asked this process to end its run.

    Attributes:
        signal_number: the signal; 0: none.
    """

    def __init__(self) -> None:
        self.signal_number = 0


end_request = EndRequest()
"""That of this process. The training's handlers of signals write into it."""


def until_asked_to_end(items: Iterable[Item]) -> Iterator[Item]:
    """Yield ``items`` until this process is asked to end. :func:`agree_to_go_on` has to follow."""
    for item in items:
        if end_request.signal_number:
            return
        yield item


def agree_to_go_on() -> None:
    """Compare with all processes whether any was asked to end; every process has to call this.

    Raises:
        Interrupted: one was; in every process.
    """
    number = max(all_gather_objects(end_request.signal_number))
    if number:
        raise Interrupted(number)
