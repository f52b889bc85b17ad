"""The process of one tracker: reads what a run has to say, a JSON object a line, and hands it to the tracker.

A tracker imports much, uses threads, prints, and may hang or crash: none of that is in the process of the training then. What it prints
goes nowhere; errors go back to the run as lines. When the run is gone without a word, its record ends as failed.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from petlib.files import write_text_atomically
from petlib.registry import import_user_modules
from petlib.trackers.hidden_values import hide_private_values
from petlib.trackers.tracker import FAILED, TRACKERS, TrackedRun, Tracker

LONGEST_MESSAGE = 300
POLL_SECONDS = 1.0


class TrackedRecord:
    """The record of a run in a tracker, and how far it is, which a file in the output folder keeps.

    A run that continues from a checkpoint does some iterations again: figures that are recorded are not recorded twice.

    Args:
        tracker: the tracker.
        path: the file.
    """

    def __init__(self, tracker: Tracker, path: Path) -> None:
        self._tracker, self._path = tracker, path
        self._state: dict[str, Any] = {}

    def begin(self, run: TrackedRun, record: str) -> str:
        """Begin a record, or continue one, and return its id."""
        known = read_state(self._path)
        self._state = known if record and known.get("record") == record else {}
        self._state["record"] = self._tracker.begin(run, record)
        self._write()
        return str(self._state["record"])

    def handle(self, message: dict[str, Any]) -> None:
        """Do what a message asks for."""
        match message["do"]:
            case "figures":
                self._log_figures(message["kind"], message["figures"], message["iteration"])
            case "picture":
                self._tracker.log_picture(message["name"], Path(message["path"]), message["iteration"])
            case "file":
                self._tracker.log_file(message["name"], Path(message["path"]))
            case "end":
                self._tracker.end(message["outcome"])

    def _log_figures(self, kind: str, figures: dict[str, float], iteration: int) -> None:
        if iteration > self._state.get(kind, -1):
            self._tracker.log_figures(figures, iteration)
            self._state[kind] = iteration
            self._write()

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(self._path, json.dumps(self._state))


def main() -> None:
    """Serve the run that started this process, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    requests = sys.stdin
    first = json.loads(requests.readline())
    threading.Thread(target=_end_after_the_run, args=(os.getppid(), first["grace"]), daemon=True).start()

    def answer(**values: str) -> None:
        try:
            print(json.dumps(values), file=answers)
        except OSError:
            # the run is gone; what it said before is still recorded
            return

    try:
        import_user_modules(first["imports"])
        run = TrackedRun(first["experiment"], first["name"], Path(first["folder"]), first["settings"])
        record = TrackedRecord(TRACKERS.get(first["tracker"])(), Path(first["state"]))
        answer(record=record.begin(run, first["record"]))
    except Exception as error:  # noqa: BLE001 -- whatever a tracker raises is one warning of the run
        answer(fatal=_describe(error))
        return
    serve(record, requests, lambda error: answer(problem=_describe(error)))


def serve(record: TrackedRecord, lines: Iterable[str], report: Any) -> None:
    """Handle messages until one ends the record; each that fails is reported, and the next is tried."""
    ended = False
    for line in lines:
        message = json.loads(line)
        ended = message["do"] == "end"
        try:
            record.handle(message)
        except Exception as error:  # noqa: BLE001 -- see main
            report(error)
        if ended:
            return
    try:
        record.handle({"do": "end", "outcome": FAILED})
    except Exception as error:  # noqa: BLE001 -- see main
        report(error)


def _end_after_the_run(parent: int, grace: float) -> None:
    """End this process some time after the one that started it, also where the tracker hangs."""
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    time.sleep(grace)
    os._exit(1)


def _describe(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return hide_private_values(f"{type(error).__name__}: {lines[0]}", os.environ)[:LONGEST_MESSAGE]


def read_state(path: Path) -> dict[str, Any]:
    """Return what the output folder keeps of a record; nothing where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


if __name__ == "__main__":
    main()
