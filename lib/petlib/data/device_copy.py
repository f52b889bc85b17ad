"""From the memory of the CPU to the device."""

from collections.abc import Generator
from contextlib import closing

import torch
from torch import Tensor

from petlib.data.host_batch import HostBatch
from petlib.data.loading import ClosableBatches
from petlib.data.protocols import Batch


def copy_to_device(batches: ClosableBatches[HostBatch], device: torch.device) -> Generator[Batch, None, None]:
    """Yield the batches on ``device``.

    On CUDA each copy is started one batch ahead, on a stream of its own, and runs beside the computation.
    """
    with closing(batches):
        if device.type != "cuda":
            for batch in batches:
                yield batch.to(device)
            return
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        ahead = None
        for batch in batches:
            started = _start_copy(batch, device, stream)
            if ahead is not None:
                yield _await_copy(*ahead, device)
            ahead = started
        if ahead is not None:
            yield _await_copy(*ahead, device)


def _start_copy(batch: HostBatch, device: torch.device, stream: torch.cuda.Stream) -> tuple[Batch, torch.cuda.Event]:
    with torch.cuda.stream(stream):
        return batch.to(device), stream.record_event()


def _await_copy(batch: Batch, copied: torch.cuda.Event, device: torch.device) -> Batch:
    """Let the current stream wait for the copy, and keep the memory from being reused while that stream works with it."""
    current = torch.cuda.current_stream(device)
    current.wait_event(copied)
    for value in batch.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Tensor):
                item.record_stream(current)
    return batch
