"""The records of a data set, or arrays, in one buffer that all processes of a machine share."""

import mmap
import os
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar, overload

import numpy as np

from petlib.distributed.collectives import all_gather_objects
from petlib.distributed.process_group import local_rank, rank
from petlib.errors import OutputError, portable_error

Record = TypeVar("Record")


class SharedRecords(Sequence[Record], Generic[Record]):
    """Records that are deserialised when they are asked for, from memory that ranks and loader workers share.

    A list of a million dicts is copied piece by piece into every forked worker, because reading a Python object writes
    its reference count. These records lie in one buffer without such counts. Made by :func:`share_records`.
    """

    def __init__(self, buffer: mmap.mmap, ends: np.ndarray) -> None:
        self._buffer = buffer
        self._ends = ends

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...

    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return [self._read(place) for place in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        return self._read(index % len(self))

    def __iter__(self) -> Iterator[Record]:
        return map(self._read, range(len(self)))

    def _read(self, place: int) -> Record:
        data = self._buffer[self._ends[place] : self._ends[place + 1]]
        record: Record = pickle.loads(data)  # noqa: S301 -- written by share_records into a private file
        return record


class _Array(NamedTuple):
    """Where an array lies in the buffer."""

    offset: int
    shape: tuple[int, ...]
    dtype: str


class _Place(NamedTuple):
    path: str
    arrays: Mapping[str, _Array]


def share_records(build: Callable[[], Iterable[Record]]) -> SharedRecords[Record]:
    """Return what ``build()`` gives as records in memory that the processes of a machine share.

    The first process of each machine calls ``build`` and writes the records one by one into a private temporary file;
    all processes map it, then it loses its name, so that nothing is left behind. Every process has to call this
    function. The processes of a machine have neighbouring ranks.

    Args:
        build: gives the records: anything that can be pickled, without functions and open files.

    Raises:
        OutputError: the temporary file cannot be written.
        Exception: what ``build`` raises, in every process.
    """

    def write(file: "_PrivateFile") -> None:
        ends = [0]
        for record in build():
            data = pickle.dumps(record, pickle.HIGHEST_PROTOCOL)
            ends.append(ends[-1] + len(data))
            file.write(data)
        file.write_array("ends", np.array(ends, np.int64))

    buffer, arrays = _share(write)
    return SharedRecords(buffer, arrays["ends"])


def share_arrays(build: Callable[[], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the arrays of ``build()`` by their names in memory that the processes of a machine share, see :func:`share_records`.

    They cannot be written into.
    """

    def write(file: "_PrivateFile") -> None:
        for name, array in build().items():
            file.write_array(name, array)

    return _share(write)[1]


def _share(write: Callable[["_PrivateFile"], None]) -> tuple[mmap.mmap, dict[str, np.ndarray]]:
    """Return what the first process of each machine writes into a file, mapped in every process, and the arrays in it."""
    place: _Place | None = None
    failure: Exception | None = None
    if local_rank() == 0:
        try:
            place = _written(write)
        except Exception as error:  # noqa: BLE001 -- raised below, after the other processes have heard of it
            failure = error
    try:
        places = _exchange(place, failure)
        mapped, failure = _try_map(places[rank() - local_rank()])
        _exchange(None, failure)
    finally:
        if place is not None:
            Path(place.path).unlink()
    assert mapped is not None, "nothing is mapped, and no error"
    return mapped


def _exchange(value: _Place | None, failure: Exception | None) -> list[_Place | None]:
    """Return the values of all ranks, or raise the own failure or else the first of another rank."""
    answers = all_gather_objects((value, failure and portable_error(failure)))
    if failure is not None:
        raise failure
    for _, other in answers:
        if other is not None:
            raise other
    return [answer for answer, _ in answers]


class _PrivateFile:
    """A temporary file that is written once, from its beginning to its end.

    Attributes:
        path: where it is.
        arrays: where the arrays lie that were written.
    """

    def __init__(self) -> None:
        descriptor, self.path = tempfile.mkstemp(prefix="pet-records-")
        self.arrays: dict[str, _Array] = {}
        self._file = os.fdopen(descriptor, "wb")
        self._size = 0

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes.

        Raises:
            OutputError: the file cannot be written.
        """
        try:
            self._file.write(data)
        except OSError as error:
            raise self._full(error) from error
        self._size += len(data)

    def write_array(self, name: str, array: np.ndarray) -> None:
        """Append an array, at a place that its numbers can be read from."""
        self.write(b"\0" * (-self._size % 8))
        self.arrays[name] = _Array(self._size, array.shape, array.dtype.str)
        self.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)

    def close(self) -> None:
        """Write what is held back.

        Raises:
            OutputError: it cannot be written.
        """
        # an empty file cannot be mapped
        self.write(b"\0")
        try:
            self._file.close()
        except OSError as error:
            raise self._full(error) from error

    def discard(self) -> None:
        """Remove the file; what is left in its buffer has nowhere to go, and the error under way is the one to report."""
        Path(self.path).unlink()
        with suppress(OSError):
            self._file.close()

    def _full(self, error: OSError) -> OutputError:
        return OutputError(
            f"the records of the data set cannot be written into the temporary folder {Path(self.path).parent}: {error.strerror}; "
            "make room there, or set the environment variable TMPDIR to another folder"
        )


def _written(write: Callable[[_PrivateFile], None]) -> _Place:
    file = _PrivateFile()
    try:
        write(file)
        file.close()
    except BaseException:
        file.discard()
        raise
    return _Place(file.path, file.arrays)


def _try_map(place: _Place | None) -> tuple[tuple[mmap.mmap, dict[str, np.ndarray]] | None, Exception | None]:
    assert place is not None, "the first process of this machine sent no place"
    try:
        with Path(place.path).open("rb") as file:
            buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        return None, error
    arrays = {name: np.ndarray(array.shape, array.dtype, buffer, array.offset) for name, array in place.arrays.items()}
    return (buffer, arrays), None
