"""The batches of a run, as the loop sees them."""

import time
from collections.abc import Iterator
from typing import Any

Batch = dict[str, Any]


class BatchStream:
    """The batches of a run, with the time that was spent waiting for them.

    Attributes:
        wait_seconds: seconds spent in ``next`` so far.
    """

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._batches = batches
        self.wait_seconds = 0.0

    def __iter__(self) -> "BatchStream":
        return self

    def __next__(self) -> Batch:
        started = time.perf_counter()
        batch = next(self._batches)
        self.wait_seconds += time.perf_counter() - started
        return batch

    def close(self) -> None:
        """End the loader's workers."""
        close = getattr(self._batches, "close", None)
        if close is not None:
            close()
