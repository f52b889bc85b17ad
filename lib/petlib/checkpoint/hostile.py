"""What a file with weights may claim. Such files come from other people; torch runs no code of theirs, but believes their numbers."""

import math
import pickletools
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from petlib.errors import CheckpointError

_MARK = -1
_ITEMS = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def deepest_tuple(pickled: bytes) -> int:
    """Return the most levels of tuples in each other in the first pickles of some bytes; what is no pickle ends the count.

    It does what an unpickler does, with the depth of each value in its place; all that is no tuple has none.
    """
    deepest = 0
    rest = pickled
    try:
        while rest:
            machine = _Depths()
            end = 0
            for opcode, argument, position in pickletools.genops(rest):
                machine.do(opcode, argument)
                end = (position or 0) + 1
                deepest = max(deepest, machine.deepest)
            rest = rest[end:]
    except (ValueError, IndexError):
        # a damaged pickle is damaged for the unpickler too, at the same place
        return max(deepest, machine.deepest)
    return deepest


class _Depths:
    """The stack of an unpickler."""

    def __init__(self) -> None:
        self._stack: list[int] = []
        self._memo: dict[Any, int] = {}
        self.deepest = 0

    def do(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        name = opcode.name
        if name == "MARK":
            self._stack.append(_MARK)
        elif name == "TUPLE":
            self._push_tuple(self._pop_to_mark())
        elif name in _ITEMS:
            self._push_tuple([self._stack.pop() for _ in range(_ITEMS[name])])
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self._stack.append(self._memo.get(int(argument), 0))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._memo[int(argument)] = self._stack[-1]
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = self._stack[-1]
        elif name == "DUP":
            self._stack.append(self._stack[-1])
        else:
            self._do_other(opcode)

    def _do_other(self, opcode: pickletools.OpcodeInfo) -> None:
        before = opcode.stack_before
        if pickletools.markobject in before:
            self._pop_to_mark()
            before = before[: before.index(pickletools.markobject)]
        for _ in before:
            self._stack.pop()
        self._stack.extend(0 for _ in opcode.stack_after)

    def _push_tuple(self, items: list[int]) -> None:
        depth = 1 + max(items, default=0)
        self._stack.append(depth)
        self.deepest = max(self.deepest, depth)

    def _pop_to_mark(self) -> list[int]:
        items = []
        while (depth := self._stack.pop()) != _MARK:
            items.append(depth)
        return items


LARGEST_INDEX_BYTES = 1 << 26
"""Of the pickle in a file that says which tensors are in it; that of a large model with its optimizer has a few million."""

MOST_VALUES = 2_000_000
"""Values of a file other than the elements of tensors, those that are used twice counted twice."""

DEEPEST = 100
"""Levels of dictionaries, lists and tuples in each other."""

MANY_TUPLES = 50_000
"""Python's hash of as many tuples in each other comes close to the end of the stack, which ends the process."""

_TUPLE_OPCODES = (b"t", b"\x85", b"\x86", b"\x87")
_INDEX = "data.pkl"
_ZIP_START = b"PK\x03\x04"


def check_kind(path: Path) -> None:
    """Check that a path is an ordinary file, before anything waits for it.

    Raises:
        CheckpointError: it is a pipe or a device.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise CheckpointError(f"{path}: a file with weights expected, this is a pipe or a device")


def check_index(path: Path) -> None:
    """Check the pickle in a file of torch, or the pickles that an old one begins with, before they are loaded.

    Raises:
        CheckpointError: it is too large, or has tuples so deep in each other that loading them would end the process.
        BadZipFile: the archive is damaged, and what else zipfile says of such.
    """
    pickles = _zipped_pickles(path) if begins_as_zip(path) else _first_bytes(path)
    for content in pickles:
        # looking at every step takes as long as loading, and few files have as many
        tuples = sum(map(content.count, _TUPLE_OPCODES))
        if tuples > MANY_TUPLES and deepest_tuple(content) > MANY_TUPLES:
            raise CheckpointError(f"{path}: it holds more than {MANY_TUPLES} tuples in each other, as no checkpoint does; it is refused")


def begins_as_zip(path: Path) -> bool:
    """Return whether torch takes a file for an archive."""
    with path.open("rb") as file:
        return file.read(len(_ZIP_START)) == _ZIP_START


def _zipped_pickles(path: Path) -> Iterator[bytes]:
    with zipfile.ZipFile(path) as archive:
        for record in archive.infolist():
            if record.filename.endswith(_INDEX):
                if record.file_size > LARGEST_INDEX_BYTES:
                    raise CheckpointError(f"{path}: its index has {record.file_size} bytes, at most {LARGEST_INDEX_BYTES} are read")
                yield archive.read(record)


def _first_bytes(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield file.read(LARGEST_INDEX_BYTES)


def check_content(content: Any, path: Path) -> None:
    """Check what was read from a file, and take away attributes that were put on its tensors and dictionaries.

    Raises:
        CheckpointError: there is a tensor that is no plain array, or larger than the file; or too many values, or too deep.
    """
    size = path.stat().st_size
    level = [content]
    count = 0
    for _ in range(DEEPEST):
        level = [part for value in level for part in _parts(value, path, size)]
        count += len(level)
        if not level:
            return
        if count > MOST_VALUES:
            raise CheckpointError(
                f"{path}: it holds more than {MOST_VALUES} values next to its tensors, as no checkpoint does; it is refused"
            )
    raise CheckpointError(f"{path}: it holds more than {DEEPEST} levels of dictionaries and lists in each other; it is refused")


def _parts(value: Any, path: Path, size: int) -> list[Any]:
    if isinstance(value, Tensor):
        _check_tensor(value, path, size)
        # a method of the same name would be called instead of torch's
        value.__dict__.clear()
    elif isinstance(value, Mapping):
        if hasattr(value, "__dict__"):
            value.__dict__.clear()
        return [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set):
        return [*value]
    return []


def _check_tensor(tensor: Tensor, path: Path, size: int) -> None:
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_nested or tensor.device.type != "cpu":
        raise CheckpointError(f"{path}: it holds a tensor that is sparse, quantized, nested or without data; plain ones are read")
    claimed = math.prod(tensor.shape) * tensor.element_size()
    if claimed > size:
        raise CheckpointError(
            f"{path}: a tensor of the shape {[*tensor.shape][:8]} claims {claimed} bytes, the file has {size}; "
            "views that repeat their elements have to be saved as copies"
        )
