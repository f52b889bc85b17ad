"""The folder of a run as a page sees it. Imports no torch: a page can be made where no network runs."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from pet.visual.charts import CHARTS_FILE
from pet.visual.curves import Series, read_series
from pet.visual.encoding import jpeg_address
from petlib.errors import DataError
from petlib.files import not_a_folder

METRICS_LOG, RECORD, TEST = "metrics.jsonl", "run.json", "test"
DATA_RECORD = "data.json"
TEST_METRICS = f"{TEST}/metrics.json"
SAMPLES_FILE = "samples.json"
LATEST = "latest"
LOG_LINES = 400
"""Lines of a log that a page shows, the last ones."""

Content = TypeVar("Content", dict, list)  # type: ignore[type-arg]

LINE_OF_ITERATION = re.compile(r"-\[iter: (\d+)/(\d+)\].*-\[eta: ([^\]]+)\]")
WARNING = re.compile(r"\] (WARNING|ERROR|CRITICAL): ")


@dataclass(frozen=True)
class Progress:
    """How far a training is, by the last line of its log that says so."""

    iteration: int
    iterations: int
    remaining: str

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.iteration / max(self.iterations, 1)


@dataclass(frozen=True)
class RunFolder:
    """What lies in the folder of a run.

    Attributes:
        path: the folder.
        name: by which pages call it.
        facts: what the training recorded, see :mod:`pet.report.facts`.
        series: iterations and values of each figure of the training and its evaluations.
        metrics: ``test/metrics.json``; empty: it was not tested.
        charts: what the evaluators of the test drew, as :func:`pet.visual.charts.as_record` gives it.
        samples: records of pictures of the test, each with ``pictures`` whose ``data`` are the files as addresses.
        latest: those of the last evaluation within the training.
        log: the last lines of the log of the training.
        warnings: the warnings in all of it.
        progress: None: the log says nothing of it.
    """

    path: Path
    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    series: Series = field(default_factory=dict)
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    charts: Sequence[Mapping[str, Any]] = ()
    samples: Sequence[Mapping[str, Any]] = ()
    latest: Sequence[Mapping[str, Any]] = ()
    log: Sequence[str] = ()
    warnings: Sequence[str] = ()
    progress: Progress | None = None

    @property
    def classes(self) -> set[str]:
        """The names of classes, parts and the like that the training recorded."""
        return {name for names in self.facts.get("classes", {}).values() for name in names}

    def may_be_class(self, name: str) -> bool:
        """Return whether a part of a metric's name is one of a class, and not of a range of counts; earlier runs recorded no classes."""
        return "classes" not in self.facts or name in self.classes


def read_run(path: Path) -> RunFolder:
    """Return what lies in the folder of a run; a file that is being written, or is broken, counts as missing.

    Raises:
        DataError: it is no folder of a run.
    """
    if not path.is_dir():
        raise DataError(f"{path}: {not_a_folder(path)}; give the output folder of a training")
    if not any((path / name).exists() for name in (METRICS_LOG, RECORD, TEST_METRICS)):
        raise DataError(f"{path}: no run has written into this folder: it has neither {METRICS_LOG} nor {TEST_METRICS}")
    log = read_lines(path / "logs" / "train_rank0.log")
    return RunFolder(
        path=path,
        name=path.absolute().name,
        facts={**read_json(path / RECORD, dict), "data": read_json(path / DATA_RECORD, dict)},
        series=read_series(path / METRICS_LOG) if (path / METRICS_LOG).exists() else {},
        metrics=read_json(path / TEST_METRICS, dict),
        charts=read_json(path / TEST / CHARTS_FILE, list),
        samples=list(_read_samples(path / TEST)),
        latest=list(_read_samples(path / LATEST)),
        log=log[-LOG_LINES:],
        warnings=[line for line in log if WARNING.search(line)],
        progress=_find_progress(log),
    )


def read_distinct(paths: Sequence[Path]) -> list[RunFolder]:
    """Return several runs; those of one name are called by their path.

    Raises:
        DataError: one is no folder of a run.
    """
    runs = [read_run(path) for path in paths]
    names = [run.name for run in runs]
    return [RunFolder(**{**vars(run), "name": run.name if names.count(run.name) == 1 else str(run.path)}) for run in runs]


def read_json(path: Path, expected: type[Content]) -> Content:
    """Return the content of a JSON file; an empty one where it is missing, broken, or of another type."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return expected()
    return found if isinstance(found, expected) else expected()


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file; none where it is missing."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def duration(seconds: float) -> str:
    """Return a time as ``1:02:03``."""
    return str(timedelta(seconds=round(seconds)))


def _read_samples(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.rglob(SAMPLES_FILE)):
        for record in read_json(path, list):
            pictures = [{**picture, "data": _as_address(path.parent / picture["file"])} for picture in record["pictures"]]
            if all(picture["data"] for picture in pictures):
                yield {**record, "pictures": pictures}


def _as_address(path: Path) -> str:
    try:
        return jpeg_address(path.read_bytes())
    except OSError:
        # a new evaluation is writing its own
        return ""


def _find_progress(log: Sequence[str]) -> Progress | None:
    for line in reversed(log):
        if found := LINE_OF_ITERATION.search(line):
            return Progress(int(found[1]), int(found[2]), found[3])
    return None
