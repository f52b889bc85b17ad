"""A copy of a state that nothing else changes: the first half of a save, and the only half that training waits for."""

from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from petlib.distributed.row_sharded import is_sharded
from petlib.errors import CheckpointError

_PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device, torch.Size)
_NUMPY = {torch.float32, torch.float64, torch.float16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool}
_WORTH_A_THREAD = 1 << 24
"""Bytes from which on a second thread copies: it takes a tenth of a millisecond to start."""
_BASES: tuple[Any, ...] = (bool, int, float, complex, str, bytes)


def collect_state(component: Any) -> Any:
    """Return the nested state of a component: of an object with ``state_dict()``, of a mapping of such, or the value itself."""
    if hasattr(component, "state_dict"):
        return component.state_dict()
    if isinstance(component, Mapping):
        return {name: collect_state(value) for name, value in component.items()}
    return component


class _Layout(NamedTuple):
    shape: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype
    pinned: bool


class Snapshot:
    """Copies states into CPU memory that is kept from one save to the next.

    Memory that is allocated anew costs more than the copy, because the system has to clear every page first.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[Any, ...], tuple[_Layout, Tensor]] = {}

    @torch.no_grad()
    def copy(self, state: Any) -> Any:
        """Return a copy of the nested ``state`` that ``torch.load(weights_only=True)`` can read back once it is saved.

        Tensors that share their memory, such as tied weights, still do in the copy. The copy is valid until the next call.

        Raises:
            CheckpointError: a value is neither a tensor nor plain data.
        """
        walk = _Walk(self._kept)
        copied = walk.visit(state, ())
        _copy_in_memory(walk.copies)
        for device in walk.devices:
            torch.cuda.current_stream(device).synchronize()
        self._kept = walk.used
        return copied


class _Walk:
    def __init__(self, kept: dict[tuple[Any, ...], tuple[_Layout, Tensor]]) -> None:
        self.kept = kept
        self.used: dict[tuple[Any, ...], tuple[_Layout, Tensor]] = {}
        self.devices: set[torch.device] = set()
        self.same_memory: dict[tuple[Any, ...], Tensor] = {}
        self.copies: list[tuple[Tensor, Tensor]] = []

    def visit(self, value: Any, path: tuple[Any, ...]) -> Any:
        if isinstance(value, Tensor):
            return self.tensor(value, path)
        if type(value) in _PLAIN:
            return value
        if isinstance(value, Mapping):
            return self.mapping(value, path)
        if isinstance(value, list | tuple | set | frozenset):
            items = [self.visit(item, (*path, index)) for index, item in enumerate(value)]
            return items if isinstance(value, list) else tuple(items) if isinstance(value, tuple) else set(items)
        return plain_value(value, path)

    def mapping(self, value: Mapping[Any, Any], path: tuple[Any, ...]) -> dict[Any, Any]:
        items = {plain_value(name, path): self.visit(item, (*path, name)) for name, item in value.items()}
        metadata = getattr(value, "_metadata", None)
        if metadata is None:
            return items
        # The state dict of a module carries the versions of its layers, by which torch converts older files.
        with_versions = OrderedDict(items)
        with_versions._metadata = self.visit(metadata, (*path, "_metadata"))  # type: ignore[attr-defined]
        return with_versions

    def tensor(self, tensor: Tensor, path: tuple[Any, ...]) -> Tensor:
        assert not is_sharded(tensor), f"{_name(path)} is sharded; save it with Checkpointer(sharded=True)"
        tensor = tensor.detach()
        memory = (tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        shared = self.same_memory.get(memory) if tensor.numel() else None
        if shared is not None:
            return shared
        layout = _Layout(tensor.shape, tensor.stride(), tensor.dtype, tensor.is_cuda)
        kept_layout, target = self.kept.get(path, (None, None))
        if target is None or kept_layout != layout:
            target = torch.empty_like(tensor, device="cpu", pin_memory=layout.pinned)
        if tensor.is_cuda:
            target.copy_(tensor, non_blocking=True)
            self.devices.add(tensor.device)
        else:
            self.copies.append((tensor, target))
        self.used[path] = (layout, target)
        self.same_memory[memory] = target
        return target


def _copy_in_memory(pairs: list[tuple[Tensor, Tensor]]) -> None:
    """Copy each first tensor into the second.

    One thread does not use all of the memory's speed, and torch's own threads would wait for each other at every tensor: on a
    machine with more busy threads than cores such a wait takes as long as a turn of another thread. So this thread and one more
    take the next tensor each, the large ones first, and wait once.
    """
    rest = iter(sorted(pairs, key=lambda pair: pair[0].nbytes, reverse=True))

    def work() -> None:
        for source, target in rest:
            _copy_one(source, target)

    if sum(source.nbytes for source, _ in pairs) < _WORTH_A_THREAD:
        work()
        return
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint-copy") as pool:
        helper = pool.submit(work)
        work()
        helper.result()


def _copy_one(source: Tensor, target: Tensor) -> None:
    if source.dtype == torch.bfloat16:
        source, target = source.view(torch.int16), target.view(torch.int16)
    if source.dtype in _NUMPY:
        np.copyto(target.numpy(), source.numpy())
    else:
        target.copy_(source)


def plain_value(value: Any, path: tuple[Any, ...]) -> Any:
    """Return ``value`` as one of the types that a checkpoint may hold; numpy's numbers become Python's.

    Raises:
        CheckpointError: it is none of them. Saved as it is, the file could never be read again.
    """
    if type(value) in _PLAIN:
        return value
    for base in _BASES:
        if isinstance(value, base):
            return base(value)
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        return value.item()
    raise CheckpointError(
        f"{_name(path)} holds a {type(value).__module__}.{type(value).__qualname__}, which no checkpoint can hold; "
        "its state_dict() has to give tensors, numbers, strings, lists and dictionaries"
    )


def _name(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path)) or "the state"
