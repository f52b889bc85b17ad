"""Two services of the Linux kernel that python does not offer. Elsewhere they do nothing."""

import ctypes
import signal
import sys

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
