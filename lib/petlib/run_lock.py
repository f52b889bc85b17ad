"""One run at a time in a folder: a lock that dies with its process, and that lapses with a machine that is lost."""

import errno
import fcntl
import json
import logging
import os
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from petlib.errors import USER_ERROR_EXIT_CODE, OutputError

WAIT_SECONDS = 3.0
"""How long a holder on this machine is waited for: the kernel takes a moment to end a large process."""
ORPHAN_WAIT_SECONDS = 45.0
"""The same where its parent has died: what a killed launcher leaves behind has half a minute to save."""
LEASE_SECONDS = 45.0
"""How long a holder that cannot be looked at, one of another machine, may leave its lock without a sign of life."""
RENEWAL_SECONDS = 5.0
POLL_SECONDS = 0.1
SETTLE_SECONDS = 0.5
MOST_BYTES = 65536
MOST_COMMAND_CHARACTERS = 500
NOT_SUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Holder:
    """The process that a lock belongs to.

    Attributes:
        host: name of its machine.
        boot: what the kernel calls the time since its last start; the same for all containers of a machine.
        namespace: the table in which its process ids count.
        pid: its process id.
        started: when it was started, in the kernel's ticks: distinguishes it from a later process with the same id.
        parent: process id of what started it.
        parent_started: when that was started.
        job: the cluster's number of the job that it belongs to, empty outside of one.
        job_restarts: how often that job had been started again.
        since: when it took the lock, for messages.
        command: its command line, for messages.
    """

    host: str
    boot: str
    namespace: str
    pid: int
    started: int
    parent: int
    parent_started: int
    job: str
    job_restarts: int
    since: str
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}, started as: {self.command}"


class RunLock:
    """The right to write into a folder, held by one process at a time.

    The kernel holds the lock and drops it when the process ends, however that is; no child inherits it. The file says whose
    it is: for messages, and for file systems on which one machine does not see the locks of another. A lock whose process is
    gone is taken over. The holder touches the file every few seconds, so that a lock of a machine that is lost lapses; a holder that
    comes back later, from a machine that was suspended, finds another one in its place and ends its process.

    Args:
        path: the lock file; its folder is the one to write into.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._process = 0
        self._released = threading.Event()
        self._renewal = threading.Thread()
        self._watched: _Watched | None = None

    def acquire(self) -> None:
        """Take the lock, after a short wait for a holder that is ending, or a longer one for the sign of life of another machine.

        Raises:
            OutputError: another run holds it; or the file cannot be written.
        """
        begin, reported = time.monotonic(), False
        while True:
            try:
                refusal, may_end = self._try()
            except OSError as error:
                if self.path.parent.is_file():
                    raise OutputError(f"{self.path.parent}: a file, but a folder for the results expected; name another") from error
                raise OutputError(f"{self.path}: the lock of the run cannot be written: {error.strerror or error}") from error
            if not refusal:
                return
            waited = time.monotonic() - begin
            if waited >= may_end:
                raise OutputError(refusal)
            if may_end > WAIT_SECONDS < waited and not reported:
                reported = True
                lapses = f"whether a run of another machine has ended: its lock lapses after {LEASE_SECONDS:g} s without a sign of life"
                what = lapses if self._watched is not None else "for a run whose launcher was killed to save and end"
                logger.warning("%s: waiting %s", self.path.parent, what)
            time.sleep(POLL_SECONDS)

    def release(self) -> None:
        """Give the lock back; nothing happens where this process does not hold it."""
        if self._descriptor is None or self._process != os.getpid():
            return
        descriptor, self._descriptor = self._descriptor, None
        self._released.set()
        # it uses the descriptor; a file system that hangs must not keep the run from its end
        self._renewal.join(POLL_SECONDS)
        try:
            if _is_at(descriptor, self.path):
                self.path.unlink()
        except OSError as error:
            logger.warning("%s: the lock cannot be removed: %s; the next run takes it over", self.path, error)
        finally:
            os.close(descriptor)

    def _try(self) -> tuple[str, float]:
        """Take the lock; where that fails, return why, and for how many seconds it may be tried again."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        try:
            refusal, may_end = self._claim(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        if refusal:
            os.close(descriptor)
        else:
            self._descriptor, self._process = descriptor, os.getpid()
            self._released.clear()
            self._renewal = threading.Thread(target=self._renew, args=(descriptor, _read(descriptor)), name="run-lock", daemon=True)
            self._renewal.start()
        return refusal, may_end

    def _claim(self, descriptor: int) -> tuple[str, float]:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        kernel = _lock(descriptor)
        holder, me = _read(descriptor), _describe_this_process()
        if kernel is False:
            # the server of a file system drops the locks of a machine that is lost, but later than that
            is_far = holder is not None and holder.boot != me.boot
            return self._refuse_running(holder), self._lease(holder, descriptor) if holder and is_far else _patience(holder, me)
        if not _is_at(descriptor, self.path):
            return self._refuse_running(holder), WAIT_SECONDS
        if holder is not None:
            may_end = self._may_end(holder, me, descriptor, kernel_says_so=kernel is True)
            if may_end is not None:
                return self._refuse_running(holder), may_end
            logger.warning("%s: taken over from a run that ended without giving it back: %s", self.path, holder)
        _write(descriptor, me)
        if kernel is None:
            # of two that came at the same time, the one that wrote last has it
            time.sleep(SETTLE_SECONDS)
            if _read(descriptor) != me:
                return self._refuse_running(_read(descriptor)), 0.0
        return "", 0.0

    def _refuse_running(self, holder: Holder | None) -> str:
        return (
            f"{self.path.parent}: another run writes into this folder: {holder or 'its process has not written yet who it is'}; "
            "wait for it, stop it, or choose another folder with RunLock.folder"
        )

    def _may_end(self, holder: Holder, me: Holder, descriptor: int, *, kernel_says_so: bool) -> float | None:
        """Return for how many seconds a holder may be waited for; None: it has ended."""
        gone = _is_gone(holder, me, kernel_says_so=kernel_says_so)
        if gone is not None:
            return None if gone else _patience(holder, me)
        return None if self._has_lapsed(holder, descriptor) else self._lease(holder, descriptor)

    def _lease(self, holder: Holder, descriptor: int) -> float:
        """Return for how many seconds a holder that cannot be looked at may be waited for: none where it gives signs of life."""
        return 0.0 if self._has_lapsed(holder, descriptor) is False else 3 * LEASE_SECONDS

    def _has_lapsed(self, holder: Holder, descriptor: int) -> bool | None:
        """Return whether a holder gave no sign of life for long enough, False where it gave one; None: it is too early to say."""
        touched = os.fstat(descriptor).st_mtime_ns
        if self._watched is None or self._watched.holder != holder:
            self._watched = _Watched(holder, touched, time.monotonic())
        if self._watched.touched != touched:
            return False
        return True if time.monotonic() - self._watched.since >= LEASE_SECONDS else None

    def _renew(self, descriptor: int, me: Holder | None) -> None:
        """Touch the file until the lock is given back; end the process where another one has taken it."""
        while not self._released.wait(RENEWAL_SECONDS):
            try:
                os.utime(descriptor)
                holder = _read(descriptor) if _is_at(descriptor, self.path) else _read_path(self.path)
            except OSError as error:
                logger.debug("%s: the lock cannot be renewed now: %s", self.path, error)
                continue
            if holder is not None and holder != me and not self._released.is_set():
                logger.error("%s: this run gave no sign of life for so long that another one has taken its place: %s", self.path, holder)
                # whatever it would still write belongs to the other one
                os._exit(USER_ERROR_EXIT_CODE)


@dataclass(frozen=True)
class _Watched:
    """A holder that cannot be looked at.

    Attributes:
        holder: who it is.
        touched: when it touched its lock last, in the time of the file system.
        since: from when on it is watched, in this process's monotonic time.
    """

    holder: Holder
    touched: int
    since: float


def _lock(descriptor: int) -> bool | None:
    """Take the kernel's lock; return whether that went well, None where the file system has no locks.

    It is one of the process, not of the descriptor: loader workers, forks of it, do not hold it when it is killed.
    """
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            return False
        if error.errno in NOT_SUPPORTED:
            return None
        raise
    return True


def _is_gone(holder: Holder, me: Holder, *, kernel_says_so: bool) -> bool | None:
    """Return whether the process of a lock has ended; None where that cannot be known."""
    if holder.boot != me.boot:
        if holder.job and holder.job == me.job and holder.job_restarts < me.job_restarts:
            return True
        # the machine was started again
        return True if holder.host == me.host else None
    if holder.namespace == me.namespace:
        return _start_of(holder.pid) != holder.started
    # in another container of this machine: its id says nothing, its lock does
    return True if kernel_says_so else None


def _patience(holder: Holder | None, me: Holder) -> float:
    """Return for how many seconds it may be that a running holder is about to end."""
    if holder is None or (holder.boot, holder.namespace) != (me.boot, me.namespace):
        return WAIT_SECONDS
    return WAIT_SECONDS if _start_of(holder.parent) == holder.parent_started else ORPHAN_WAIT_SECONDS


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether a path still leads to the open file: its holder may have removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _read(descriptor: int) -> Holder | None:
    """Return what a lock file says; None where it says nothing that can be understood."""
    try:
        values = json.loads(os.pread(descriptor, MOST_BYTES, 0))
        known = {field.name: values[field.name] for field in fields(Holder)}
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not all(type(known[field.name]) is field.type for field in fields(Holder)):
        return None
    printable: dict[str, Any] = {name: _printable(value) if isinstance(value, str) else value for name, value in known.items()}
    return Holder(**printable)


def _read_path(path: Path) -> Holder | None:
    """Do the same with another file than the one that this process holds: closing that one would end the kernel's lock."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        return _read(descriptor)
    finally:
        os.close(descriptor)


def _write(descriptor: int, holder: Holder) -> None:
    text = json.dumps(asdict(holder), indent=1).encode()
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text, 0)


def _describe_this_process() -> Holder:
    pid, parent = os.getpid(), os.getppid()
    return Holder(
        host=socket.gethostname(),
        boot=_read_line("/proc/sys/kernel/random/boot_id"),
        namespace=_link("/proc/self/ns/pid"),
        pid=pid,
        started=_start_of(pid),
        parent=parent,
        parent_started=_start_of(parent),
        job=os.environ.get("SLURM_JOB_ID", ""),
        job_restarts=_number(os.environ.get("SLURM_RESTART_COUNT", "")),
        since=time.strftime("%Y-%m-%d %H:%M:%S %z"),
        command=_printable(" ".join(sys.argv)),
    )


def _start_of(pid: int) -> int:
    """Return when a process was started, in the kernel's ticks; -1 where it is gone, 0 where the system does not say it."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return -1 if words[0] in "ZX" else int(words[19])
    except FileNotFoundError:
        return -1 if Path("/proc/self/stat").exists() or not _answers(pid) else 0
    except (OSError, IndexError, ValueError):
        return -1


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text[:MOST_COMMAND_CHARACTERS])


def _read_line(path: str) -> str:
    return _or_empty(lambda: Path(path).read_text(encoding="ascii").strip())


def _link(path: str) -> str:
    return _or_empty(lambda: str(Path(path).readlink()))


def _or_empty(read: Callable[[], str]) -> str:
    """Return what the system says about itself, nothing where it has no such file."""
    try:
        return read()
    except OSError:
        return ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
