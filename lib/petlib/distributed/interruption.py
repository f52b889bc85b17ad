"""An evaluation is given up when a signal asks the run to end: by all processes, at a boundary between batches."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from petlib.distributed.collectives import all_gather_objects

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
