"""The loop of a search: begins trials, watches their evaluations, ends those that are not worth it, continues what was interrupted."""

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from pet.search.space import describe_point, describe_value
from pet.search.study import SearchStudy, StudyTrial
from pet.search.trial_run import RunningTrial, log_path
from petlib.errors import OutputError

POLL_SECONDS = 0.2
MOST_FAILURES = 3
"""So many trials that fail before any has succeeded end the search: the mistake is not in the settings that are searched."""


@dataclass(frozen=True)
class Slot:
    """What one trial at a time computes on.

    Attributes:
        options: of the launcher, which name its devices.
        environment: variables of its processes.
    """

    options: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None


@dataclass
class _Running:
    trial: StudyTrial
    run: RunningTrial
    slot: Slot
    shown: int = 0
    pruning: bool = False
    stopping: bool = False

    def stop(self) -> None:
        """Ask it once to save and end: a second request would end it at once."""
        if not self.stopping:
            self.stopping = True
            self.run.stop()


class Search:
    """Runs the trials of a search.

    Args:
        study: what is known of them.
        folder: their output folders lie here.
        slots: a trial at a time runs in each.
        trials: how many there are to be in all.
        seconds: after so long no further trial begins; None: no limit.
        begin: writes the config of a trial and starts its training: called with its folder, its settings and its slot.
        greater: whether a greater value of the metric is better.
        say: prints a line.
        poll_seconds: how often it looks at the trials.
    """

    def __init__(
        self,
        *,
        study: SearchStudy,
        folder: Path,
        slots: Sequence[Slot],
        trials: int,
        seconds: float | None,
        begin: Callable[[Path, Mapping[str, Any], Slot], RunningTrial],
        greater: bool,
        say: Callable[[str], None],
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._study, self._folder, self._say, self._begin = study, folder, say, begin
        self._free = list(slots)
        self._trials, self._seconds = trials, seconds
        self._best = max if greater else min
        self._poll_seconds = poll_seconds
        self._running: list[_Running] = []
        self._signals: list[int] = []

    def run(self) -> bool:
        """Run trials until there are enough; return whether that is so, and not a signal or the time that ended it.

        Raises:
            OutputError: the first trials all failed.
        """
        interrupted, started = self._study.interrupted(), time.monotonic()
        with self._listening():
            try:
                while True:
                    self._fill(interrupted, self._seconds is None or time.monotonic() - started < self._seconds)
                    if not self._running:
                        break
                    for one in list(self._running):
                        self._watch(one)
                    self._check_failures()
                    time.sleep(self._poll_seconds)
            finally:
                for one in self._running:
                    one.run.kill()
        return not self._signals and self._ended() >= self._trials

    @property
    def signal_number(self) -> int:
        """The signal that ended the search; 0: none."""
        return self._signals[0] if self._signals else 0

    def folder_of(self, number: int) -> Path:
        """Return the output folder of a trial."""
        return self._folder / f"trial_{number:03d}"

    def _fill(self, interrupted: list[StudyTrial], in_time: bool) -> None:
        while self._free and not self._signals:
            if interrupted:
                trial, how = interrupted.pop(0), "goes on"
            elif in_time and self._ended() + len(self._running) < self._trials:
                trial, how = self._study.ask(), "begins"
            else:
                return
            slot = self._free.pop(0)
            self._say(f"trial {trial.number} {how}: {describe_point(trial.point)}")
            self._running.append(_Running(trial, self._begin(self.folder_of(trial.number), trial.point, slot), slot))

    def _watch(self, one: _Running) -> None:
        ended = one.run.poll() is not None
        evaluations = one.run.evaluations()
        values = [evaluation.value for evaluation in evaluations]
        for evaluation in evaluations[one.shown :]:
            self._say(f"trial {one.trial.number}: iteration {evaluation.iteration}: {describe_value(evaluation.value)}")
        one.shown = len(evaluations)
        if one.trial.report(values) and not ended and not self._signals:
            one.pruning = True
            self._say(f"trial {one.trial.number}: worse than half of the others at this evaluation: it ends")
            one.stop()
        if self._signals and not ended:
            one.stop()
        if ended:
            self._running.remove(one)
            self._free.append(one.slot)
            self._conclude(one, values)

    def _conclude(self, one: _Running, values: Sequence[float]) -> None:
        number, trial = one.trial.number, one.trial
        code = one.run.poll()
        if code == 0 and values:
            trial.finish(self._best(values))
            self._say(f"trial {number} finished: {describe_value(self._best(values))}")
        elif one.pruning and one.run.was_stopped:
            trial.prune()
        elif self._signals and one.run.was_stopped:
            self._say(f"trial {number} is interrupted; the same command goes on with it")
        else:
            trial.fail()
            reason = one.run.last_words() if code else "it was not evaluated"
            self._say(f"trial {number} failed ({log_path(self.folder_of(number))}): {reason}")

    def _ended(self) -> int:
        return sum(row["state"] != "interrupted" for row in self._study.rows())

    def _check_failures(self) -> None:
        states = [row["state"] for row in self._study.rows()]
        if states.count("failed") >= MOST_FAILURES and not {"finished", "pruned"} & {*states}:
            raise OutputError(f"the first {states.count('failed')} trials failed, see {self._folder}/trial_*.log: the search ends")

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Let a signal ask the trials to save and end; a second one ends them at once."""

        def stop(number: int, _frame: FrameType | None) -> None:
            if self._signals:
                raise KeyboardInterrupt
            self._signals.append(number)
            self._say(f"{signal.Signals(number).name}: the trials save and end; once more ends them at once")

        previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
