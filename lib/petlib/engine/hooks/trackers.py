"""Experiment trackers get what a run does."""

import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from petlib.distributed.process_group import is_main_process
from petlib.engine.hook import Hook
from petlib.engine.state import TrainState
from petlib.events.storage import EvaluationRecord, TrainingRecord, Writer
from petlib.trackers.connection import TrackerConnection, known_record
from petlib.trackers.tracker import FAILED, FINISHED, STOPPED, TrackedRun

MEGABYTE = 10**6
CONFIG_RECORD = "config.yaml"
PICTURES = ("*.png", "latest/**/*.jpg", "latest/**/*.png")
"""Pictures of a run in its output folder."""

logger = logging.getLogger(__name__)


class TrackersHook(Hook):
    """Begins the record of a run in each tracker, or continues it, and ends it with pictures and a checkpoint; the main process does it.

    Figures go through :meth:`writers`. A run that begins with its first iteration is a new record, one that continues from a checkpoint
    goes on in the record that the checkpoint or else the output folder names.

    Args:
        names: of the trackers, see :data:`petlib.trackers.tracker.TRACKERS`.
        run: what is tracked.
        imports: modules of the user that may hold trackers.
        checkpoint: which one is kept as a file when the run ends: ``best``, ``last`` or ``none``.
        max_megabytes: a larger checkpoint is not kept.
        timeout: seconds for which the end of the run waits for the trackers.
    """

    order = 97
    key = "trackers"
    intervals = ()

    def __init__(
        self,
        *,
        names: Sequence[str],
        run: TrackedRun,
        imports: Sequence[str] = (),
        checkpoint: str = "best",
        max_megabytes: float = 100.0,
        timeout: float = 60.0,
    ) -> None:
        self._names, self._run, self._imports = list(names), run, list(imports)
        self._checkpoint, self._max_megabytes, self._timeout = checkpoint, max_megabytes, timeout
        self._records: dict[str, str] = {}
        self._connections: list[TrackerConnection] = []
        self._began = 0.0

    def writers(self, start_iteration: int) -> list[Writer]:
        """Return what hands figures to the trackers, whose processes begin with the first call; ranks other than 0 have none."""
        if not is_main_process():
            return []
        if not self._connections:
            self._begin(start_iteration)
        return [_TrackersWriter(self._connections)]

    def after_train(self, state: TrainState) -> None:
        """Send pictures and a checkpoint, and wait until the trackers have recorded all, for a limited time."""
        for connection in self._connections:
            self._send_files(connection, state)
        self._finish(STOPPED if state.signal_number else FINISHED)

    def on_exception(self, state: TrainState) -> None:
        """End the records; who presses Ctrl-C twice does not want to wait."""
        if isinstance(sys.exception(), KeyboardInterrupt):
            for connection in self._connections:
                connection.kill()
            self._connections = []
        else:
            self._finish(FAILED)

    def state_dict(self) -> dict[str, Any]:
        """Return the ids of the records."""
        for connection in self._connections:
            connection.receive()
        known = {connection.name: connection.record for connection in self._connections if connection.record}
        return {"records": {**self._records, **known}}

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Take over the ids of the records."""
        self._records = dict(values["records"])

    def _begin(self, start_iteration: int) -> None:
        self._began = time.time()
        for name in self._names:
            record = (self._records.get(name) or known_record(self._run.folder, name)) if start_iteration else ""
            connection = TrackerConnection(name, run=self._run, record=record, imports=self._imports, grace=self._timeout)
            self._connections.append(connection)
            path = self._run.folder / CONFIG_RECORD
            if path.is_file():
                connection.send(do="file", name=path.name, path=str(path.absolute()))

    def _send_files(self, connection: TrackerConnection, state: TrainState) -> None:
        for path in self._new_pictures():
            name = str(path.relative_to(self._run.folder))
            connection.send(do="picture", name=name, path=str(path.absolute()), iteration=state.iteration)
        checkpoint = self._find_checkpoint(state)
        if checkpoint is not None:
            connection.send(do="file", name=checkpoint.name, path=str(checkpoint.absolute()))

    def _new_pictures(self) -> list[Path]:
        """Return the pictures that this process wrote."""
        found = {path for pattern in PICTURES for path in self._run.folder.glob(pattern)}
        return sorted(path for path in found if path.stat().st_mtime >= self._began)

    def _find_checkpoint(self, state: TrainState) -> Path | None:
        checkpointer = state.checkpointer
        path = {"best": checkpointer.best_path, "last": checkpointer.latest_path}.get(self._checkpoint)
        if path is None or not path.is_file():
            return None
        size = path.stat().st_size / MEGABYTE
        if path.suffix != ".pth" or size > self._max_megabytes:
            reason = f"it has {size:.0f} MB (TrackersHook.max_megabytes)" if path.suffix == ".pth" else "it is sharded"
            logger.info("%s is not sent to the trackers: %s", path, reason)
            return None
        return path

    def _finish(self, outcome: str) -> None:
        """Let all trackers end at the same time."""
        connections, self._records = self._connections, self.state_dict()["records"]
        self._connections = []
        for connection in connections:
            connection.send(do="end", outcome=outcome)
        deadline = time.monotonic() + self._timeout
        for connection in connections:
            connection.finish(deadline)


class _TrackersWriter:
    """Hands the figures that TensorBoard gets to the trackers."""

    def __init__(self, connections: Sequence[TrackerConnection]) -> None:
        self._connections = connections

    def write_training(self, record: TrainingRecord) -> None:
        self._send("training", record.iteration, record.scalars())

    def write_evaluation(self, record: EvaluationRecord) -> None:
        self._send("evaluation", record.iteration, record.scalars())

    def close(self) -> None:
        """The processes live longer than a writer: the hook ends them."""

    def _send(self, kind: str, iteration: int, figures: dict[str, float]) -> None:
        for connection in self._connections:
            connection.send(do="figures", kind=kind, iteration=iteration, figures=figures)
