"""Folders of images and of label images whose pixels are numbers of classes."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import numpy as np

from pet.data.datasets.ade20k_classes import ADE20K_CLASSES
from pet.data.datasets.image_folder import SUFFIXES
from pet.data.images import read_image
from pet.data.label_images import read_label_image
from pet.data.sized_images import image_size
from pet.data.skipped import SkipCounter
from pet.data.source import Source
from pet.data.targets import IGNORE, ImageTruth
from pet.data.wanted import choose_kinds
from petlib.data.protocols import Sample
from petlib.data.records import share_records
from petlib.errors import ConfigError, DataError
from petlib.suggest import did_you_mean

LABEL_SUFFIXES = (".png", ".bmp", ".tif", ".tiff")
LIST_SUFFIX = ".txt"
ALONE = "label image without an image"
ADE20K_SPLITS = {"train": "training", "val": "validation"}


class SemsegFolder:
    """Images below one folder and label images below another, paired by their names without suffix, at any depth.

    Pixels of the value 255 count nowhere. Label images that have no image are left out and counted in ``skipped``.

    Args:
        images: the folder of the images.
        labels: the folder of the label images, of 8 bits.
        classes: names of the classes in the order of their numbers.
        first: the number of the first class in the files; what is below it does not count.
        names: text file of the images to take, one name a line, with or without a suffix; None: all.
        kinds: kinds of targets that are wanted: ``semseg`` is what there is.

    Raises:
        DataError: a folder is missing or has no images, an image has no label image, or another kind is wanted.
    """

    numbered = False
    kinds = frozenset({"semseg"})
    keypoint_set = None
    part_set = None

    def __init__(
        self,
        *,
        images: Path,
        labels: Path,
        classes: list[str],
        first: int = 0,
        names: Path | None = None,
        kinds: frozenset[str] | None = None,
    ) -> None:
        choose_kinds(images, self.kinds, kinds)
        self._images, self._labels = images, labels
        self.classes = classes
        self.semseg_classes = classes
        self.category_ids = range(len(classes))
        self._first = first
        self._records = share_records(lambda: _pair(images, labels, names))
        self.skipped = cast("dict[str, int]", self._records[-1])

    def __len__(self) -> int:
        return len(self._records) - 1

    def __getitem__(self, index: int) -> Sample:
        image_path, label_path = self._paths(index)
        image = read_image(image_path)
        size = image.shape[:2]
        labels = read_label_image(label_path)
        if labels.shape != size:
            raise DataError(
                f"{label_path}: the label image is {labels.shape[1]}x{labels.shape[0]} (width x height), but its image {image_path} "
                f"is {size[1]}x{size[0]}; they have to be of one size"
            )
        return {"image": image, "semseg": self._classes_of(labels, label_path), "meta": self._meta(index, size)}

    def truth(self, index: int) -> ImageTruth:
        """Return the size of an image; there are no objects."""
        image_path, _ = self._paths(index)
        height, width = image_size(image_path)
        return ImageTruth(
            id=self._id(index),
            file=str(image_path),
            height=height,
            width=width,
            boxes=np.zeros((0, 4), np.float32),
            labels=np.zeros(0, np.int64),
            crowd=np.zeros(0, bool),
            areas=np.zeros(0, np.float32),
        )

    def _meta(self, index: int, size: tuple[int, ...]) -> dict[str, object]:
        return {"id": self._id(index), "file": str(self._paths(index)[0]), "size": size}

    def _id(self, index: int) -> str:
        return Path(self._record(index)[0]).with_suffix("").as_posix()

    def _paths(self, index: int) -> tuple[Path, Path]:
        image, label = self._record(index)
        return self._images / image, self._labels / label

    def _record(self, index: int) -> tuple[str, str]:
        # what was skipped stands behind the last image
        return cast("tuple[str, str]", self._records[range(len(self))[index]])

    def _classes_of(self, labels: np.ndarray, path: Path) -> np.ndarray:
        """Return the pixels' classes, uint8, from the numbers in the file."""
        end = self._first + len(self.classes)
        if labels.max(initial=0) >= end:
            occurring = np.flatnonzero(np.bincount(labels.ravel()))
            wrong = occurring[(occurring >= end) & (occurring != IGNORE)]
            if len(wrong):
                raise DataError(
                    f"{path}: the label image has the value {wrong[0]}, 0 to {end - 1} expected for {len(self.classes)} classes "
                    f"(and {IGNORE} for pixels that do not count); mend the label image or name all classes in DATA.CLASSES"
                )
        if self._first:
            table = np.full(IGNORE + 1, IGNORE, np.uint8)
            table[self._first : end] = np.arange(len(self.classes))
            labels = table[labels]
        return labels.astype(np.uint8, copy=False)


def _pair(images: Path, labels: Path, names: Path | None) -> Iterator[tuple[str, str] | dict[str, int]]:
    """Yield image and label image of each pair, relative to their folders, and last what was skipped."""
    image_files = _files_below(images, SUFFIXES, "images")
    label_files = _files_below(labels, LABEL_SUFFIXES, "label images")
    chosen = sorted(image_files) if names is None else _read_names(names)
    # names of a list may have the dots of a suffix, which names of files lost
    stems = [name if name in image_files else os.path.splitext(name)[0] for name in chosen]  # noqa: PTH122 -- many names
    _check_complete(stems, image_files, str(names), f"no image in {images}")
    _check_complete(stems, label_files, str(labels), f"no label image there, but an image in {images}")
    skipped = SkipCounter(labels)
    if names is None:
        for stem in sorted(set(label_files) - set(image_files)):
            skipped.add(ALONE, label_files[stem])
    skipped.log()
    yield from ((image_files[stem], label_files[stem]) for stem in stems)
    yield skipped.counts


def _check_complete(stems: Iterable[str], files: dict[str, str], where: str, what: str) -> None:
    missing = [stem for stem in stems if stem not in files]
    if missing:
        more = f" and {len(missing) - 3} more have" if len(missing) > 3 else " have" if len(missing) > 1 else " has"
        raise DataError(f"{where}: {', '.join(missing[:3])}{more} {what}")


def _files_below(folder: Path, suffixes: tuple[str, ...], what: str) -> dict[str, str]:
    """Return name without suffix -> name of the files, both relative to the folder."""
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder of {what}; paths of the catalogue start from MISC.DATA_ROOT")
    files: dict[str, str] = {}
    for parent, _, names in os.walk(folder, followlinks=True):
        below = os.path.relpath(parent, folder)
        for name in names:
            stem, suffix = os.path.splitext(name)  # noqa: PTH122 -- many files
            if suffix.lower() in suffixes and not name.startswith("."):
                path = name if below == "." else f"{below}/{name}"
                key = path[: -len(suffix)]
                if key in files:
                    raise DataError(f"{folder}: {files[key]} and {path} have one name ({stem}); images and label images are paired by it")
                files[key] = path
    if not files:
        raise DataError(f"{folder}: no {what} in it ({', '.join(suffixes)})")
    return files


def _read_names(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: the list of names cannot be read: {error}") from error
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise DataError(f"{path}: the list is empty; one name of an image a line expected")
    return names


def build_semseg_folder(source: Source) -> SemsegFolder:
    """Return the images of ``source.path`` with the label images of ``source.annotations``.

    All images are taken, unless ``source.split`` is the name of a list, e.g. ``train.txt``, beside the folder of images or in it.

    Raises:
        ConfigError: the source has no folder of label images.
        DataError: it has no classes, or files are missing.
    """
    if source.annotations is None:
        raise ConfigError(f"{source.path}: data of the type semseg_folder need annotations: the folder of their label images")
    if source.classes is None:
        raise DataError(
            f"{source.path}: label images do not say what their numbers mean; set DATA.CLASSES to the names of all classes, "
            "from number 0 on, e.g. [background, road]"
        )
    names = None
    if source.split.endswith(LIST_SUFFIX):
        inside = source.path / source.split
        names = inside if inside.is_file() else source.path.parent / source.split
    return SemsegFolder(images=source.path, labels=source.annotations, classes=source.classes, names=names, kinds=source.kinds)


def build_ade20k(source: Source) -> SemsegFolder:
    """Return a split, ``train`` or ``val``, of the scene parsing benchmark on ADE20K (http://sceneparsing.csail.mit.edu).

    ``source.path`` is the folder ``ADEChallengeData2016``. Its number 0, what is none of the 150 classes, does not count.

    Raises:
        ConfigError: there is no such split.
        DataError: files are missing.
    """
    if source.split not in ADE20K_SPLITS:
        raise ConfigError(f"ade20k: the split {source.split!r} given, train or val expected{did_you_mean(source.split, ADE20K_SPLITS)}")
    name = ADE20K_SPLITS[source.split]
    return SemsegFolder(
        images=source.path / "images" / name,
        labels=source.path / "annotations" / name,
        classes=list(ADE20K_CLASSES),
        first=1,
        kinds=source.kinds,
    )
