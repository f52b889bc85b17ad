"""Sequences with identities in the layout of MOTChallenge: MOT15, MOT16, MOT17, MOT20, and own ones."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from pet.data.catalog.source import Source
from pet.data.datasets.mot_folders import MOT_CLASSES, MotSequence, class_names, distractors, find_sequences
from pet.data.datasets.tracked_objects import TrackedHeader, TrackedObjects
from pet.data.files.mot_text import MotRows, read_mot
from pet.data.files.skipped import SkipCounter
from pet.data.targets.dataset import ImageTruth
from petlib.errors import ConfigError, DataError

PEDESTRIAN = "pedestrian"
SAME_AS_PEDESTRIAN = "person"
HALVES = {"train_half": "train", "val_half": "train"}
"""Split -> folder: the first and the second half of each sequence, which figures of MOT17's training data are measured on."""

OTHER_CLASS = "box of another class"
NO_IMAGE = "box of a frame without an image"
NO_AREA = "box without an area"


def read_mot_folders(folder: Path, *, classes: Sequence[str] | None, half: str, step: int) -> Iterator[ImageTruth | TrackedHeader]:
    """Yield a record for each frame of the sequences in a folder, and the header last.

    Identities are those of (sequence, id), numbered in the order of both.

    Args:
        folder: the folder of the sequences.
        classes: names of the classes; None: all of ``gt/labels.txt``, else pedestrians.
        half: ``train_half``: the frames up to the middle of each sequence; ``val_half``: the others; else all.
        step: every how many frames one is read.

    Raises:
        DataError: files are missing or wrong, or only some of the sequences have annotations.
    """
    sequences = find_sequences(folder)
    annotated = [sequence.annotations.is_file() for sequence in sequences]
    if any(annotated) and not all(annotated):
        raise DataError(f"{sequences[annotated.index(False)].annotations}: there is no such file, but other sequences of {folder} have it")
    known = class_names(sequences[0])
    names = _choose_classes(folder, known or MOT_CLASSES, list(classes) if classes else None, own=known is not None)
    skipped, identities, numbers = SkipCounter(folder), 0, []
    for number, sequence in enumerate(sequences):
        rows = read_mot(sequence.annotations, what="the annotations") if annotated[number] else None
        frames = _chosen_frames(sequence, half)[::step]
        reader = _SequenceReader(sequence, known or MOT_CLASSES, names, skipped, first_identity=identities)
        yield from reader.read(rows, frames)
        identities += reader.num_identities
        numbers += [number] * len(frames)
    skipped.log()
    lacking = "" if all(annotated) else str(sequences[0].annotations)
    yield TrackedHeader(names, identities, np.array(numbers, np.int64), lacking, skipped.counts)


class _SequenceReader:
    """The records of one sequence."""

    def __init__(
        self, sequence: MotSequence, known: Sequence[str], names: Sequence[str], skipped: SkipCounter, *, first_identity: int
    ) -> None:
        self._sequence = sequence
        self._skipped = skipped
        self._first = first_identity
        self.num_identities = 0
        # number of a class in the file -> label; -1: not asked for, -2: what is found there does not count
        ignored = distractors(sequence.name)
        labels = [names.index(name) if name in names else -2 if name in ignored else -1 for name in known]
        if SAME_AS_PEDESTRIAN in names and PEDESTRIAN in known:
            labels[list(known).index(PEDESTRIAN)] = names.index(SAME_AS_PEDESTRIAN)
        self._labels = np.array([-1, *labels])

    def read(self, rows: MotRows | None, frames: Sequence[int]) -> Iterator[ImageTruth]:
        """Yield the record of each frame; without rows nothing is known of its objects."""
        size = self._sequence.size
        kept = np.zeros(0, np.int64) if rows is None else self._choose(rows)
        rows = None if rows is None else rows.select(kept)
        frame_numbers = np.zeros(0, np.int64) if rows is None else rows.frames
        boxes = np.zeros((0, 4), np.float32) if rows is None else rows.corners().astype(np.float32)
        labels = np.zeros(0, np.int64) if rows is None else self._labels[np.clip(rows.classes, 0, len(self._labels) - 1)]
        identities = self._number(rows, labels)
        begins, ends = (np.searchsorted(frame_numbers, frames, side=side) for side in ("left", "right"))
        for frame, begin, end in zip(frames, begins.tolist(), ends.tolist(), strict=True):
            own = slice(begin, end)
            file = self._sequence.frames[frame]
            yield ImageTruth(
                id=f"{self._sequence.name}/{frame:06d}",
                file=str(file),
                height=size[0],
                width=size[1],
                boxes=boxes[own],
                labels=np.maximum(labels[own], 0),
                crowd=labels[own] < 0,
                areas=(boxes[own, 2:] - boxes[own, :2]).prod(axis=1),
                identities=identities[own],
                sequence=self._sequence.name,
                frame=frame,
                time=(frame - 1) / self._sequence.rate,
            )

    def _choose(self, rows: MotRows) -> np.ndarray:
        """Return the places of the lines that are read, and count the others."""
        path = str(self._sequence.annotations)
        number = np.where((rows.classes >= 1) & (rows.classes < len(self._labels)), rows.classes, 0)
        label = self._labels[number]
        reasons = {
            NO_IMAGE: ~np.isin(rows.frames, list(self._sequence.frames)),
            OTHER_CLASS: label == -1,
            NO_AREA: (rows.boxes[:, 2:] <= 0).any(axis=1),
        }
        # who is not to be counted is no mistake of the files
        left = (label < 0) | (rows.confidences != 0)
        for reason, out in reasons.items():
            for place in np.flatnonzero(left & out):
                self._skipped.add(reason, f"frame {rows.frames[place]}, id {rows.ids[place]} of {path}")
            left &= ~out
        return np.flatnonzero(left)

    def _number(self, rows: MotRows | None, labels: np.ndarray) -> np.ndarray:
        """Return the identities of lines with labels, -1: it is not counted.

        Raises:
            DataError: one occurs twice in a frame.
        """
        if rows is None:
            return np.zeros(0, np.int64)
        counted = labels >= 0
        pairs, times = np.unique(np.stack([rows.frames[counted], rows.ids[counted]], axis=1), axis=0, return_counts=True)
        for frame, identity in pairs[times > 1][:1]:
            raise DataError(
                f"{self._sequence.annotations}: the id {identity} occurs several times in frame {frame}; an object is once in a frame, and "
                "each has an id of its own"
            )
        ids, places = np.unique(rows.ids[counted], return_inverse=True)
        self.num_identities = len(ids)
        identities = np.full(len(labels), -1, np.int64)
        identities[counted] = places + self._first
        return identities


def _choose_classes(folder: Path, known: Sequence[str], wanted: list[str] | None, *, own: bool) -> list[str]:
    if wanted is None:
        return list(known) if own else [PEDESTRIAN]
    found = [name for name in wanted if name in known or (name == SAME_AS_PEDESTRIAN and PEDESTRIAN in known)]
    if not found:
        raise DataError(
            f"{folder}: none of the classes {', '.join(wanted[:5])} in these data; they have {', '.join(known)} (Source.classes)"
        )
    return found


def _chosen_frames(sequence: MotSequence, half: str) -> list[int]:
    """Return the numbers of the frames that a split has; the one in the middle is in the first half."""
    frames = sorted(sequence.frames)
    middle = len(frames) // 2 + 1
    return frames[:middle] if half == "train_half" else frames[middle:] if half == "val_half" else frames


def build_mot(source: Source, *, step: int = 1) -> TrackedObjects:
    """Return the sequences in ``source.path``, or in its folder ``source.split`` where there is one.

    Args:
        source: ``split`` may be ``train_half`` or ``val_half``: the first and the second half of each sequence of ``train``.
        step: every how many frames one is read, for data of a lower frame rate.

    Raises:
        ConfigError: the step is no whole number from 1 on.
        DataError: files are missing or wrong.
    """
    if not isinstance(step, int) or step < 1:
        raise ConfigError(f"build_mot.step: {step!r} given, a whole number from 1 on expected")
    below = source.path / HALVES.get(source.split, source.split)
    folder = below if below.is_dir() else source.path
    read = partial(read_mot_folders, folder, classes=source.classes, half=source.split, step=step)
    return TrackedObjects(read, record="seqinfo.ini")
