"""Metrics as JSON lines, for scripts and pictures."""

import json
import math
from pathlib import Path

from petlib.events.records import EvaluationRecord, TrainingRecord
from petlib.files import write_text_atomically


class JsonLinesWriter:
    """Appends one JSON object a window or evaluation to ``metrics.jsonl``.

    Lines of iterations after ``start_iteration`` stem from a run that was cut off and is now repeated from its last
    checkpoint: they are dropped, so that no iteration stands twice.

    Args:
        path: the file.
        start_iteration: iterations that the resumed run had done.
    """

    def __init__(self, *, path: Path, start_iteration: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _drop_later_lines(path, start_iteration)
        self._file = path.open("a", encoding="utf-8")

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
        self._file.write(json.dumps(finite) + "\n")
        self._file.flush()


def _drop_later_lines(path: Path, iteration: int) -> None:
    if not path.exists():
        return
    kept = [line for line in path.read_text(encoding="utf-8").splitlines() if _iteration_of(line) <= iteration]
    write_text_atomically(path, "".join(line + "\n" for line in kept))


def _iteration_of(line: str) -> float:
    """Return the iteration of a line; of one that a crash cut off, infinity."""
    try:
        return float(json.loads(line)["iteration"])
    except (json.JSONDecodeError, KeyError, TypeError):
        return math.inf
