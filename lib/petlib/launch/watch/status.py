"""What a process reports to its launcher: how far it is, in memory that can be read even when it is stopped or dead, and why it fails."""

import faulthandler
import json
import logging
import mmap
import os
import signal
import struct
import time
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


logger = logging.getLogger(__name__)


class ErrorReport(NamedTuple):
    """Why a rank ends.

    Attributes:
        rank: number of the process among all.
        time: seconds of the machine's monotonic clock, comparable between the processes of one machine.
        user_error: the text is a message for the user, not a traceback.
        text: message or traceback.
        exit_code: what the process is going to return.
        attempt: how often the processes had been restarted before.
    """

    rank: int
    time: float
    user_error: bool
    text: str
    exit_code: int
    attempt: int = 0


def report_path(folder: Path, rank: int, attempt: int = 0) -> Path:
    """Return where a rank leaves its report."""
    return folder / f"error_rank{rank}_attempt{attempt}.json"


def write_report(folder: Path, *, rank: int, user_error: bool, text: str, exit_code: int, attempt: int = 0) -> None:
    """Leave a report, whole or not at all.

    Raises:
        OSError: the folder is gone or full.
    """
    report = ErrorReport(rank, time.monotonic(), user_error, text, exit_code, attempt)
    path = report_path(folder, rank, attempt)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(report._asdict()), encoding="utf-8")
    part.replace(path)


def read_report(path: Path) -> ErrorReport | None:
    """Return the report in ``path``, or None where there is none."""
    try:
        return ErrorReport(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        logger.warning("%s: not a readable error report: %s", path, error)
        return None


def first_report(folder: Path, attempt: int) -> ErrorReport | None:
    """Return the earliest report of an attempt: the others usually fail only because of the first."""
    found = [read_report(path) for path in folder.glob(f"error_rank*_attempt{attempt}.json")]
    return min((report for report in found if report is not None), key=lambda report: report.time, default=None)
