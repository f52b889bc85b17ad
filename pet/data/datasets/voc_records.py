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

VOC_CORNERS = "pixels_from_1"
CORNERS = {VOC_CORNERS: (-1.0, 0.0), "pixels_from_0": (0.0, 1.0), "edges": (0.0, 0.0)}
"""What the corners of files may be: the first and last pixels of the object, or its edges; and what makes edges of them."""

logger = logging.getLogger(__name__)


class VocHeader(NamedTuple):
    """What holds for all images: names of the classes in the order of their labels, and what was left out, reason -> how often."""

    classes: list[str]
    skipped: dict[str, int]


def read_records(
    layout: VocLayout, names: Sequence[str], classes: Sequence[str] | None, corners: str | None = None
) -> Iterator[ImageTruth | VocHeader]:
    """Yield a record for each image, and the header last.

    Args:
        layout: where annotation files and images are.
        names: the ids of the images.
        classes: names of the classes in the order of their labels; None: the 20 of VOC where no other one occurs, else those that
            occur, sorted.
        corners: a name of ``CORNERS``; None: VOC's, and a line says where a corner shows that it is not.

    Raises:
        DataError: a file is missing or wrong, or names a class that is not in ``classes``.
    """
    files = [read_voc_xml(layout.annotation(name)) for name in names]
    chosen = list(classes or _find_classes(files))
    labels = {name: label for label, name in enumerate(chosen)}
    skipped = SkipCounter(layout.folder)
    images, first_pixels = ImageNames(layout.images), FirstPixels()
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
        objects = [item._replace(box=_edges(item.box, corners or VOC_CORNERS)) for item in file.objects]
        truth = _record(layout, (name, images.find(name, file.filename)), file._replace(objects=objects), labels, skipped)
        first_pixels.look_at(file, truth, path)
        yield truth
    skipped.log()
    if corners is None:
        first_pixels.log(layout.folder)
    yield VocHeader(chosen, skipped.counts)


class FirstPixels:
    """Finds out whether the corners of files are counted from 1, as VOC counts them: none of them is 0 then."""

    def __init__(self) -> None:
        self._zeros = 0
        self._first = ""
        self._are_pixels = False
        self._reaches_end = False

    def look_at(self, file: VocFile, truth: ImageTruth, path: Path) -> None:
        """Look at the corners of an image."""
        for place, item in enumerate(file.objects, start=1):
            left, top, right, bottom = item.box
            self._are_pixels |= max(right, bottom) > 1
            self._reaches_end |= right == truth.width or bottom == truth.height
            if 0 <= left < 1 or 0 <= top < 1:
                self._zeros += 1
                self._first = self._first or f"object {place} ({item.name}) of {path}"

    def log(self, folder: Path) -> None:
        """Say that corners are counted from 0, where one of them is 0, and which key says so."""
        if self._zeros and self._are_pixels:
            likely = "edges, since some reach the width or height" if self._reaches_end else "pixels_from_0, or edges"
            logger.warning(
                "%s: %s with a corner at 0 (the first: %s), and VOC counts pixels from 1, so all boxes are read a pixel too far left and "
                "up. Say in CatalogEntry what the corners are: corners: %s; corners: %s keeps this reading",
                folder, counted(self._zeros, "object"), self._first, likely, VOC_CORNERS,
            )  # fmt: skip


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


def _edges(box: tuple[float, float, float, float], corners: str) -> tuple[float, float, float, float]:
    first, last = CORNERS[corners]
    return box[0] + first, box[1] + first, box[2] + last, box[3] + last


def _box(item: VocObject, width: int, height: int) -> tuple[float, ...] | str:
    """Return XYXY inside of the image, or the reason why there is none."""
    left, top, right, bottom = item.box
    if left >= right or top >= bottom:
        return NO_AREA
    box = max(left, 0.0), max(top, 0.0), min(right, width), min(bottom, height)
    return box if box[0] < box[2] and box[1] < box[3] else OUTSIDE
