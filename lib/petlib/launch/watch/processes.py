"""One rank as a process of its own session, with everything that it starts in turn, and what the Linux kernel does for that."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from petlib.launch.start.plan import RankPlan

LEFTOVER_GRACE = 1.0
"""Seconds that what a rank leaves behind (loader workers, trackers of shared memory) has to end by itself."""


class RankProcess:
    """A started rank. Its session keeps it from the terminal's Ctrl-C, and makes it and its children one process group.

    Args:
        plan: command and environment.
        folder: private folder of the launch. All but rank 0 print into ``rank<k>.log`` there; rank 0 has the screen.
        descriptors: file descriptors that the process inherits.
    """

    def __init__(self, plan: RankPlan, *, folder: Path, descriptors: tuple[int, ...] = ()) -> None:
        self.rank = plan.rank
        self.log = folder / f"rank{plan.rank}.log"
        self.sent: set[int] = set()
        self.returncode: int | None = None
        self._sweep_until: float | None = None
        # after a restart it is a link to the log of the run, which must not be emptied
        self.log.unlink(missing_ok=True)
        output = None if plan.rank == 0 else self.log.open("wb")
        self._process = subprocess.Popen(
            plan.command,
            env={**os.environ, **plan.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=descriptors,
        )
        if output is not None:
            output.close()

    @property
    def running(self) -> bool:
        """Whether the rank itself still runs."""
        return self.returncode is None

    @property
    def ready(self) -> bool:
        """Whether the rank has read its config and handles Ctrl-C; its log is then a link to the one in the output folder."""
        return self.log.is_symlink()

    @property
    def stopped(self) -> bool:
        """Whether the rank is suspended (SIGSTOP); False where the system does not say."""
        stat = Path(f"/proc/{self._process.pid}/stat")
        return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] in ("T", "t")

    @property
    def gone(self) -> bool:
        """Whether the rank and all that it started have ended."""
        return not self.running and self._sweep_until is None

    def poll(self) -> bool:
        """Look after the process; return whether it ended since the last look."""
        if self.running:
            self.returncode = self._process.poll()
            if self.running:
                return False
            if self._signal_group(signal.SIGTERM):
                self._sweep_until = time.monotonic() + LEFTOVER_GRACE
            return True
        self._sweep()
        return False

    def send(self, signum: int) -> None:
        """Send a signal to the rank alone; its loader workers are its own affair."""
        if self.running:
            self.sent.add(signum)
            self._process.send_signal(signum)

    def kill(self) -> None:
        """End the rank and all that it started at once."""
        if self.running:
            self.sent.add(signal.SIGKILL)
        if not self.gone:
            self._signal_group(signal.SIGKILL)

    def _sweep(self) -> None:
        """Kill what is left of the group after its grace, and forget the group when nothing is."""
        if self._sweep_until is None:
            return
        self._wait_for_orphans()
        late = time.monotonic() - self._sweep_until
        left = self._signal_group(signal.SIGKILL if late > 0 else 0)
        # ended processes that are not waited for stay members of the group
        if not left or late > LEFTOVER_GRACE:
            self._sweep_until = None

    def _wait_for_orphans(self) -> None:
        """Wait for the ended members of the group; the rank itself, their former parent, has been waited for."""
        try:
            while os.waitpid(-self._process.pid, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            # none of them is a child of this process
            return

    def _signal_group(self, signum: int) -> bool:
        """Signal the process group; return whether it has members left. The number of a group is not reused while it has."""
        try:
            os.killpg(self._process.pid, signum)
        except ProcessLookupError:
            return False
        except PermissionError:
            # macOS answers so for a group of which only ended processes are left
            return False
        return True


PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def request_death_signal(signum: signal.Signals) -> bool:
    """Have this process sent ``signum`` when its parent dies; return whether that will happen."""
    return _prctl(PR_SET_PDEATHSIG, signum)


def adopt_orphans() -> bool:
    """Become the parent of what ended children leave behind, so that it can be waited for; return whether that holds.

    Process 1 would get them otherwise, and in many containers it waits for no process.
    """
    return _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)
