"""A batch on its way from a loader worker to the device."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from petlib.data.protocols import Batch


class HostBatch:
    """A batch in the memory of the CPU.

    Tensors that do not lie in shared memory pass between processes as plain bytes: torch would move each of them into
    shared memory of its own, which costs the trainer more time than copying a small tensor.
    """

    def __init__(self, fields: Batch) -> None:
        self.fields = fields

    def pin_memory(self) -> "HostBatch":
        """Return the batch with its tensors in pinned memory. torch's loader calls this in a thread of its own."""
        return HostBatch(_map_tensors(self.fields, Tensor.pin_memory))

    def to(self, device: torch.device) -> Batch:
        """Return the batch on ``device``; copies from pinned memory to CUDA run asynchronously on the current stream."""
        return _map_tensors(self.fields, lambda tensor: tensor.to(device, non_blocking=True))

    def __getstate__(self) -> Batch:
        return {name: value if name == "meta" else _pack(value) for name, value in self.fields.items()}

    def __setstate__(self, state: Batch) -> None:
        self.fields = {name: value if name == "meta" else _unpack(value) for name, value in state.items()}


def _map_tensors(fields: Batch, change: Any) -> Batch:
    return {name: value if name == "meta" else _map(value, change) for name, value in fields.items()}


def _map(value: Any, change: Any) -> Any:
    return [change(item) for item in value] if isinstance(value, list) else change(value)


def _pack(value: Any) -> Any:
    return _map(value, lambda tensor: tensor if tensor.is_shared() or tensor.dtype == torch.bfloat16 else tensor.numpy())


def _unpack(value: Any) -> Any:
    return _map(value, lambda array: torch.from_numpy(array) if isinstance(array, np.ndarray) else array)
