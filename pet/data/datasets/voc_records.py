"""The files of a split of Pascal VOC become records."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pet.data.datasets.voc_layout import ImageNames, VocLayout, find_layout, read_list
from pet.data.datasets.voc_xml import FLAGS, VocFile, VocObject, read_voc_xml
from pet.data.files.allowed_paths import Reach
from pet.data.files.images import image_size
from pet.data.files.skipped import SkipCounter
from pet.data.targets.dataset import ImageTruth
from petlib.errors import DataError
from petlib.suggest import counted, did_you_mean

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


def read_records(layout: VocLayout, names: Sequence[str], classes: Sequence[str] | None) -> Iterator[ImageTruth | VocHeader]:
    """Yield a record for each image, and the header last.

    Args:
        layout: where annotation files and images are.
        names: the ids of the images.
        classes: names of the classes in the order of their labels; None: the 20 of VOC where no other one occurs, else those that
            occur, sorted.

    Raises:
        DataError: a file is missing or wrong, or names a class that is not in ``classes``.
    """
    files = [read_voc_xml(layout.annotation(name)) for name in names]
    chosen = list(classes or _find_classes(files))
    labels = {name: label for label, name in enumerate(chosen)}
    skipped = SkipCounter(layout.folder)
    images = ImageNames(layout.images)
    _log_flags(layout.folder, files)
    for name, file in zip(names, files, strict=True):
        path = layout.annotation(name)
        unknown = [item.name for item in file.objects if item.name not in labels]
        if unknown:
            raise DataError(
                f"{path}: the class {unknown[0]!r} is none of the {counted(len(chosen), 'class')}{did_you_mean(unknown[0], chosen)}; "
                f"they are {', '.join(chosen[:20])}{', ...' if len(chosen) > 20 else ''} (Source.classes)"
            )
        if not file.objects:
            skipped.add(NO_OBJECT, str(path))
        yield _record(layout, (name, images.find(name, file.filename)), file, labels, skipped)
    skipped.log()
    yield VocHeader(chosen, skipped.counts)


def _log_flags(folder: Path, files: Sequence[VocFile]) -> None:
    """Say what words in <difficult> are taken for."""
    words = Counter(item.flag for file in files for item in file.objects if item.flag)
    if words:
        taken = ", ".join(f"{word} as {int(FLAGS[word.lower()])} ({count} times)" for word, count in sorted(words.items()))
        logger.info("%s: <difficult> is read where it is a word: %s", folder, taken)


def object_names(folder: Path, annotations: Path | None, split: str, reach: Reach) -> list[str]:
    """Return the names of the classes of a split, as :func:`read_records` finds them.

    Raises:
        DataError: the list or an annotation file is missing or wrong.
    """
    layout = find_layout(folder, annotations)
    return list(_find_classes([read_voc_xml(layout.annotation(name)) for name in read_list(layout, "Main", split, reach)]))


def _find_classes(files: Sequence[VocFile]) -> Sequence[str]:
    names = {item.name for file in files for item in file.objects}
    return VOC_CLASSES if names.issubset(VOC_CLASSES) else sorted(names)


def _record(layout: VocLayout, names: tuple[str, str], file: VocFile, labels: dict[str, int], skipped: SkipCounter) -> ImageTruth:
    name, image = names
    height, width = file.size or image_size(layout.images / image)
    kept: list[tuple[VocObject, tuple[float, ...]]] = []
    for place, item in enumerate(file.objects, start=1):
        box = _box(item, width, height)
        if isinstance(box, str):
            skipped.add(box, f"object {place} ({item.name}) of {layout.annotation(name)}")
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
