"""Metrics as JSON lines, for scripts and pictures."""

import json
import logging
import math
import os
from pathlib import Path

from petlib.errors import OutputError
from petlib.events.storage import EvaluationRecord, TrainingRecord
from petlib.files import AppendedFile, write_text_atomically

logger = logging.getLogger(__name__)


class JsonLinesWriter:
    """Appends one JSON object a window or evaluation to ``metrics.jsonl``.

    Lines of iterations after ``start_iteration`` stem from a run that was cut off and is now repeated from its last
    checkpoint: they are dropped, so that no iteration is listed twice. When the disk is full, lines wait until it has room.

    Args:
        path: the file.
        start_iteration: iterations that the resumed run had done.

    Raises:
        OutputError: the file cannot be made, or cannot be freed of lines that would be listed twice.
    """

    def __init__(self, *, path: Path, start_iteration: int) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _drop_later_lines(path, start_iteration)
            self._file = AppendedFile(path, pieces="lines", report=logger.warning)
        except OSError as error:
            raise OutputError(
                f"{path}: the metrics cannot be written: {error.strerror}; make room, or choose another JsonLinesWriter.path"
            ) from error

    def write_training(self, record: TrainingRecord) -> None:
        """Append the figures of a window."""
        self._append(
            {
                "iteration": record.iteration,
                "epoch": record.epoch,
                "lr": record.lr,
                "iter_time": record.iter_time,
                "data_time": record.data_time,
                "memory_mb": record.memory_mb,
                **record.losses,
                **record.metrics,
            }
        )

    def write_evaluation(self, record: EvaluationRecord) -> None:
        """Append the metrics of an evaluation."""
        self._append({"iteration": record.iteration, **record.metrics})

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _append(self, values: dict[str, float]) -> None:
        # NaN and infinity are no JSON
        finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
        self._file.append((json.dumps(finite) + "\n").encode())


def _drop_later_lines(path: Path, iteration: int) -> None:
    """Drop the lines of later iterations, and those that a crash cut off."""
    if not path.exists():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    stay = [line.endswith(b"\n") and _iteration_of(line) <= iteration for line in lines]
    count = sum(stay)
    if all(stay[:count]):
        # the usual case, and it needs no room on the disk
        os.truncate(path, sum(map(len, lines[:count])))
    else:
        kept = [line.decode("utf-8") for line, stays in zip(lines, stay, strict=True) if stays]
        write_text_atomically(path, "".join(kept))


def _iteration_of(line: bytes) -> float:
    """Return the iteration of a line; of one that a crash cut off, infinity."""
    try:
        return float(json.loads(line)["iteration"])
    except (ValueError, KeyError, TypeError):
        return math.inf
