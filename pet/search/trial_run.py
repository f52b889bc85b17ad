"""The training of a trial: a process of its own, and the evaluations that it has written."""

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

METRICS_LOG = "metrics.jsonl"
PROGRAM = """
import signal, sys
from petlib.launch.watch.processes import request_death_signal
# it does not outlive the search: it saves and ends
request_death_signal(signal.SIGTERM)
from pet import cli
sys.exit(cli.train())
"""
STOPPED_CODES = (128 + signal.SIGTERM, -signal.SIGTERM)
"""Of a training that saved and ended, and of one that had not begun yet."""
LAST_LINES = 3


class Evaluation(NamedTuple):
    """The main metric of an evaluation."""

    iteration: int
    value: float


class RunningTrial(Protocol):
    """The training of one trial, wherever it runs."""

    def poll(self) -> int | None:
        """Return its exit code; None: it has not ended."""

    @property
    def was_stopped(self) -> bool:
        """Whether it saved and ended because it was asked to."""

    def stop(self) -> None:
        """Ask it to save and to end."""

    def kill(self) -> None:
        """End it where the search itself ends now."""

    def evaluations(self) -> list[Evaluation]:
        """Return the evaluations that it has written so far, those in which the metric is defined."""

    def last_words(self) -> str:
        """Return the last lines that it printed."""


def training_command(config: Path, options: Sequence[str] = ()) -> list[str]:
    """Return the command that trains with a config, as ``pet-train`` does.

    Args:
        config: the file.
        options: of the launcher.
    """
    return [sys.executable, "-c", PROGRAM, "--cfg", str(config), *options]


class TrialRun:
    """The training of one trial, a process of this machine.

    Args:
        folder: output folder of the run.
        command: what trains.
        environment: variables that are set for it.
        metric: the metric that counts; empty: the first one of an evaluation.
    """

    def __init__(self, *, folder: Path, command: Sequence[str], environment: Mapping[str, str], metric: str) -> None:
        self.folder = folder
        self._metric = metric
        self._stopping = False
        with log_path(folder).open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                # Ctrl-C goes to the search, which asks its trials to end
                start_new_session=True,
            )

    def poll(self) -> int | None:
        """Return its exit code; None: it has not ended."""
        return self._process.poll()

    @property
    def was_stopped(self) -> bool:
        """Whether it saved and ended because it was asked to."""
        return self._stopping and self.poll() in STOPPED_CODES

    def stop(self) -> None:
        """Ask it to save and to end."""
        self._stopping = True
        if self.poll() is None:
            self._process.terminate()

    def kill(self) -> None:
        """End it and all that it started."""
        if self.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def evaluations(self) -> list[Evaluation]:
        """Return the evaluations that it has written so far, those in which the metric is defined."""
        return read_evaluations(self.folder / METRICS_LOG, self._metric)

    def last_words(self) -> str:
        """Return the last lines that it printed."""
        return last_lines(self.folder)


def log_path(folder: Path) -> Path:
    """Return where the process of a trial prints, next to its output folder."""
    return folder.with_name(f"{folder.name}.log")


def last_lines(folder: Path) -> str:
    """Return the last lines that the training of a trial printed.

    Args:
        folder: its output folder.
    """
    lines = log_path(folder).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return "\n".join(lines[-LAST_LINES:])


def read_evaluations(path: Path, metric: str) -> list[Evaluation]:
    """Return the main metric of each evaluation in ``metrics.jsonl`` in which it is defined.

    Args:
        path: the file; it may be missing.
        metric: its name; empty: the first one of an evaluation.
    """
    found = []
    for iteration, figures in _evaluations_in(path):
        value = figures.get(metric or next(iter(figures)))
        if isinstance(value, int | float) and math.isfinite(value):
            found.append(Evaluation(iteration, float(value)))
    return found


def first_metric(path: Path) -> str:
    """Return the name of the first metric of an evaluation in ``metrics.jsonl``; empty: there is none yet."""
    return next((next(iter(figures)) for _, figures in _evaluations_in(path)), "")


def _evaluations_in(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield iteration and figures of each evaluation; a line that is being written is left out."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        figures = {name: value for name, value in record.items() if name != "iteration"}
        # figures of iterations have a learning rate
        if figures and "lr" not in record:
            yield int(record["iteration"]), figures
