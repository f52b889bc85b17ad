"""Tracks in files, compared with annotations in files: the figures of MOTChallenge."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pet.data.datasets.mot_folders import ANNOTATIONS, INFO, LABELS, MOT_CLASSES, distractors
from pet.data.files.mot_text import MotRows, read_mot
from pet.data.files.opening import read_lines
from pet.metrics.tracking import TrackingSums, measure_tracks
from pet.metrics.tracking_breaks import Break, explain_switches
from pet.metrics.tracking_frames import FrameBoxes, prepare_frames
from petlib.errors import ConfigError, DataError

BENCHMARKS = ("MOT15", "MOT16", "MOT17", "MOT20")
PEDESTRIAN = MOT_CLASSES.index("pedestrian") + 1


@dataclass(frozen=True)
class SequenceResult:
    """The figures of a sequence.

    Attributes:
        sums: of each class.
        breaks: where identities change their tracks, of each class.
    """

    sums: dict[str, TrackingSums]
    breaks: dict[str, list[Break]]


def evaluate_track_files(truth: Path, results: Path, *, benchmark: str = "") -> dict[str, SequenceResult]:
    """Return the figures of each sequence.

    Annotations are ``<sequence>/gt/gt.txt`` or ``<sequence>.txt`` of a folder; results ``<sequence>.txt`` of another one, or of its folder
    ``data``. With ``gt/labels.txt`` each class counts by itself; else pedestrians count, and what is found in the places of distractors
    counts neither as right nor as wrong.

    Args:
        truth: folder of the annotations.
        results: folder of the results.
        benchmark: one of :data:`BENCHMARKS`, whose rules hold; MOT15 has no classes. Empty: as the files say.

    Raises:
        ConfigError: there is no such benchmark.
        DataError: files are missing or wrong, or an id occurs twice in a frame.
    """
    if benchmark and benchmark not in BENCHMARKS:
        raise ConfigError(f"evaluate_track_files.benchmark: {benchmark!r} given, one of {', '.join(BENCHMARKS)} expected")
    return {name: _evaluate(name, path, _result_path(results, name), benchmark) for name, path in sorted(_annotation_paths(truth).items())}


def total(results: Sequence[SequenceResult]) -> dict[str, TrackingSums]:
    """Return the sums of all sequences, of each class, and where there are several of ``all`` of them."""
    sums: dict[str, TrackingSums] = {}
    for result in results:
        for name, own in result.sums.items():
            sums[name] = sums[name] + own if name in sums else own
    if len(sums) > 1:
        first, *others = sums.values()
        sums["all"] = sum(others, first)
    return sums


def _evaluate(name: str, truth_path: Path, result_path: Path, benchmark: str) -> SequenceResult:
    truth, result = read_mot(truth_path, what="the annotations"), read_mot(result_path, what="the results")
    _check_ids(truth_path, truth.select(truth.confidences != 0))
    _check_ids(result_path, result)
    sums, breaks = {}, {}
    for label, counted, ignored, tracks in _classes(name, truth_path, truth, result, benchmark):
        # no figure depends on frames in which there is nothing at all
        numbers = np.union1d(truth.frames, result.frames)
        frames = _frames(truth, counted, ignored, result.select(tracks), numbers)
        prepared = prepare_frames(frames)
        sums[label], switches = measure_tracks(prepared.sequence)
        breaks[label] = list(explain_switches(frames, numbers.tolist(), switches, prepared.truth_ids, prepared.track_ids))
    return SequenceResult(sums, breaks)


def _classes(
    name: str, path: Path, truth: MotRows, result: MotRows, benchmark: str
) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Return of each class its name, which boxes count, which are ignored, and which results are of it."""
    to_find, everything = truth.confidences != 0, np.ones(len(result.frames), bool)
    labels = path.parent / Path(LABELS).name
    if labels.is_file():
        names = [line for _, line in read_lines(labels, what="the list of classes")]
        one = len(names) == 1
        return [
            (label, to_find & (truth.classes == number), np.zeros(len(to_find), bool), everything if one else result.classes == number)
            for number, label in enumerate(names, start=1)
        ]
    if benchmark == "MOT15":
        return [("pedestrian", to_find, np.zeros(len(to_find), bool), everything)]
    ignored = np.isin(truth.classes, [MOT_CLASSES.index(own) + 1 for own in distractors(benchmark or name)])
    return [("pedestrian", to_find & (truth.classes == PEDESTRIAN), ignored, everything)]


def _frames(truth: MotRows, counted: np.ndarray, ignored: np.ndarray, tracks: MotRows, numbers: np.ndarray) -> list[FrameBoxes]:
    begins, ends = ([np.searchsorted(rows.frames, numbers, side=side).tolist() for rows in (truth, tracks)] for side in ("left", "right"))
    frames = []
    for place in range(len(numbers)):
        own, found = (slice(begin[place], end[place]) for begin, end in zip(begins, ends, strict=True))
        frames.append(FrameBoxes(truth.boxes[own], truth.ids[own], counted[own], ignored[own], tracks.boxes[found], tracks.ids[found]))
    return frames


def _check_ids(path: Path, rows: MotRows) -> None:
    keys, counts = np.unique(np.stack([rows.frames, rows.ids]), axis=1, return_counts=True)
    if (counts > 1).any():
        frame, identity = keys[:, counts.argmax()].tolist()
        raise DataError(f"{path}: the id {identity} occurs {counts.max()} times in frame {frame}; once expected")


def _annotation_paths(folder: Path) -> dict[str, Path]:
    below = {path.parent.parent.name: path for path in folder.glob(f"*/{ANNOTATIONS}")}
    lacking = [path.parent for path in sorted(folder.glob(f"*/{INFO}")) if below and path.parent.name not in below]
    if lacking:
        raise DataError(f"{lacking[0] / ANNOTATIONS}: there is no such file, but other sequences of {folder} have it")
    own = {folder.name: folder / ANNOTATIONS} if (folder / ANNOTATIONS).is_file() else {}
    found = below or own or {path.stem: path for path in folder.glob("*.txt")}
    if not found:
        raise DataError(f"evaluate_track_files.truth: {folder}: no annotations; <sequence>/{ANNOTATIONS} or <sequence>.txt expected")
    return found


def _result_path(folder: Path, name: str) -> Path:
    path = next((path for path in (folder / f"{name}.txt", folder / "data" / f"{name}.txt") if path.is_file()), None)
    if path is None:
        raise DataError(f"evaluate_track_files.results: {folder}: no {name}.txt, the results of the sequence {name}")
    return path


def as_record(results: dict[str, SequenceResult]) -> dict[str, Any]:
    """Return figures of all sequences and of each, and every break, as JSON can hold them."""
    return {
        "combined": {label: sums.figures() for label, sums in total(list(results.values())).items()},
        "sequences": {name: {label: sums.figures() for label, sums in result.sums.items()} for name, result in results.items()},
        "breaks": [
            {"sequence": name, "class": label, **own._asdict()}
            for name, result in results.items()
            for label, breaks in result.breaks.items()
            for own in breaks
        ],
    }
