"""RecordIO files of MXNet (``.rec`` with ``.idx``), read without MXNet: many images in one file, mapped into memory that workers share."""

import logging
import mmap
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pet.data.files.opening import open_file, read_file
from petlib.errors import DataError

MAGIC = 0xCED7230A
FRAME = struct.Struct("<II")
HEADER = struct.Struct("<IfQQ")
LENGTH_BITS = 29
WHOLE, FIRST, LAST = 0, 1, 3
"""What a part is of a record: one whose data contain the magic number is cut there."""

logger = logging.getLogger(__name__)


class Record(NamedTuple):
    """A record.

    Attributes:
        labels: float32 (L,), its labels; one where the file has a single number.
        has_list: whether the file gives a list of labels, as the records do that describe others.
        data: what follows, e.g. an encoded image.
    """

    labels: np.ndarray
    has_list: bool
    data: bytes


class RecordFile:
    """The records of a file, by their keys.

    Args:
        path: the ``.rec`` file; next to it is an ``.idx`` file with lines ``key offset``. Without that the file is read through once.

    Attributes:
        keys: int64 (N,), ascending.

    Raises:
        DataError: the file is missing, or no such file, or the index does not fit it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with open_file(path, what="the RecordIO file") as file:
            try:
                self._buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError as error:
                raise DataError(f"{path}: the RecordIO file is empty") from error
        index = path.with_suffix(".idx")
        self.keys, self._offsets = _read_index(index) if index.is_file() else self._scan()
        if len(self._offsets) and not 0 <= self._offsets.min() <= self._offsets.max() < len(self._buffer):
            raise DataError(f"{index}: it has offsets up to {self._offsets.max()}, the file has {len(self._buffer)} bytes; it is another's")

    def __len__(self) -> int:
        return len(self.keys)

    def read(self, place: int) -> Record:
        """Return the record at a place in the order of the keys.

        Raises:
            DataError: it is damaged.
        """
        data = self._payload(int(self._offsets[place]))
        if len(data) < HEADER.size:
            raise DataError(f"{self.path}: record {self.keys[place]} has {len(data)} bytes, no header of {HEADER.size}")
        count, label, _, _ = HEADER.unpack_from(data)
        if not count:
            return Record(np.array([label], np.float32), False, data[HEADER.size :])
        end = HEADER.size + 4 * count
        if len(data) < end:
            raise DataError(f"{self.path}: record {self.keys[place]} says it has {count} labels, and is cut off before their end")
        return Record(np.frombuffer(data, "<f4", count, HEADER.size), True, data[end:])

    def _payload(self, offset: int) -> bytes:
        parts: list[bytes] = []
        while True:
            part, data, offset = self._part(offset)
            parts.append(data)
            if part in (WHOLE, LAST):
                return struct.pack("<I", MAGIC).join(parts)

    def _part(self, offset: int) -> tuple[int, bytes, int]:
        """Return kind and data of the part at an offset, and where the next one begins."""
        if offset + FRAME.size > len(self._buffer):
            raise DataError(f"{self.path}: it is cut off at byte {offset}")
        magic, word = FRAME.unpack_from(self._buffer, offset)
        start, length = offset + FRAME.size, word & ((1 << LENGTH_BITS) - 1)
        if magic != MAGIC:
            raise DataError(f"{self.path}: no record begins at byte {offset}; this is no RecordIO file, or the index is another's")
        if start + length > len(self._buffer):
            raise DataError(f"{self.path}: the record at byte {offset} is cut off")
        return word >> LENGTH_BITS, self._buffer[start : start + length], start + -(-length // 4) * 4

    def _scan(self) -> tuple[np.ndarray, np.ndarray]:
        logger.warning("%s: there is no index next to it (.idx), so all of the file is read through once", self.path)
        offsets, offset = [], 0
        while offset < len(self._buffer):
            part, _, following = self._part(offset)
            offsets += [offset] if part in (WHOLE, FIRST) else []
            offset = following
        return np.arange(len(offsets)), np.array(offsets, np.int64)


def _read_index(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the keys, ascending, and the offset of each."""
    try:
        table = np.array(read_file(path, what="the index of the RecordIO file").split(), np.int64).reshape(-1, 2)
    except ValueError as error:
        raise DataError(f"{path}: lines 'key offset' of whole numbers expected: {error}") from error
    table = table[np.argsort(table[:, 0], kind="stable")]
    return table[:, 0], table[:, 1]
