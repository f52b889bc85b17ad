"""Folders of MOTChallenge: which sequences there are, and their frames."""

import configparser
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pet.data.files.images import image_size
from pet.data.files.listing import SUFFIXES, files_in
from pet.data.files.opening import read_lines, read_text
from pet.data.files.skipped import SkipCounter
from petlib.errors import DataError
from petlib.files import not_a_folder

MOT_CLASSES = (
    *("pedestrian", "person_on_vehicle", "car", "bicycle", "motorbike", "non_mot_vehicle", "static_person"),
    *("distractor", "occluder", "occluder_on_ground", "occluder_full", "reflection", "crowd"),
)
"""The classes of MOT16, MOT17 and MOT20 in the order of their numbers, from 1 on (https://arxiv.org/abs/1603.00831)."""

DISTRACTORS = ("person_on_vehicle", "static_person", "distractor", "reflection")
"""What is found in the place of one counts neither as right nor as wrong."""

DETECTORS = ("-DPM", "-FRCNN", "-SDP")
"""MOT17 has each sequence once for each detector; the images and the annotations are the same."""

USUAL_RATE = 30.0
INFO, ANNOTATIONS, LABELS = "seqinfo.ini", "gt/gt.txt", "gt/labels.txt"

logger = logging.getLogger(__name__)


class MotSequence(NamedTuple):
    """A sequence.

    Attributes:
        name: of its folder.
        folder: its folder.
        frames: number, from 1 on -> image.
        rate: frames a second.
        size: (height, width) of its images.
    """

    name: str
    folder: Path
    frames: dict[int, Path]
    rate: float
    size: tuple[int, int]

    @property
    def annotations(self) -> Path:
        """The file of its annotations."""
        return self.folder / ANNOTATIONS


def find_sequences(folder: Path) -> list[MotSequence]:
    """Return the sequences in a folder, or the one that it is; of MOT17 one of the three copies.

    Raises:
        DataError: there are none, or one has no images or a wrong ``seqinfo.ini``.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: {not_a_folder(folder)}; folders of sequences expected, e.g. {folder / 'MOT17-02-FRCNN' / 'img1'}")
    candidates = [folder] if _is_sequence(folder) else sorted(entry for entry in folder.iterdir() if entry.is_dir() and _is_sequence(entry))
    if not candidates:
        raise DataError(
            f"{folder}: no sequences in it; one is a folder with seqinfo.ini or img1, e.g. {folder / 'MOT17-02-FRCNN' / 'img1'}"
        )
    chosen: dict[str, Path] = {}
    for entry in candidates:
        chosen.setdefault(_without_detector(entry.name), entry)
    if len(chosen) < len(candidates):
        logger.info("%s: %d sequences, each for several detectors; one of each is read", folder, len(chosen))
    return [_read_sequence(entry) for entry in chosen.values()]


def frame_rate(folder: Path) -> float:
    """Return the frames a second of a sequence as its ``seqinfo.ini`` says; where it says nothing 30, and a line says so.

    Raises:
        DataError: it says something else than a number above 0.
    """
    rate = _number(folder, _read_info(folder / INFO), "framerate")
    if rate is None:
        logger.info("%s: no frameRate in %s, %g frames a second are assumed", folder, INFO, USUAL_RATE)
    return rate or USUAL_RATE


def class_names(sequence: MotSequence) -> list[str] | None:
    """Return the names in ``gt/labels.txt``, which labelling tools write; None: the classes are MOTChallenge's."""
    path = sequence.folder / LABELS
    return [line for _, line in read_lines(path, what="the list of classes")] if path.is_file() else None


def distractors(benchmark: str) -> tuple[str, ...]:
    """Return the distractors of a benchmark, whose name is the beginning of those of its sequences: MOT20 has one more."""
    return (*DISTRACTORS, "non_mot_vehicle") if benchmark.startswith("MOT20") else DISTRACTORS


def _is_sequence(folder: Path) -> bool:
    return (folder / INFO).is_file() or (folder / "img1").is_dir()


def _without_detector(name: str) -> str:
    return next((name.removesuffix(ending) for ending in DETECTORS if name.endswith(ending)), name)


def _read_sequence(folder: Path) -> MotSequence:
    info = _read_info(folder / INFO)
    images = folder / info.get("imdir", "img1")
    frames = dict(_number_frames(images)) if images.is_dir() else {}
    if not frames:
        raise DataError(f"{images}: no images of the sequence {folder.name} in it")
    length = _number(folder, info, "seqlength")
    if length and len(frames) < length:
        logger.warning("%s: %d of the %g frames that %s says (seqLength) are there", images, len(frames), length, INFO)
    height, width = _number(folder, info, "imheight"), _number(folder, info, "imwidth")
    size = (int(height), int(width)) if height and width else image_size(next(iter(frames.values())))
    return MotSequence(folder.name, folder, frames, frame_rate(folder), size)


def _read_info(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(read_text(path, what="the description of the sequence"))
        return dict(parser["Sequence"])
    except (configparser.Error, KeyError) as error:
        raise DataError(
            f"{path}: not the description of a sequence: {error}; a section [Sequence] with lines 'key=value' expected"
        ) from error


def _number(folder: Path, info: dict[str, str], key: str) -> float | None:
    if not info.get(key):
        return None
    try:
        value = float(info[key])
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise DataError(f"{folder / INFO}: {key} is {info[key]!r}, a number above 0 expected")
    return value


def _number_frames(folder: Path) -> Iterator[tuple[int, Path]]:
    """Yield number and file of each image: the number in its name, where all names are numbers from 1 on, else its place."""
    skipped = SkipCounter(folder)
    names = files_in(folder, SUFFIXES, skipped)
    skipped.log()
    stems = [Path(name).stem for name in names]
    numbered = all(stem.isdecimal() and int(stem) > 0 for stem in stems) and len({int(stem) for stem in stems}) == len(stems)
    places = sorted((int(stem) if numbered else place, name) for place, (stem, name) in enumerate(zip(stems, names, strict=True), start=1))
    yield from ((number, folder / name) for number, name in places)
