"""The records of a data set in one buffer that all processes of a machine share."""

import mmap
import os
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar, overload

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


class _Place(NamedTuple):
    path: str
    record_count: int


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
    place: _Place | None = None
    failure: Exception | None = None
    if local_rank() == 0:
        try:
            place = _write(build)
        except Exception as error:  # noqa: BLE001 -- raised below, after the other processes have heard of it
            failure = error
    try:
        places = _exchange(place, failure)
        records, failure = _try_map(places[rank() - local_rank()])
        _exchange(None, failure)
    finally:
        if place is not None:
            Path(place.path).unlink()
    assert records is not None, "no records and no error"
    return records


def _exchange(value: _Place | None, failure: Exception | None) -> list[_Place | None]:
    """Return the values of all ranks, or raise the own failure or else the first of another rank."""
    answers = all_gather_objects((value, failure and portable_error(failure)))
    if failure is not None:
        raise failure
    for _, other in answers:
        if other is not None:
            raise other
    return [answer for answer, _ in answers]


def _write(build: Callable[[], Iterable[Any]]) -> _Place:
    descriptor, path = tempfile.mkstemp(prefix="pet-records-")
    file = os.fdopen(descriptor, "wb")
    try:
        ends = [0]
        for record in build():
            data = pickle.dumps(record, pickle.HIGHEST_PROTOCOL)
            ends.append(ends[-1] + len(data))
            with _writing_to(path):
                file.write(data)
        with _writing_to(path):
            file.write(b"\0" * (-ends[-1] % 8) + np.array(ends, np.int64).tobytes())
            file.close()
    except BaseException:
        Path(path).unlink()
        # What is left in its buffer has nowhere to go; the error under way is the one to report.
        with suppress(OSError):
            file.close()
        raise
    return _Place(path, len(ends) - 1)


@contextmanager
def _writing_to(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"the records of the data set cannot be written into the temporary folder {Path(path).parent}: {error.strerror}; "
            "make room there, or set the environment variable TMPDIR to another folder"
        ) from error


def _try_map(place: _Place | None) -> tuple[SharedRecords[Any] | None, Exception | None]:
    assert place is not None, "the first process of this machine sent no place"
    try:
        with Path(place.path).open("rb") as file:
            buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        return None, error
    ends = np.frombuffer(buffer, np.int64, offset=len(buffer) - 8 * (place.record_count + 1))
    return SharedRecords(buffer, ends), None
