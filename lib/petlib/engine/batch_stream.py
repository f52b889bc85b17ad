"""The batches of a run, as the loop sees them."""

import time
from collections.abc import Callable, Iterator
from typing import Any

Batch = dict[str, Any]


class BatchStream:
    """The batches of a run, with the time that was spent waiting for them.

    Args:
        batches: the batches.
        samples_of: names the samples of an iteration, counted from 0, on this rank; None: they have no names.

    Attributes:
        wait_seconds: seconds spent in ``next`` so far.
    """

    def __init__(self, batches: Iterator[Batch], samples_of: Callable[[int], list[dict[str, Any]]] | None = None) -> None:
        self._batches = batches
        self._samples_of = samples_of
        self.wait_seconds = 0.0

    def __iter__(self) -> "BatchStream":
        return self

    def __next__(self) -> Batch:
        started = time.perf_counter()
        batch = next(self._batches)
        self.wait_seconds += time.perf_counter() - started
        return batch

    def samples_of(self, iteration: int) -> list[dict[str, Any]]:
        """Return what ``meta`` says of the samples of an iteration, counted from 0, on this rank; nothing where it is unknown."""
        return [] if self._samples_of is None else self._samples_of(iteration)

    def restart(self, batches: Iterator[Batch]) -> None:
        """Go on with other batches."""
        self.close()
        self._batches = batches

    def close(self) -> None:
        """End the loader's workers."""
        close = getattr(self._batches, "close", None)
        if close is not None:
            close()
