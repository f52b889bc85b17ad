"""Trackers for tests: one that writes down what it gets, and others that raise or hang."""

import json
import time
from collections.abc import Mapping
from pathlib import Path

from petlib.trackers.tracker import TRACKERS, TrackedRun


@TRACKERS.register("keeps")
class Keeps:
    """Writes down what it gets, into the output folder."""

    def begin(self, run: TrackedRun, record: str) -> str:
        self._file = (run.folder / "kept.jsonl").open("a", encoding="utf-8")
        self._keep("begin", record, run.experiment, run.name, dict(run.settings))
        print("this goes nowhere")
        return record or "record-1"

    def log_figures(self, figures: Mapping[str, float], iteration: int) -> None:
        self._keep("figures", iteration, dict(figures))

    def log_picture(self, name: str, path: Path, iteration: int) -> None:
        self._keep("picture", name, iteration)

    def log_file(self, name: str, path: Path) -> None:
        self._keep("file", name, path.stat().st_size)

    def end(self, outcome: str) -> None:
        self._keep("end", outcome)

    def _keep(self, *words: object) -> None:
        print(json.dumps(words), file=self._file, flush=True)


@TRACKERS.register("raises")
class Raises(Keeps):
    def log_figures(self, figures: Mapping[str, float], iteration: int) -> None:
        raise ConnectionError("no answer")


@TRACKERS.register("cannot_begin")
class CannotBegin(Keeps):
    def begin(self, run: TrackedRun, record: str) -> str:
        raise PermissionError("token refused")


@TRACKERS.register("hangs")
class Hangs(Keeps):
    def begin(self, run: TrackedRun, record: str) -> str:
        time.sleep(100_000)
        return record
