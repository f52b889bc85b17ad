"""Training samples that could not be read: listed in a file, and too many of them end the run."""

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from petlib.data.reader import REPLACES
from petlib.distributed.collectives import barrier
from petlib.distributed.process_group import is_main_process
from petlib.errors import DataError, in_users_names
from petlib.files import AppendedFile, write_text_atomically

FILE_NAME = "skipped_samples.jsonl"
FEW = 10
"""So many are let pass at any share: the first batches of a run would else decide about it."""

_SHOWN = 3

logger = logging.getLogger(__name__)


class SkippedSamples:
    """Keeps ``skipped_samples.jsonl`` in the output folder: a line a sample, of all ranks.

    A line has ``iteration`` and ``epoch``, counted from 1, ``position`` in the epoch and ``index`` in the data set, counted from
    0, ``file`` and ``reason``. Lines of iterations that a resumed run repeats are dropped when it begins, so that none is listed twice.

    Args:
        folder: the output folder.
        max_share: the run ends when more than this share of the samples seen could not be read, and more than ten.
    """

    def __init__(self, folder: Path, *, max_share: float) -> None:
        self._path = folder / FILE_NAME
        self._max_share = max_share
        self._own: set[tuple[int, int, int]] = set()
        self._file: AppendedFile | None = None

    def open(self, start_iteration: int) -> None:
        """Begin a run after ``start_iteration`` iterations; every rank calls it, and only the first time counts."""
        if self._file is not None:
            return
        if is_main_process():
            kept = [line for line, entry in _read(self._path) if entry["iteration"] <= start_iteration]
            if kept or self._path.exists():
                write_text_atomically(self._path, "".join(kept))
        barrier()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = AppendedFile(self._path, pieces="lines", report=logger.warning)

    def take(self, iteration: int, samples: Iterable[dict[str, Any]], *, seen: int) -> None:
        """List what the samples of a batch replace.

        Args:
            iteration: of the batch, counted from 0.
            samples: ``meta`` of the batch.
            seen: samples of the run so far, over all ranks.

        Raises:
            DataError: there are too many.
        """
        new = [note for sample in samples for note in sample.get(REPLACES, ()) if self._is_new(note)]
        for note in new:
            self._add(iteration, note)
        if new:
            self._judge(seen)

    def _is_new(self, note: dict[str, Any]) -> bool:
        """Return whether a sample has no line yet; batches may come again, for precise batch norm or after a rollback."""
        place = (note["epoch"], note["position"], note["index"])
        is_new = place not in self._own
        self._own.add(place)
        return is_new

    def _add(self, iteration: int, note: dict[str, Any]) -> None:
        assert self._file is not None, "take was called before open"
        entry = {"iteration": iteration + 1, **note, "epoch": note["epoch"] + 1, "reason": in_users_names(note["reason"])}
        self._file.append(f"{json.dumps(entry, ensure_ascii=False)}\n".encode())
        logger.warning("sample %d is skipped and another one takes its place: %s", note["index"], note["reason"])

    def _judge(self, seen: int) -> None:
        entries = [entry for _, entry in _read(self._path)]
        count = max(len(entries), len(self._own))
        if count <= FEW or count <= self._max_share * seen:
            return
        shown = "".join(f"\n  sample {entry['index']}: {entry['reason']}" for entry in entries[:_SHOWN])
        raise DataError(
            f"{count} of {seen} training samples ({count / seen:.1%}) could not be read, more than SkippedSamples.max_share "
            f"({self._max_share:g}) lets pass. Fix them or take them out of the data; {self._path} lists them, among them{shown}"
        )


def _read(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return the whole lines of a list with what they say; the last one may have been cut off."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if line.endswith("\n") and isinstance(entry, dict) and isinstance(entry.get("iteration"), int):
            found.append((line, entry))
    return found
