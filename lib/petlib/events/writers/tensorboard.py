"""TensorBoard events."""

import io
import logging
import os
import socket
import time
from pathlib import Path

from petlib.errors import OutputError
from petlib.events.storage import EvaluationRecord, TrainingRecord
from petlib.files import AppendedFile

FILE_VERSION = "brain.Event:2"
FILE_PREFIX = "events.out.tfevents."

logger = logging.getLogger(__name__)


class TensorBoardWriter:
    """Writes scalars for ``tensorboard --logdir <folder>``.

    Events are written at once, by this thread: the thread of torch's ``SummaryWriter`` wakes up for each of them and takes
    python's lock from the loop, which costs an iteration 20 times as much as the writing. When the disk is full, events wait
    until it has room.

    Args:
        folder: where the event file goes.
        start_iteration: iterations that a resumed run had done; what earlier files say of later ones is purged.

    Raises:
        OutputError: the file cannot be made.
    """

    def __init__(self, *, folder: Path, start_iteration: int) -> None:
        # only rank 0 of a run that wants it needs it
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary, self._records = Event, Summary, RecordWriter
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / _next_name(folder)
            self._file = AppendedFile(path, pieces="events", report=logger.warning)
        except OSError as error:
            raise OutputError(
                f"{folder}: the events cannot be written: {error.strerror}; make room, or set TensorBoardWriter False"
            ) from error
        self._add(Event(wall_time=time.time(), file_version=FILE_VERSION))
        begin = SessionLog(status=SessionLog.START)
        self._add(Event(wall_time=time.time(), step=start_iteration + 1, session_log=begin))

    def write_training(self, record: TrainingRecord) -> None:
        """Write losses, metrics, learning rate and times of a window."""
        self._write(record.iteration, record.scalars())

    def write_evaluation(self, record: EvaluationRecord) -> None:
        """Write the metrics of an evaluation that are defined."""
        self._write(record.iteration, record.scalars())

    def close(self) -> None:
        """Close the event file."""
        self._file.close()

    def _write(self, iteration: int, values: dict[str, float]) -> None:
        summary = self._summary(value=[self._summary.Value(tag=name, simple_value=value) for name, value in values.items()])
        self._add(self._event(wall_time=time.time(), step=iteration, summary=summary))

    def _add(self, event: object) -> None:
        record = io.BytesIO()
        self._records(record).write(event.SerializeToString())  # type: ignore[attr-defined]  # a protobuf message has no types
        self._file.append(record.getvalue())


def _next_name(folder: Path) -> str:
    """Return a name after those of the earlier files: TensorBoard reads them in the order of their names, whatever the clock says."""
    earlier = [path.name.removeprefix(FILE_PREFIX).partition(".")[0] for path in folder.glob(f"{FILE_PREFIX}*")]
    latest = max((int(number) for number in earlier if number.isascii() and number.isdigit()), default=0)
    return f"{FILE_PREFIX}{max(time.time_ns() // 1000, latest + 1):018d}.{socket.gethostname()}.{os.getpid()}"
