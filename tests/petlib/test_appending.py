import errno
import os
from pathlib import Path

import pytest

from petlib import files
from petlib.files import AppendedFile


class Disk:
    """Replaces ``os.write``: takes what there is room for, and fails then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = 10**9
        self._write = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, descriptor: int, data: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._write(descriptor, data[: self.room])
        self.room -= written
        return written


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_what_waits_for_room_is_written_whole_and_in_order(tmp_path: Path, disk: Disk) -> None:
    reported: list[str] = []
    file = AppendedFile(tmp_path / "log", pieces="lines", report=reported.append)
    file.append(b"one\n")
    disk.room = 2
    file.append(b"two\n")
    file.append(b"three\n")
    assert (tmp_path / "log").read_bytes() == b"one\ntw"
    disk.room = 100
    file.append(b"four\n")
    file.close()
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\nthree\nfour\n"
    assert reported == [
        f"{tmp_path}/log: it cannot be written: No space left on device; its lines wait in memory, the run goes on",
        f"{tmp_path}/log: it can be written again; nothing is lost",
    ]


def test_more_than_may_wait_is_counted_and_reported(tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_WAITING_BYTES", 10)
    reported: list[str] = []
    file = AppendedFile(tmp_path / "log", pieces="lines", report=reported.append)
    disk.room = 0
    for number in range(4):
        file.append(b"line%d\n" % number)
    assert file.lost == 3
    disk.room = 100
    file.append(b"end\n")
    assert (tmp_path / "log").read_bytes() == b"line0\nend\n"
    assert reported[-1] == f"{tmp_path}/log: it can be written again; 3 lines are lost"


def test_what_still_waits_at_the_end_is_lost_and_reported(tmp_path: Path, disk: Disk) -> None:
    reported: list[str] = []
    file = AppendedFile(tmp_path / "log", pieces="events", report=reported.append)
    disk.room = 0
    file.append(b"one\n")
    file.append(b"two\n")
    file.close()
    file.close()
    assert reported[1:] == [f"{tmp_path}/log: 2 events are lost"]


def test_a_fork_does_not_write_what_waits_in_its_parent(tmp_path: Path, disk: Disk) -> None:
    file = AppendedFile(tmp_path / "log", pieces="lines", report=lambda _: None)
    disk.room = 0
    file.append(b"parent\n")
    disk.room = 100
    child = os.fork()
    if child == 0:
        file.append(b"child\n")
        os._exit(0)
    os.waitpid(child, 0)
    file.append(b"again\n")
    assert (tmp_path / "log").read_bytes() == b"child\nparent\nagain\n"
