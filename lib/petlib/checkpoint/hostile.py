"""What a file with weights may claim. Such files come from other people; torch runs no code of theirs, but believes their numbers."""

import math
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from petlib.checkpoint.pickled_tuples import deepest_tuple
from petlib.errors import CheckpointError

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
