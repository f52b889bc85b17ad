"""From the samples of a device batch to one batch, and that batch on its way from a loader worker to the device."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from petlib.data.protocols import Batch, Sample
from petlib.errors import DataError

SHARED_FROM_BYTES = 256 * 1024
"""Smaller tensors travel from a worker through its pipe. A tensor in shared memory costs the trainer 0.4 ms, whatever its size."""


def collate(samples: Sequence[Sample]) -> Batch:
    """Join samples, field by field.

    Arrays and tensors of equal shape are stacked into one tensor (samples, ...) of their dtype, in a loader worker
    straight into shared memory where it is large. Arrays of unequal shapes become a list of tensors. Python numbers
    become a tensor (samples,), bool, int64 or float32. ``meta`` becomes a list.

    Raises:
        DataError: the samples have different fields, or a field holds something else (the message names it).
    """
    fields = samples[0].keys()
    for sample in samples:
        if sample.keys() != fields:
            odd = ", ".join(sorted(map(str, sample.keys() ^ fields)))
            raise DataError(f"the samples of a batch have different fields: {odd} is not in all of them")
    joined = {}
    for name in fields:
        values = [sample[name] for sample in samples]
        try:
            joined[name] = _join(name, values)
        except _TypesDifferError as error:
            raise DataError(f"{error} ({_firsts(samples, values)})") from None
    return joined


class _TypesDifferError(DataError):
    """The samples have arrays or tensors of different types."""


def _firsts(samples: Sequence[Sample], values: Sequence[Any]) -> str:
    """Return the first sample of each type, by its file where it is known."""
    firsts = {str(value.dtype): place for place, value in reversed(list(enumerate(values)))}
    files = {name: samples[place].get("meta", {}).get("file") or f"sample {place} of the batch" for name, place in firsts.items()}
    return ", ".join(f"{name}: {file}" for name, file in sorted(files.items()))


def _join(name: str, values: list[Any]) -> Any:
    if name == "meta":
        return values
    if all(isinstance(value, np.ndarray | np.generic) for value in values):
        return _join_arrays(name, [np.asarray(value) for value in values])
    if all(isinstance(value, Tensor) for value in values):
        return _join_tensors(name, values)
    if all(isinstance(value, bool | int | float) for value in values):
        return _join_numbers(values)
    kinds = ", ".join(sorted({type(value).__name__ for value in values}))
    raise DataError(
        f"the field {name!r} of a batch holds {kinds}; numpy arrays, tensors or numbers are expected, the same kind in every sample "
        "(put what describes a sample into meta)"
    )


def _join_numbers(values: list[Any]) -> Tensor:
    dtype = torch.bool if all(isinstance(value, bool) for value in values) else torch.int64
    if any(isinstance(value, float) for value in values):
        dtype = torch.float32
    return torch.tensor(values, dtype=dtype)


def _join_arrays(name: str, arrays: list[np.ndarray]) -> Tensor | list[Tensor]:
    dtypes = {dtype.newbyteorder("=") for dtype in {array.dtype for array in arrays}}
    if len(dtypes) > 1 or next(iter(dtypes)).kind not in "biufc":
        found = ", ".join(sorted(map(str, dtypes)))
        raise _TypesDifferError(f"the field {name!r} of a batch holds arrays of {found}; one kind of numbers is expected in all samples")
    dtype = torch.from_numpy(np.empty(0, dtypes.pop())).dtype
    if len({array.shape for array in arrays}) > 1:
        return [_stack([array], dtype)[0] for array in arrays]
    return _stack(arrays, dtype)


def _stack(arrays: list[np.ndarray], dtype: torch.dtype) -> Tensor:
    stacked = _empty((len(arrays), *arrays[0].shape), dtype)
    # Assignments take a third of the time of numpy.stack, which prepares each array by itself.
    target = stacked.numpy()
    for place, array in enumerate(arrays):
        target[place] = array
    return stacked


def _join_tensors(name: str, tensors: list[Tensor]) -> Tensor | list[Tensor]:
    dtypes = {tensor.dtype for tensor in tensors}
    if len(dtypes) > 1:
        found = ", ".join(sorted(map(str, dtypes)))
        raise _TypesDifferError(f"the field {name!r} of a batch holds tensors of {found}; one dtype is expected")
    if len({tensor.shape for tensor in tensors}) > 1:
        return tensors
    return torch.stack(tensors, out=_empty((len(tensors), *tensors[0].shape), dtypes.pop()))


def _empty(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Return a tensor to be filled, in shared memory if it is large and this is a loader worker."""
    size = math.prod(shape) * dtype.itemsize
    if size < SHARED_FROM_BYTES or get_worker_info() is None:
        return torch.empty(shape, dtype=dtype)
    storage: torch.UntypedStorage = torch.UntypedStorage._new_shared(size)  # type: ignore[no-untyped-call]
    return torch.empty(0, dtype=dtype).set_(storage).view(shape)


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
