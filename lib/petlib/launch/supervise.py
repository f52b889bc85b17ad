"""Starts the ranks of one machine and stays with them until the last process has ended."""

import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from petlib.launch.diagnose import STOP_SIGNALS, Ending, describe_failure, first_failure
from petlib.launch.kernel import adopt_orphans
from petlib.launch.plan import RankPlan
from petlib.launch.processes import RankProcess
from petlib.launch.reports import read_report, report_path

POLL_SECONDS = 0.02
GRACE_SECONDS = 5.0
"""How long the other ranks may take to end after one has failed."""
FORWARDED = {signal.SIGHUP: signal.SIGTERM}
"""What ranks get in place of a signal; they know SIGINT and SIGTERM as the wish to save and end."""
REPEAT_SECONDS = 0.3
"""A Ctrl-C that follows the first within this time is the same one, sent by terminal and wrapper alike."""


def say(text: str) -> None:
    """Print a line of the launcher on stderr; nothing happens where the screen is gone."""
    try:
        print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)


def supervise(plans: Sequence[RankPlan], *, folder: Path, listener: socket.socket) -> int:
    """Run all ranks and return the exit code of the launch.

    When a rank fails, the others get SIGTERM and after a grace SIGKILL, and what the failing rank said is printed last.
    SIGINT, SIGTERM and SIGHUP are passed on, and the ranks have the time they need to save; a second SIGINT kills them.

    Args:
        plans: one for each rank.
        folder: private folder of the launch.
        listener: the listening socket that rank 0 inherits; closed here once it runs.
    """
    supervisor = _Supervisor(folder)
    adopt_orphans()
    with _Signals(STOP_SIGNALS) as received:
        try:
            for plan in plans:
                supervisor.start(plan, (listener.fileno(),) if plan.rank == 0 else ())
            listener.close()
            while not supervisor.finished:
                supervisor.step(received.take())
                time.sleep(POLL_SECONDS)
        finally:
            supervisor.kill()
    return supervisor.conclude()


class _Signals:
    """Collects signals while it is entered. A signal that was ignored before (nohup) stays ignored."""

    def __init__(self, numbers: Sequence[signal.Signals]) -> None:
        self._numbers = numbers
        self._received: list[int] = []
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "_Signals":
        for number in self._numbers:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def take(self) -> list[int]:
        """Return what was received since the last call."""
        received, self._received = self._received, []
        return received

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        self._received.append(number)


class _Supervisor:
    """The ranks and the state of their supervision."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[RankProcess] = []
        self._endings: dict[int, Ending] = {}
        self._kill_at: float | None = None
        self._asked: int | None = None
        self._asked_at = 0.0

    @property
    def finished(self) -> bool:
        return all(process.gone for process in self._processes)

    def start(self, plan: RankPlan, descriptors: tuple[int, ...]) -> None:
        self._processes.append(RankProcess(plan, folder=self._folder, descriptors=descriptors))

    def step(self, signals: Sequence[int]) -> None:
        """Pass signals on, take note of what ended, and end all once one rank has failed."""
        for number in signals:
            self._pass_on(number)
        for process in self._processes:
            if process.poll():
                self._note_ending(process)
        if self._kill_at is None:
            self._react()
        if self._kill_at is not None and time.monotonic() > self._kill_at:
            self.kill()

    def kill(self) -> None:
        for process in self._processes:
            process.kill()

    def conclude(self) -> int:
        """Print what the failing rank said and return the exit code."""
        failure = first_failure(list(self._endings.values()))
        asked = self._asked
        if asked is not None and (failure is None or self._follows_from_signal(failure)):
            say(f"stopped by {signal.Signals(asked).name}")
            return 128 + asked
        if failure is not None:
            say(describe_failure(failure))
            return failure.exit_code
        return 0

    def _react(self) -> None:
        endings = self._endings.values()
        if self._has_failure() or any(self._ended_outright(ending) for ending in endings):
            self._kill_at = time.monotonic() + GRACE_SECONDS
            self._ask(signal.SIGTERM, spare_reporting=True)
        elif self._asked is None and any(ending.obeyed for ending in endings):
            # somebody else asked a rank to stop: the others have the same time to save
            self._asked = next(ending.code - 128 for ending in endings if ending.obeyed)
            self._ask(self._asked)

    def _pass_on(self, number: int) -> None:
        now = time.monotonic()
        if self._asked is None:
            self._asked, self._asked_at = number, now
            hint = "; once more ends it at once" if number == signal.SIGINT else ""
            say(f"{signal.Signals(number).name}: the run saves and ends{hint}")
            self._ask(number)
        elif number == signal.SIGINT and now - self._asked_at > REPEAT_SECONDS:
            self._asked = number
            self.kill()

    def _ask(self, number: int, *, spare_reporting: bool = False) -> None:
        number = FORWARDED.get(signal.Signals(number), number)
        for process in self._processes:
            if not (spare_reporting and report_path(self._folder, process.rank).exists()):
                # before a rank is set up, SIGINT would only make python print where it was interrupted
                process.send(number if process.ready else signal.SIGTERM)

    def _note_ending(self, process: RankProcess) -> None:
        assert process.returncode is not None, f"rank {process.rank} has not ended"
        self._endings[process.rank] = Ending(
            rank=process.rank,
            code=process.returncode,
            order=len(self._endings),
            sent=frozenset(process.sent),
            stopping=self._kill_at is not None,
            report=read_report(report_path(self._folder, process.rank)),
            log=process.log,
        )

    def _has_failure(self) -> bool:
        """Whether a rank failed. One that reports an error counts before it has ended: its end may hang."""
        if any(ending.failed for ending in self._endings.values()):
            return True
        return any(process.running and report_path(self._folder, process.rank).exists() for process in self._processes)

    def _ended_outright(self, ending: Ending) -> bool:
        """Whether the signal that was passed on ended the rank before it could take care of it."""
        return self._asked is not None and ending.code < 0 and -ending.code in ending.sent

    def _follows_from_signal(self, failure: Ending) -> bool:
        """Whether a failure is but the echo of a signal: a rank that it ended outright leaves the others without a peer."""
        user_error = failure.report is not None and failure.report.user_error
        earlier = [ending for ending in self._endings.values() if ending.order < failure.order]
        return not user_error and not failure.killed and any(self._ended_outright(ending) for ending in earlier)
