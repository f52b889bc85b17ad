import fcntl
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from petlib import run_lock
from petlib.errors import OutputError
from petlib.run_lock import RunLock


class Processes:
    """Other processes that take a lock."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[str]] = []

    def hold(self, path: Path, body: str = "") -> subprocess.Popen[str]:
        """Start one that takes the lock, runs ``body``, and sleeps; return when it has done so."""
        code = f"""
        import os, sys, time
        from pathlib import Path
        from petlib.run_lock import RunLock
        lock = RunLock(Path({str(path)!r}))
        lock.acquire()
        {body}
        print("held", flush=True)
        time.sleep(300)
        """
        process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), "--cfg", "x.yaml"], stdout=subprocess.PIPE, text=True)
        self.started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process


@pytest.fixture
def processes() -> Iterator[Processes]:
    own = Processes()
    yield own
    for process in own.started:
        process.kill()
        process.communicate()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(run_lock, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(run_lock, "LEASE_SECONDS", 0.5)
    return tmp_path / "run" / "config.lock"


def change(path: Path, **values: Any) -> None:
    """Make a lock say other things."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@contextmanager
def renewed(path: Path) -> Iterator[None]:
    """Give the signs of life of a holder on another machine."""
    ends = threading.Event()

    def touch() -> None:
        while not ends.wait(0.05):
            os.utime(path)

    thread = threading.Thread(target=touch)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


def left_by_an_earlier_process(path: Path, **values: Any) -> None:
    lock = RunLock(path)
    lock.acquire()
    text = path.read_text()
    lock.release()
    path.write_text(text)
    change(path, started=1, **values)


def test_a_lock_is_taken_and_given_back(path: Path) -> None:
    for _ in range(2):
        lock = RunLock(path)
        lock.acquire()
        values = json.loads(path.read_text())
        assert (values["pid"], values["host"]) == (os.getpid(), os.uname().nodename)
        lock.release()
        lock.release()
        assert not path.exists()


def test_a_second_process_is_refused_with_who_holds_it(path: Path, processes: Processes) -> None:
    holder = processes.hold(path)
    with pytest.raises(OutputError) as refused:
        RunLock(path).acquire()
    message = str(refused.value)
    assert message.startswith(
        f"{path.parent}: another run writes into this folder: process {holder.pid} on {os.uname().nodename}, since 20"
    )
    assert message.endswith("started as: -c --cfg x.yaml; wait for it, stop it, or choose another folder with RunLock.folder")


def test_the_same_process_is_refused_too(path: Path) -> None:
    lock = RunLock(path)
    lock.acquire()
    with pytest.raises(OutputError, match=f"process {os.getpid()} on"):
        RunLock(path).acquire()
    lock.release()
    RunLock(path).acquire()


def test_a_killed_holder_is_taken_over_at_once_though_its_forks_live(
    path: Path, processes: Processes, caplog: pytest.LogCaptureFixture
) -> None:
    holder = processes.hold(path, "os.fork() or os.close(1) or time.sleep(20) or os._exit(0)")
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    begin = time.monotonic()
    RunLock(path).acquire()
    assert time.monotonic() - begin < 15
    (message,) = caplog.messages
    assert message.startswith(f"{path}: taken over from a run that ended without giving it back: process {holder.pid} on ")


def test_a_lock_whose_process_lives_is_kept_though_the_kernel_lost_it(path: Path, processes: Processes) -> None:
    # a program that opens and closes the file in the holder's process ends the kernel's lock
    holder = processes.hold(path, f"open({str(path)!r}).close()")
    with pytest.raises(OutputError, match=f"process {holder.pid} on"):
        RunLock(path).acquire()


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({}, True),  # its process id belongs to a later process
        ({"pid": 2**22 + 1}, True),  # its process is gone
        ({"boot": "before the restart"}, True),  # the machine was started again
        ({"namespace": "pid:[1]"}, True),  # a container of this machine
        ({"boot": "another", "host": "node7"}, False),
        ({"boot": "another", "host": "node7", "job": "17", "job_restarts": 0}, True),  # this job, before it was requeued
        ({"boot": "another", "host": "node7", "job": "17", "job_restarts": 1}, False),
        ({"boot": "another", "host": "node7", "job": "16", "job_restarts": 0}, False),
    ],
)
def test_which_locks_are_left_over(
    path: Path, changes: dict[str, Any], taken: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    left_by_an_earlier_process(path, **changes)
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    if taken:
        RunLock(path).acquire()
        assert caplog.messages[0].startswith(f"{path}: taken over from a run that ended without giving it back: process ")
        return
    with renewed(path), pytest.raises(OutputError, match=r"another run writes into this folder: process \d+ on node7, since "):
        RunLock(path).acquire()


def test_a_lock_of_a_machine_that_is_lost_lapses(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    left_by_an_earlier_process(path, boot="another", host="node7")
    begin = time.monotonic()
    lock = RunLock(path)
    lock.acquire()
    assert time.monotonic() - begin >= 0.5
    waiting, taken = caplog.messages
    assert waiting == (
        f"{path.parent}: waiting whether a run of another machine has ended: its lock lapses after 0.5 s without a sign of life"
    )
    assert taken.startswith(f"{path}: taken over from a run that ended without giving it back: process ") and " on node7, " in taken
    lock.release()


def test_a_holder_renews_its_lock_and_keeps_the_kernels(path: Path, processes: Processes) -> None:
    holder = processes.hold(path, "import petlib.run_lock as module; lock.release(); module.RENEWAL_SECONDS = 0.05; lock.acquire()")
    touched = path.stat().st_mtime_ns
    deadline = time.monotonic() + 60
    while path.stat().st_mtime_ns == touched:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    with path.open("r+b") as file, pytest.raises(OSError, match="Resource temporarily unavailable|Permission denied"):
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert holder.poll() is None


@pytest.mark.parametrize("replaced", [False, True])
def test_a_holder_that_comes_back_too_late_ends_itself(path: Path, processes: Processes, replaced: bool) -> None:
    holder = processes.hold(path, "import petlib.run_lock as module; lock.release(); module.RENEWAL_SECONDS = 0.05; lock.acquire()")
    text = path.read_text()
    if replaced:
        path.unlink()
    path.write_text(text)
    change(path, host="node7", boot="another")
    assert holder.wait(60) == 2


@pytest.mark.parametrize("text", ["", "no JSON", "[1, 2]", '{"pid": 1}', "[" * 30000, "\x00" * 100])
def test_a_file_that_says_nothing_is_taken(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    RunLock(path).acquire()
    assert json.loads(path.read_text())["pid"] == os.getpid()


def test_values_of_other_types_and_control_characters_are_not_believed(path: Path) -> None:
    left_by_an_earlier_process(path, boot="another", host="\x1b[2Jnode7\n")
    with renewed(path), pytest.raises(OutputError) as refused:
        RunLock(path).acquire()
    assert "on ?[2Jnode7?," in str(refused.value)
    change(path, pid="12")
    RunLock(path).acquire()


def test_without_locks_of_the_file_system_the_file_decides(path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lock, "SETTLE_SECONDS", 0.0)
    holder = processes.hold(path)

    def unsupported(*_: Any) -> None:
        raise OSError(run_lock.NOT_SUPPORTED[0], "No locks available")

    monkeypatch.setattr(fcntl, "lockf", unsupported)
    with pytest.raises(OutputError, match=f"process {holder.pid} on"):
        RunLock(path).acquire()
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    RunLock(path).acquire()
    left_by_an_earlier_process(path.with_name("other.lock"), namespace="pid:[1]")
    with renewed(path.with_name("other.lock")), pytest.raises(OutputError, match="another run writes into this folder"):
        RunLock(path.with_name("other.lock")).acquire()


def test_a_holder_that_is_ending_is_waited_for(path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lock, "WAIT_SECONDS", 120.0)
    holder = processes.hold(path, "__import__('threading').Timer(0.5, lambda: os._exit(0)).start()")
    begin = time.monotonic()
    RunLock(path).acquire()
    assert time.monotonic() - begin < 60
    assert holder.wait() == 0


def test_what_a_killed_launcher_left_behind_is_waited_for_longer(path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    processes.hold(path)
    change(path, parent=2**22 + 1)
    begin = time.monotonic()
    monkeypatch.setattr(run_lock, "ORPHAN_WAIT_SECONDS", 0.8)
    with pytest.raises(OutputError, match="another run"):
        RunLock(path).acquire()
    assert time.monotonic() - begin >= 0.8


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_what_is_no_regular_file_is_refused(path: Path, kind: str) -> None:
    path.parent.mkdir()
    target = path.parent / "precious"
    target.write_text("data")
    make = {"link": lambda: path.symlink_to(target), "folder": path.mkdir, "pipe": lambda: os.mkfifo(path)}
    make[kind]()
    with pytest.raises(OutputError, match="the lock of the run cannot be written: "):
        RunLock(path).acquire()
    assert target.read_text() == "data"


def test_a_fork_does_not_give_the_lock_of_its_parent_back(path: Path) -> None:
    lock = RunLock(path)
    lock.acquire()
    child = os.fork()
    if child == 0:
        lock.release()
        os._exit(0)
    os.waitpid(child, 0)
    assert path.exists()
    lock.release()


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match=r"out: a file, but a folder for the results expected; name another"):
        RunLock(tmp_path / "out" / "config.lock").acquire()
