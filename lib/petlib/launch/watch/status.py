"""How far a process is, in memory that others can read even when it is stopped or dead."""

import faulthandler
import mmap
import os
import signal
import struct
from pathlib import Path
from typing import NamedTuple

STACK_SIGNAL = getattr(signal, "SIGRTMIN", signal.SIGUSR2)
"""Asks a process to write the stacks of its threads; C code does it, so a process that hangs obeys too."""
STATUS_BYTES = 64
_LAYOUT = struct.Struct("<8q")
_PLACE = struct.Struct("<3q")
_NUMBER = struct.Struct("<q")
_UNKNOWN = -1


class StatusValues(NamedTuple):
    """What a process said last; -1: it did not say.

    Attributes:
        pid: process id.
        listens: 1 while the process saves on request and knows SIGTERM as the request to save and end.
        iterations: iterations that are done; of a loader worker: the iteration that it loads for.
        signal_number: the signal that asked it to end.
        epoch: of the sample that was read last.
        position: of that sample in the epoch.
        sample_index: of that sample in the data set.
        request: which of its requests a loader worker works at.
    """

    pid: int
    listens: int
    iterations: int
    signal_number: int
    epoch: int
    position: int
    sample_index: int
    request: int

    @property
    def progress(self) -> str:
        """``"after iteration 12"``, or empty where no training has begun."""
        if self.iterations < 0:
            return ""
        return f"after iteration {self.iterations}" if self.iterations else "in iteration 1"

    @property
    def sample(self) -> str:
        """The sample that was read last, in words; empty where there is none."""
        return "" if self.sample_index < 0 else f"sample {self.sample_index} (position {self.position} of epoch {self.epoch})"


class Status:
    """Writes how far this process is. A write takes a fraction of a microsecond and never waits."""

    def __init__(self) -> None:
        self.write_to(bytearray(STATUS_BYTES))

    def write_to(self, memory: bytearray | mmap.mmap, start: int = 0) -> None:
        """Write into ``memory`` at ``start`` from here on."""
        self._memory = memory
        self._start = start
        _LAYOUT.pack_into(memory, start, os.getpid(), *(_UNKNOWN,) * 7)

    def share(self, path: Path) -> None:
        """Write into a file of the launcher from here on.

        Raises:
            OSError: the file cannot be made.
        """
        with path.open("w+b") as file:
            # written, not only made so long: on a full disk a write into mapped memory would end the process
            file.write(bytes(STATUS_BYTES))
            file.flush()
            self.write_to(mmap.mmap(file.fileno(), STATUS_BYTES))

    def set_listening(self, listens: bool) -> None:
        """Say whether signals are understood as requests."""
        self._set(1, int(listens))

    def set_iterations(self, done: int) -> None:
        """Say how many iterations are done."""
        self._set(2, done)

    def set_signal(self, number: int) -> None:
        """Say which signal asked for the end."""
        self._set(3, number)

    def set_sample(self, epoch: int, position: int, index: int) -> None:
        """Say which sample is being read."""
        _PLACE.pack_into(self._memory, self._start + 4 * _NUMBER.size, epoch, position, index)

    def set_request(self, number: int) -> None:
        """Say which request is being worked at; -1: none."""
        self._set(7, number)

    def _set(self, place: int, value: int) -> None:
        _NUMBER.pack_into(self._memory, self._start + place * _NUMBER.size, value)


status = Status()
"""That of this process."""


def unpack_status(memory: bytearray | bytes | mmap.mmap, start: int = 0) -> StatusValues:
    """Return what a process wrote into ``memory`` at ``start``."""
    return StatusValues(*_LAYOUT.unpack_from(memory, start))


def status_path(folder: Path, rank: int) -> Path:
    """Return where a rank shares its status with its launcher."""
    return folder / f"status_rank{rank}"


def stack_path(folder: Path, rank: int) -> Path:
    """Return where a rank writes its stacks for its launcher."""
    return folder / f"stack_rank{rank}.txt"


def share_with_launcher(folder: Path, rank: int) -> None:
    """Let the launcher see how far this rank is, and ask it for its stacks.

    Raises:
        OSError: the folder of the launcher is gone or full.
    """
    descriptor = os.open(stack_path(folder, rank), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    faulthandler.register(STACK_SIGNAL, file=descriptor, all_threads=True)
    status.share(status_path(folder, rank))


def read_status(folder: Path, rank: int) -> StatusValues | None:
    """Return how far a rank is, or None where it has not begun to say so."""
    try:
        content = status_path(folder, rank).read_bytes()
    except FileNotFoundError:
        return None
    values = unpack_status(content) if len(content) == STATUS_BYTES else None
    return values if values is not None and values.pid > 0 else None
