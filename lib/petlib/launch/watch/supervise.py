"""Starts the ranks of one machine and stays with them until the last process has ended."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from petlib.errors import USER_ERROR_EXIT_CODE
from petlib.launch.start.plan import RankPlan, listening_socket
from petlib.launch.watch.diagnose import INTERRUPTED_EXIT_CODE, STOP_SIGNALS, Ending, describe_failure, describe_hang, first_failure
from petlib.launch.watch.processes import RankProcess, adopt_orphans
from petlib.launch.watch.status import STACK_SIGNAL, read_report, read_status, report_path, stack_path, status_path, write_report

Planner = Callable[[socket.socket, int], Sequence[RankPlan]]

POLL_SECONDS = 0.02
RELAY_SECONDS = 0.2
"""How often the launcher looks whether a rank was asked to stop by others."""
SAVE_SIGNAL = signal.SIGUSR1
GRACE_SECONDS = 5.0
"""How long the other ranks may take to end after one has failed."""
FORWARDED = {signal.SIGHUP: signal.SIGTERM}
"""What ranks get in place of a signal; they know SIGINT and SIGTERM as the request to save and end."""
REPEAT_SECONDS = 0.3
"""A Ctrl-C that follows the first within this time is the same one, sent by both terminal and wrapper."""


def say(text: str) -> None:
    """Print a line of the launcher on stderr; nothing happens where the screen is gone."""
    try:
        print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)


def report_interrupt(interrupt: KeyboardInterrupt) -> int:
    """Say in one line that Ctrl-C ended the command and how to go on, as its notes know it; return the exit code."""
    say("; ".join(["stopped by Ctrl-C", *getattr(interrupt, "__notes__", ["the same command begins anew"])]))
    return INTERRUPTED_EXIT_CODE


def supervise(plan: Planner, *, folder: Path, max_restarts: int = 0) -> int:
    """Run all ranks and return the exit code of the launch.

    When a rank fails, the others get SIGTERM and after a grace SIGKILL, and what the failing rank said is printed last; or all
    are started again, unless it was a mistake of the user, which the next attempt would make too. SIGINT, SIGTERM and
    SIGHUP are passed on, and the ranks have the time they need to save; a second SIGINT kills them. SIGUSR1 has them save.

    Args:
        plan: gives one plan for each rank, from a socket that listens for rank 0 and the number of restarts so far.
        folder: private folder of the launch.
        max_restarts: how often all ranks are started again.
    """
    adopt_orphans()
    with _Signals((*STOP_SIGNALS, SAVE_SIGNAL)) as received:
        for attempt in range(max_restarts + 1):
            supervisor = _Supervisor(folder, attempt)
            _run_attempt(supervisor, plan, received)
            if not supervisor.may_restart or attempt == max_restarts:
                break
            supervisor.report_restart(max_restarts)
    return supervisor.conclude()


def _run_attempt(supervisor: "_Supervisor", plan: Planner, received: "_Signals") -> None:
    try:
        with listening_socket() as listener:
            for rank_plan in plan(listener, supervisor.attempt):
                supervisor.start(rank_plan, (listener.fileno(),) if rank_plan.rank == 0 else ())
        while not supervisor.finished:
            supervisor.step(received.take())
            time.sleep(POLL_SECONDS)
    finally:
        supervisor.kill()


class _Signals:
    """Collects signals while it is entered. One that asks for the end and was ignored before (nohup) stays ignored."""

    def __init__(self, numbers: Sequence[signal.Signals]) -> None:
        self._numbers = numbers
        self._received: list[int] = []
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "_Signals":
        for number in self._numbers:
            # a process that has nothing to save ignores that request, and hands this on to a launcher that it starts
            if number == SAVE_SIGNAL or signal.getsignal(number) is not signal.SIG_IGN:
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
    """The ranks of one attempt and the state of their supervision."""

    def __init__(self, folder: Path, attempt: int) -> None:
        self.attempt = attempt
        self._folder = folder
        self._processes: list[RankProcess] = []
        self._endings: dict[int, Ending] = {}
        self._suspended: set[int] = set()
        self._kill_at: float | None = None
        self._asked: int | None = None
        self._asked_at = 0.0
        self._relay_at = 0.0

    @property
    def finished(self) -> bool:
        return all(process.gone for process in self._processes)

    @property
    def may_restart(self) -> bool:
        """Whether another attempt may end in another way: the end was not asked for, and it is no mistake of the user."""
        failure = first_failure(list(self._endings.values()))
        return self._asked is None and failure is not None and failure.exit_code != USER_ERROR_EXIT_CODE

    def start(self, plan: RankPlan, descriptors: tuple[int, ...]) -> None:
        # what the attempt before left there is not true of this one
        for path in (status_path(self._folder, plan.rank), stack_path(self._folder, plan.rank)):
            path.unlink(missing_ok=True)
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
            self._relay()
        if self._kill_at is not None and time.monotonic() > self._kill_at:
            self.kill()

    def kill(self) -> None:
        for process in self._processes:
            process.kill()

    def report_restart(self, max_restarts: int) -> None:
        """Say what failed and that all begins again, on the screen and to the ranks of the next attempt."""
        failure = first_failure(list(self._endings.values()))
        assert failure is not None, "there is nothing to begin again"
        text = self._describe(failure)
        say(f"{text}\nrestart {self.attempt + 1} of {max_restarts}")
        if failure.report is None:
            write_report(self._folder, rank=failure.rank, user_error=False, text=text, exit_code=failure.exit_code, attempt=self.attempt)

    def conclude(self) -> int:
        """Print what the failing rank said and return the exit code."""
        failure = first_failure(list(self._endings.values()))
        asked = self._asked
        if asked is not None and (failure is None or self._follows_from_signal(failure)):
            has_saved = all(ending.obeyed and ending.progress for ending in self._endings.values())
            how = "; the same command goes on from the checkpoint" if has_saved else ""
            say(f"stopped by {signal.Signals(asked).name}{how}")
            return 128 + asked
        if failure is not None:
            say(self._describe(failure))
            return failure.exit_code
        return 0

    def _describe(self, failure: Ending) -> str:
        return "\n".join(filter(None, [describe_failure(failure), describe_hang(list(self._endings.values()))]))

    def _react(self) -> None:
        endings = self._endings.values()
        if self._has_failure() or any(self._ended_outright(ending) for ending in endings):
            self._kill_at = time.monotonic() + GRACE_SECONDS
            self._ask_for_stacks()
            self._ask(signal.SIGTERM, spare_reporting=True)
        elif self._asked is None and any(ending.obeyed for ending in endings):
            # a rank was asked to stop by others: the remaining ranks have the same time to save
            self._asked = next(ending.code - 128 for ending in endings if ending.obeyed)
            self._ask(self._asked)

    def _relay(self) -> None:
        """Pass on what others asked a rank for, so that the remaining ranks need not come to the same point to hear of it."""
        now = time.monotonic()
        if self._asked is not None or len(self._processes) == 1 or now < self._relay_at:
            return
        self._relay_at = now + RELAY_SECONDS
        statuses = {process.rank: read_status(self._folder, process.rank) for process in self._processes if process.running}
        asked = {rank: status.signal_number for rank, status in statuses.items() if status and status.signal_number > 0}
        if asked:
            self._asked = next(iter(asked.values()))
            self._ask(self._asked, spare=asked.keys())

    def _pass_on(self, number: int) -> None:
        now = time.monotonic()
        if number == SAVE_SIGNAL:
            self._ask_to_save()
        elif self._asked is None:
            self._asked, self._asked_at = number, now
            hint = "; once more ends it at once" if number == signal.SIGINT else ""
            saves = "saves and " if any(self._listens(process) for process in self._processes) else ""
            say(f"{signal.Signals(number).name}: the run {saves}ends{hint}")
            self._ask(number)
        elif number == signal.SIGINT and now - self._asked_at > REPEAT_SECONDS:
            self._asked = number
            self.kill()

    def _ask(self, number: int, *, spare_reporting: bool = False, spare: Collection[int] = ()) -> None:
        number = FORWARDED.get(signal.Signals(number), number)
        for process in self._processes:
            reports = spare_reporting and report_path(self._folder, process.rank, self.attempt).exists()
            if not reports and process.rank not in spare:
                # before a rank is set up, SIGINT would only make python print where it was interrupted
                process.send(number if process.ready else signal.SIGTERM)

    def _ask_to_save(self) -> None:
        listening = [process for process in self._processes if self._listens(process)]
        say(f"{SAVE_SIGNAL.name}: " + ("the run saves and goes on" if listening else "there is nothing to save yet"))
        for process in listening:
            process.send(SAVE_SIGNAL)

    def _ask_for_stacks(self) -> None:
        """Have the ranks that have not failed write where they are, in case one of them hangs."""
        for process in self._processes:
            if not process.running or report_path(self._folder, process.rank, self.attempt).exists():
                continue
            if process.stopped:
                self._suspended.add(process.rank)
            if read_status(self._folder, process.rank) is not None:
                process.send(STACK_SIGNAL)

    def _listens(self, process: RankProcess) -> bool:
        status = read_status(self._folder, process.rank)
        return process.running and status is not None and status.listens > 0

    def _note_ending(self, process: RankProcess) -> None:
        assert process.returncode is not None, f"rank {process.rank} has not ended"
        stack = stack_path(self._folder, process.rank)
        self._endings[process.rank] = Ending(
            rank=process.rank,
            code=process.returncode,
            order=len(self._endings),
            sent=frozenset(process.sent),
            stopping=self._kill_at is not None,
            report=read_report(report_path(self._folder, process.rank, self.attempt)),
            log=process.log,
            status=read_status(self._folder, process.rank),
            suspended=process.rank in self._suspended,
            stack=stack.read_text(errors="replace") if stack.exists() else "",
        )

    def _has_failure(self) -> bool:
        """Whether a rank failed. One that reports an error counts before it has ended: its end may hang."""
        if any(ending.failed for ending in self._endings.values()):
            return True
        return any(process.running and report_path(self._folder, process.rank, self.attempt).exists() for process in self._processes)

    def _ended_outright(self, ending: Ending) -> bool:
        """Whether the signal that was passed on ended the rank before it could take care of it."""
        return self._asked is not None and ending.code < 0 and -ending.code in ending.sent

    def _follows_from_signal(self, failure: Ending) -> bool:
        """Whether a failure is but the echo of a signal: a rank that it ended outright leaves the others without a peer."""
        user_error = failure.report is not None and failure.report.user_error
        earlier = [ending for ending in self._endings.values() if ending.order < failure.order]
        return not user_error and not failure.killed and any(self._ended_outright(ending) for ending in earlier)
