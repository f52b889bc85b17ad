"""Which rank failed first, and what to show of it."""

import re
import signal
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from petlib.errors import USER_ERROR_EXIT_CODE
from petlib.launch.watch.status import ErrorReport, StatusValues

INTERRUPTED_EXIT_CODE = 128 + signal.SIGINT
TAIL_LINES = 30
STACK_LINES = 15
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TIMEOUT = re.compile(r"timed? ?out", re.IGNORECASE)


class Ending(NamedTuple):
    """How a rank ended.

    Attributes:
        rank: its number.
        code: return code of the process, negative for the signal that ended it.
        order: position in the order in which the ranks were seen to end.
        sent: the signals that the launcher had sent to it.
        stopping: the launcher was already ending all ranks.
        report: what the rank said about its error, if anything.
        log: file with the output of the rank, where it has one.
        status: how far the rank was, if it said so.
        suspended: it had been suspended (SIGSTOP) when the launcher began to end all ranks.
        stack: the stacks of its threads at that moment, as faulthandler writes them.
    """

    rank: int
    code: int
    order: int = 0
    sent: frozenset[int] = frozenset()
    stopping: bool = False
    report: ErrorReport | None = None
    log: Path | None = None
    status: StatusValues | None = None
    suspended: bool = False
    stack: str = ""

    @property
    def progress(self) -> str:
        """``" after iteration 12"``, or empty where no training had begun."""
        progress = self.status.progress if self.status else ""
        return f" {progress}" if progress else ""

    @property
    def waited_in_vain(self) -> bool:
        """Whether the rank failed because another one did not come."""
        if self.code == -signal.SIGABRT:
            # the end that the watchdog of NCCL puts to a process
            return True
        last = self.report.text.rstrip().rpartition("\n")[2] if self.report else ""
        return self.failed and _TIMEOUT.search(last) is not None

    @property
    def hung(self) -> bool:
        """Whether the rank had to be ended by the launcher, without a word."""
        return self.stopping and self.report is None and self.code in (-signal.SIGTERM, -signal.SIGKILL) and -self.code in self.sent

    @property
    def killed(self) -> bool:
        """Whether a signal ended the rank that the launcher had not sent."""
        aborted_by_others = self.stopping and self.code == -signal.SIGABRT
        return self.code < 0 and -self.code not in self.sent and not aborted_by_others

    @property
    def obeyed(self) -> bool:
        """Whether the rank ended in order because it was asked to, with the code that says so."""
        return self.report is None and self.code - 128 in STOP_SIGNALS

    @property
    def failed(self) -> bool:
        """Whether the rank ended for a reason of its own."""
        if self.report is not None or self.killed:
            return True
        return self.code > 0 and not self.obeyed

    @property
    def exit_code(self) -> int:
        """The exit code of this ending: that of the rank, or 128 + the number of the signal."""
        if self.killed or self.report is None:
            return shell_code(self.code)
        return self.report.exit_code


def shell_code(code: int) -> int:
    """Return a process's return code as shells give it: 128 + the number of the signal that ended it."""
    return 128 - code if code < 0 else code


def first_failure(endings: Sequence[Ending]) -> Ending | None:
    """Return the ending that the others follow from, or None if no rank failed.

    A rank that was killed comes first: it could not say anything, and the others report nothing but its absence. Then
    comes the earliest report, then the rank that was first seen to end.
    """
    return min((ending for ending in endings if ending.failed), key=_precedence, default=None)


def describe_failure(ending: Ending) -> str:
    """Return what to print last: the message, the traceback, or the last lines of the rank's output."""
    if ending.report is not None and not ending.killed:
        if ending.exit_code == USER_ERROR_EXIT_CODE and ending.report.user_error:
            place = f"rank {ending.rank} failed{ending.progress}\n" if ending.progress else ""
            return f"{place}error: {ending.report.text}"
        return f"rank {ending.rank} failed{ending.progress}:\n{ending.report.text.rstrip()}"
    if ending.code < 0:
        hint = " (out of memory?)" if -ending.code == signal.SIGKILL else ""
        what = f"rank {ending.rank} was killed by {_signal_name(-ending.code)}{hint}{ending.progress}{_sample_of(ending)}"
    else:
        what = f"rank {ending.rank} ended with exit code {ending.code}{ending.progress}"
    lines = _last_lines(ending.log)
    if lines:
        return f"{what}; the last lines of its output:\n{lines}"
    return what + ("; its output is above" if ending.rank == 0 else "; it printed nothing")


def describe_hang(endings: Sequence[Ending]) -> str:
    """Return which ranks came to a collective operation and which did not, after one of them had waited in vain; else an empty string."""
    if not any(ending.waited_in_vain for ending in endings):
        return ""
    places = ", ".join(f"rank {ending.rank}{ending.progress}" for ending in sorted(endings, key=lambda ending: ending.rank))
    hung = [ending for ending in endings if ending.hung]
    return "\n".join([f"the ranks waited for each other: {places}", *map(_describe_hung, hung)])


def _describe_hung(ending: Ending) -> str:
    text = f"rank {ending.rank} did not come{_sample_of(ending)}"
    if ending.suspended:
        return f"{text}; the process was suspended (SIGSTOP)"
    # faulthandler writes the main thread last
    lines = ending.stack.rstrip().rpartition("(most recent call first):\n")[2].splitlines()
    if not lines:
        return f"{text}; it could not say where it was"
    return "\n".join([f"{text}; it was here, the latest call first:", *lines[:STACK_LINES]])


def _sample_of(ending: Ending) -> str:
    sample = ending.status.sample if ending.status else ""
    return f"; the last that it began to read was {sample}" if sample else ""


def _precedence(ending: Ending) -> tuple[int, float]:
    if ending.killed:
        return (0, ending.order)
    if ending.report is not None:
        return (1, ending.report.time)
    return (2, ending.order)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_lines(log: Path | None) -> str:
    if log is None or not log.is_file():
        return ""
    with log.open(encoding="utf-8", errors="replace") as stream:
        return "".join(deque(stream, TAIL_LINES)).rstrip()
