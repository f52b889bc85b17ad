"""The files of a split of Pascal VOC become records."""

import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pet.data.datasets.voc_xml import FLAGS, VocFile, VocObject, read_voc_xml
from pet.data.files.allowed_paths import INSIDE, Reach
from pet.data.files.images import image_size
from pet.data.files.limits import shown
from pet.data.files.listing import SUFFIXES, is_of_system
from pet.data.files.opening import read_text
from pet.data.files.skipped import SkipCounter
from pet.data.targets.dataset import ImageTruth
from petlib.errors import DataError
from petlib.suggest import did_you_mean

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""The 20 classes of 2007 to 2012 (http://host.robots.ox.ac.uk/pascal/VOC/voc2012/index.html)."""

NO_OBJECT = "image without <object>, kept as one without objects"
NO_AREA = "object whose box has no area"
OUTSIDE = "object whose box lies outside of the image"


logger = logging.getLogger(__name__)


class VocHeader(NamedTuple):
    """What holds for all images: names of the classes in the order of their labels, and what was left out, reason -> how often."""

    classes: list[str]
    skipped: dict[str, int]


def read_records(folder: Path, names: Sequence[str], classes: Sequence[str] | None) -> Iterator[ImageTruth | VocHeader]:
    """Yield a record for each image, and the header last.

    Args:
        folder: the one that has ``Annotations`` and ``JPEGImages``.
        names: the ids of the images.
        classes: names of the classes in the order of their labels; None: the 20 of VOC where no other one occurs, else those that
            occur, sorted.

    Raises:
        DataError: a file is missing or wrong, or names a class that is not in ``classes``.
    """
    files = [read_voc_xml(annotation_path(folder, name)) for name in names]
    chosen = list(classes or _find_classes(files))
    labels = {name: label for label, name in enumerate(chosen)}
    skipped = SkipCounter(folder)
    images = ImageNames(folder / "JPEGImages")
    _log_flags(folder, files)
    for name, file in zip(names, files, strict=True):
        path = annotation_path(folder, name)
        unknown = [item.name for item in file.objects if item.name not in labels]
        if unknown:
            raise DataError(
                f"{path}: the class {unknown[0]!r} is none of the {len(chosen)} classes{did_you_mean(unknown[0], chosen)}; "
                f"they are {', '.join(chosen[:20])}{', ...' if len(chosen) > 20 else ''} (Source.classes)"
            )
        if not file.objects:
            skipped.add(NO_OBJECT, str(path))
        yield _record(folder, (name, f"JPEGImages/{images.find(name, file.filename)}"), file, labels, skipped)
    skipped.log()
    yield VocHeader(chosen, skipped.counts)


def _log_flags(folder: Path, files: Sequence[VocFile]) -> None:
    """Say what words in <difficult> are taken for."""
    words = Counter(item.flag for file in files for item in file.objects if item.flag)
    if words:
        taken = ", ".join(f"{word} as {int(FLAGS[word.lower()])} ({count} times)" for word, count in sorted(words.items()))
        logger.info("%s: <difficult> is read where it is a word: %s", folder, taken)


class ImageNames:
    """The files of ``JPEGImages``, which are found whatever their suffix: labelling tools write others than <filename> says.

    Args:
        folder: the folder; an id may lead to one below it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, dict[str, list[str]]] = {}

    def find(self, name: str, filename: str) -> str:
        """Return the image of the id ``name``, relative to the folder: ``<name>.jpg`` where there is none.

        Raises:
            DataError: several images have that name, and the annotation file does not say which.
        """
        below, stem = os.path.split(name)
        if below not in self._names:
            self._names[below] = self._list(self._folder / below)
        found = self._names[below].get(stem, [])
        said = stem + _suffix(filename)
        if len(found) > 1 and said not in found:
            raise DataError(f"{self._folder / name}: {' and '.join(found)} are there; name one in <filename> of the annotation file")
        return os.path.join(below, found[0] if found and said not in found else said)  # noqa: PTH118 -- names, not files

    def _list(self, folder: Path) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {}
        for name in sorted(os.listdir(folder)) if folder.is_dir() else ():  # noqa: PTH208 -- many files
            stem, suffix = os.path.splitext(name)  # noqa: PTH122 -- many files
            if suffix.lower() in SUFFIXES and not is_of_system(name):
                names.setdefault(stem, []).append(name)
        return names


def annotation_path(folder: Path, name: str) -> Path:
    """Return the annotation file of an image."""
    return folder / "Annotations" / f"{name}.xml"


def read_list(folder: Path, kind: str, split: str, reach: Reach = INSIDE) -> list[str]:
    """Return the ids of the images of a split.

    Args:
        folder: the one that has ``ImageSets``.
        kind: ``Main``, or ``Segmentation`` for the images that have label images.
        split: name of the list, e.g. ``trainval``.
        reach: where the ids may lead.

    Raises:
        DataError: there is no such list, it is empty, names an image twice, or leads elsewhere.
    """
    path = folder / "ImageSets" / kind / f"{split}.txt"
    if not path.is_file():
        there = sorted(item.stem for item in path.parent.glob("*.txt") if not is_of_system(item.name))
        splits = [name for name in there if "_" not in name] or there
        found = f"there are {', '.join(splits)}{did_you_mean(split, splits)}" if splits else "a folder of Pascal VOC has lists there"
        raise DataError(f"{path}: there is no such list of images; {found}. Paths of the catalogue start from Source.root")
    lines: dict[str, int] = {}
    for number, line in enumerate(read_text(path, what="the list").splitlines(), start=1):
        if not line.strip():
            continue
        name = _id_of(line.strip(), folder)
        reach.check(name, folder / "Annotations", f"{path}:{number}")
        if lines.setdefault(name, number) != number:
            raise DataError(f"{path}:{number}: the image {shown(name)} is in line {lines[name]} already")
    if not lines:
        raise DataError(f"{path}: the list names no images; it has the id of an image in each line, e.g. 000005")
    return list(lines)


def _id_of(line: str, folder: Path) -> str:
    """Return the id of a line: it may have blanks, or the suffix of a file, where an annotation file shows it.

    Lists of one class have a second column.
    """
    first = line.split(maxsplit=1)[0]
    stem, suffix = os.path.splitext(line)  # noqa: PTH122 -- an id
    ids = [line, line.rsplit(maxsplit=1)[0]] if first != line else []
    if suffix.lower() in (*SUFFIXES, ".xml"):
        ids += [line, stem]
    return next((name for name in ids if annotation_path(folder, name).is_file()), first)


def object_names(folder: Path, split: str, reach: Reach) -> list[str]:
    """Return the names of the classes of a split, as :func:`read_records` finds them.

    Raises:
        DataError: the list or an annotation file is missing or wrong.
    """
    return list(_find_classes([read_voc_xml(annotation_path(folder, name)) for name in read_list(folder, "Main", split, reach)]))


def _find_classes(files: Sequence[VocFile]) -> Sequence[str]:
    names = {item.name for file in files for item in file.objects}
    return VOC_CLASSES if names.issubset(VOC_CLASSES) else sorted(names)


def _record(folder: Path, names: tuple[str, str], file: VocFile, labels: dict[str, int], skipped: SkipCounter) -> ImageTruth:
    name, image = names
    height, width = file.size or image_size(folder / image)
    kept: list[tuple[VocObject, tuple[float, ...]]] = []
    for place, item in enumerate(file.objects, start=1):
        box = _box(item, width, height)
        if isinstance(box, str):
            skipped.add(box, f"object {place} ({item.name}) of {annotation_path(folder, name)}")
        else:
            kept.append((item, box))
    boxes = np.array([box for _, box in kept], np.float32).reshape(-1, 4)
    return ImageTruth(
        id=name,
        file=image,
        height=height,
        width=width,
        boxes=boxes,
        labels=np.array([labels[item.name] for item, _ in kept], np.int64),
        crowd=np.array([item.difficult for item, _ in kept], bool),
        areas=(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]),
    )


def _box(item: VocObject, width: int, height: int) -> tuple[float, ...] | str:
    """Return XYXY inside of the image, or the reason why there is none."""
    left, top, right, bottom = item.box
    # both corners belong to the object: one pixel has left == right
    if left > right or top > bottom:
        return NO_AREA
    # pixel i, counted from 1, covers [i - 1, i)
    box = max(left - 1, 0.0), max(top - 1, 0.0), min(right, width), min(bottom, height)
    return box if box[0] < box[2] and box[1] < box[3] else OUTSIDE


def _suffix(filename: str) -> str:
    suffix = Path(filename).suffix
    return suffix if suffix.lower() in SUFFIXES else ".jpg"
