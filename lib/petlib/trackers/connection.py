"""The run's side of a tracker's process: messages that never wait."""

import json
import logging
import os
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from petlib.trackers import process
from petlib.trackers.tracker import TrackedRun

MOST_WAITING_BYTES = 4 * 2**20
POLL_SECONDS = 0.05

logger = logging.getLogger(__name__)


class TrackerConnection:
    """Starts the process of a tracker and sends it messages, without ever waiting for it, until the end.

    What the process does not take yet waits in memory; where that is 4 MiB, further messages are lost, with one warning.

    Args:
        name: of the tracker.
        run: what is tracked.
        record: id of the record to continue; empty: a new one.
        imports: modules of the user that may hold the tracker.
        grace: seconds that the process has when the run is gone without a word.

    Attributes:
        record: id of the record, as soon as the tracker has begun or continued it.
    """

    def __init__(self, name: str, *, run: TrackedRun, record: str, imports: Sequence[str], grace: float) -> None:
        self.name, self.record = name, record
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._answers = b""
        self._warned: set[str] = set()
        self._lost = self._problems = 0
        self._process = _start()
        self.send(
            tracker=name,
            experiment=run.experiment,
            name=run.name,
            folder=str(run.folder),
            settings=dict(run.settings),
            record=record,
            imports=list(imports),
            grace=grace,
            state=str(state_path(run.folder, name)),
        )

    def send(self, **message: Any) -> None:
        """Send a message, or keep it until the process takes it; where too many wait it is lost."""
        self.receive()
        line = json.dumps(message, default=str).encode() + b"\n"
        if self._waiting_bytes + len(line) > MOST_WAITING_BYTES:
            self._lost += 1
            self._warn("full", "it does not keep up, or hangs: what it does not take is lost to it")
            return
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        self._write()

    def receive(self) -> None:
        """Take what the process has answered."""
        try:
            while piece := os.read(self._output, 65536):
                self._answers += piece
        except BlockingIOError:
            pass
        *lines, self._answers = self._answers.split(b"\n")
        for line in lines:
            self._take(json.loads(line))

    def finish(self, deadline: float) -> None:
        """Wait until the process has recorded all and ended, at the latest until ``deadline`` of the monotonic clock; then end it."""
        while self._process.poll() is None and time.monotonic() < deadline:
            self._write()
            if not self._waiting:
                self._close_requests()
            select.select([self._output], [], [], POLL_SECONDS)
            self.receive()
        self.receive()
        if self._process.poll() is None:
            self._warn("late", "it has not recorded everything in time: what is left is lost to it (TrackersHook.timeout)")
        self.kill()
        if self._lost or self._problems > 1:
            logger.warning("tracker %s: %d messages were lost, %d failed", self.name, self._lost, self._problems)

    def kill(self) -> None:
        """End the process at once."""
        self._close_requests()
        self._process.kill()
        self._process.wait()

    @property
    def _output(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def _close_requests(self) -> None:
        assert self._process.stdin is not None
        if not self._process.stdin.closed:
            self._process.stdin.close()

    def _write(self) -> None:
        """Write what waits, as far as the process takes it."""
        assert self._process.stdin is not None
        if self._process.stdin.closed:
            return
        try:
            while self._waiting:
                written = os.write(self._process.stdin.fileno(), self._waiting[0])
                self._waiting_bytes -= written
                if written == len(self._waiting[0]):
                    self._waiting.popleft()
                else:
                    self._waiting[0] = self._waiting[0][written:]
        except BlockingIOError:
            return
        except OSError:
            self._waiting.clear()
            self._waiting_bytes = 0
            self.receive()
            if not self._warned:
                self._warn("gone", "its process has ended by itself")

    def _take(self, answer: Mapping[str, str]) -> None:
        self.record = answer.get("record", self.record)
        if "fatal" in answer:
            self._warn("fatal", f"it cannot begin: {answer['fatal']}")
        if "problem" in answer:
            self._problems += 1
            self._warn("problem", answer["problem"])

    def _warn(self, kind: str, text: str) -> None:
        """Report a trouble once."""
        if kind not in self._warned:
            self._warned.add(kind)
            logger.warning("tracker %s: %s; the training goes on", self.name, text)


def known_record(folder: Path, name: str) -> str:
    """Return the id of the record in a tracker that the output folder names; empty: none."""
    return str(process.read_state(state_path(folder, name)).get("record", ""))


def state_path(folder: Path, name: str) -> Path:
    """Return the file of the output folder that keeps the id of the record in a tracker."""
    return folder / "trackers" / f"{name}.json"


def _start() -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        # a module of the user's may import torch, and has nothing to do on a GPU
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
    }
    started = subprocess.Popen(
        [sys.executable, "-P", "-m", process.__name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        bufsize=0,
        start_new_session=True,
    )
    assert started.stdin is not None and started.stdout is not None
    os.set_blocking(started.stdin.fileno(), False)
    os.set_blocking(started.stdout.fileno(), False)
    return started
