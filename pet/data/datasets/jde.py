"""Lists of images with identities, as JDE and FairMOT train on (https://github.com/Zhongdao/Towards-Realtime-MOT)."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from pet.data.catalog.source import Source
from pet.data.datasets.tracked_objects import TrackedHeader, TrackedObjects
from pet.data.files.allowed_paths import Reach
from pet.data.files.images import image_size
from pet.data.files.opening import read_lines, read_text
from pet.data.files.path_variants import PathVariants
from pet.data.files.skipped import SkipCounter
from pet.data.targets.dataset import ImageTruth
from petlib.errors import ConfigError, DataError

IMAGES, LABELS = "images", "labels_with_ids"
RATE = 30.0
"""Frames a second: neither the lists nor the labels say it."""

NO_LABELS = "image without a file of labels, kept as one without objects"
NO_AREA = "box without an area in its image"
PERSON = "person"


def read_jde(root: Path, lists: Sequence[Path], *, classes: Sequence[str], reach: Reach) -> Iterator[ImageTruth | TrackedHeader]:
    """Yield a record for each image, and the header last.

    The labels of ``.../images/.../x.jpg`` are ``.../labels_with_ids/.../x.txt``: lines ``class identity x y width height``, of which the
    last four, the centre and the extent, are shares of width and height of the image. An identity is that of all images of all lists; -1:
    none.
    The images of a folder are a sequence.

    Args:
        root: where the paths in the lists begin.
        lists: text files with the path of an image in each line.
        classes: names of the classes in the order of their numbers.
        reach: where these paths may lead.

    Raises:
        DataError: a file is missing or wrong.
    """
    skipped, variants = SkipCounter(root), PathVariants(root)
    names = [
        (variants.find(line, f"{path}:{number}"), path, number) for path in lists for number, line in read_lines(path, what="the list")
    ]
    if not names:
        raise DataError(f"{', '.join(map(str, lists))}: no images are listed")
    read = []
    for name, path, number in names:
        reach.check(name, root, f"{path}:{number}")
        read.append(_read_labels(root, name, len(classes), skipped))
    known = np.unique(np.concatenate([np.zeros(0, np.int64), *(rows[:, 1].astype(np.int64) for rows in read)]))
    known = known[known >= 0]
    sequences = {folder: place for place, folder in enumerate(dict.fromkeys(str(PurePosixPath(name).parent) for name, *_ in names))}
    counts, groups = dict.fromkeys(sequences, 0), []
    for (name, *_), rows in zip(names, read, strict=True):
        folder = str(PurePosixPath(name).parent)
        counts[folder] += 1
        groups.append(sequences[folder])
        yield _as_truth(root, name, rows, known, frame=counts[folder], skipped=skipped)
    skipped.log()
    variants.log()
    yield TrackedHeader(classes, len(known), np.array(groups, np.int64), skipped=skipped.counts)


def labels_path(name: str) -> str:
    """Return the path of the labels of an image.

    Raises:
        DataError: the image lies in no folder ``images``.
    """
    path = PurePosixPath(name)
    if IMAGES not in path.parts[:-1]:
        raise DataError(f"{name}: the labels are looked for in {LABELS} instead of {IMAGES}, and this path has no folder {IMAGES}")
    return str(PurePosixPath(*(LABELS if part == IMAGES else part for part in path.parts)).with_suffix(".txt"))


def _read_labels(root: Path, name: str, classes: int, skipped: SkipCounter) -> np.ndarray:
    """Return the lines of a file of labels, float64 (N, 6)."""
    path = root / labels_path(name)
    if not path.is_file():
        skipped.add(NO_LABELS, str(path))
        return np.zeros((0, 6))
    lines = [line for line in read_text(path, what="the labels").splitlines() if line.strip()]
    try:
        rows = np.loadtxt(lines, ndmin=2, comments=None) if lines else np.zeros((0, 6))
    except ValueError as error:
        raise DataError(f"{path}: the labels cannot be read: {error}; lines 'class identity x y width height' expected") from error
    if rows.shape[1] != 6:
        raise DataError(f"{path}: lines of {rows.shape[1]} numbers given, 'class identity x y width height' expected")
    wrong = ~np.isfinite(rows).all(axis=1) | (rows[:, :2] != np.round(rows[:, :2])).any(axis=1)
    wrong |= (rows[:, 0] < 0) | (rows[:, 0] >= classes) | (rows[:, 1] < -1) | (np.abs(rows[:, 2:]) > 10).any(axis=1)
    if wrong.any():
        line = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{path}:{line + 1}: {' '.join(f'{value:g}' for value in rows[line])} given; a class from 0 to {classes - 1} (Source.classes), "
            "an identity or -1, and centre and extent as shares of width and height expected"
        )
    return rows


def _as_truth(root: Path, name: str, rows: np.ndarray, known: np.ndarray, *, frame: int, skipped: SkipCounter) -> ImageTruth:
    height, width = image_size(root / name)
    centres, extents = rows[:, 2:4] * (width, height), rows[:, 4:] * (width, height)
    boxes = np.concatenate([centres - extents / 2, centres + extents / 2], axis=1)
    inside = np.clip(boxes, 0, (width, height) * 2)
    kept = (inside[:, 2:] - inside[:, :2] > 0).all(axis=1)
    for place in np.flatnonzero(~kept):
        skipped.add(NO_AREA, f"line {place + 1} of the labels of {name}")
    ids = rows[kept, 1].astype(np.int64)
    folder = PurePosixPath(name).parent
    return ImageTruth(
        id=name,
        file=str(root / name),
        height=height,
        width=width,
        boxes=boxes[kept].astype(np.float32),
        labels=rows[kept, 0].astype(np.int64),
        crowd=np.zeros(len(ids), bool),
        areas=extents[kept].prod(axis=1).astype(np.float32),
        identities=np.where(ids >= 0, np.searchsorted(known, ids), -1),
        sequence=str(folder),
        frame=frame,
        time=(frame - 1) / RATE,
    )


def build_jde(source: Source) -> TrackedObjects:
    """Return the images of the list ``source.annotations``, whose paths begin at ``source.path``.

    Raises:
        ConfigError: the source names no list.
        DataError: files are missing or wrong.
    """
    if source.annotations is None:
        raise ConfigError(f"{source.path}: data of the type jde need annotations: the list of their images, e.g. mot17.train")
    read = partial(read_jde, source.path, [source.annotations], classes=source.classes or [PERSON], reach=source.reach)
    return TrackedObjects(read, record="the list")
