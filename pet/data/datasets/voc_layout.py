"""Where the files of Pascal VOC lie: in the folders of VOC, or as labelling tools write them; and which images a split has."""

import logging
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from pet.data.files.allowed_paths import INSIDE, Reach
from pet.data.files.limits import shown
from pet.data.files.listing import SUFFIXES, files_below, is_of_system
from pet.data.files.opening import read_lines
from pet.data.files.path_variants import PathVariants
from pet.data.files.skipped import SkipCounter
from petlib.errors import DataError
from petlib.suggest import did_you_mean

ANNOTATIONS = ("annotations", "annotation", "xmls", "xml", "labels", "label")
IMAGES = ("jpegimages", "images", "image", "imgs", "img")
"""What tools call the folders of both, in lower case; those of VOC are Annotations and JPEGImages."""

ALL = ""
"""The split that is all annotation files, whatever lists there are."""

WHOLE_SPLITS = ("train", "trainval")
"""Splits that all images are, where no list says otherwise: no other split is left that they could be trained and tested with."""

USUAL_SPLITS = ("train", "trainval", "val", "valid", "validation", "test")
XML = (".xml",)
ALONE = "image without an annotation file"
LOOKED_AT = 20
logger = logging.getLogger(__name__)


class VocLayout(NamedTuple):
    """Where the files of a data set lie.

    Attributes:
        folder: the folder of the data set, which may have lists in ``ImageSets``.
        annotations: the folder of ``<id>.xml``.
        images: the folder of the images, of any suffix.
    """

    folder: Path
    annotations: Path
    images: Path

    def annotation(self, name: str) -> Path:
        """Return the annotation file of an image."""
        return self.annotations / f"{name}.xml"

    def described(self) -> str:
        """Return the folders of both, in words."""
        annotations, images = (os.path.relpath(folder, self.folder) for folder in (self.annotations, self.images))
        return f"the annotation files of {annotations} and the images of {images}" if annotations != images else f"both in {images}"


class ImageNames:
    """The files of a folder of images, which are found whatever their suffix: labelling tools write others than <filename> says.

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
        found, suffix = self.of(name), Path(filename).suffix
        below, stem = os.path.split(name)
        said = stem + (suffix if suffix.lower() in SUFFIXES else ".jpg")
        if len(found) > 1 and said not in found:
            raise DataError(f"{self._folder / name}: {' and '.join(found)} are there; name one in <filename> of the annotation file")
        return os.path.join(below, found[0] if found and said not in found else said)  # noqa: PTH118 -- names, not files

    def of(self, name: str) -> list[str]:
        """Return the names of all images of an id, without the folder that they are in."""
        below, stem = os.path.split(name)
        if below not in self._names:
            self._names[below] = self._list(self._folder / below)
        return self._names[below].get(stem, [])

    def _list(self, folder: Path) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {}
        for name in sorted(os.listdir(folder)) if folder.is_dir() else ():  # noqa: PTH208 -- many files
            stem, suffix = os.path.splitext(name)  # noqa: PTH122 -- many files
            if suffix.lower() in SUFFIXES and not is_of_system(name):
                names.setdefault(stem, []).append(name)
        return names


def find_layout(folder: Path, annotations: Path | None = None) -> VocLayout:
    """Return where the files of a data set lie.

    ``Annotations`` and ``JPEGImages`` count where they are; else folders of other usual names that hold such files, the only folder that
    does, or ``folder`` itself, where annotation files lie next to their images.

    Args:
        folder: the folder of the data set.
        annotations: the folder of the annotation files; None: it is looked for.

    Raises:
        DataError: several folders have annotation files.
    """
    annotations = annotations or _annotation_folder(folder)
    if (folder / "JPEGImages").is_dir():
        return VocLayout(folder, annotations, folder / "JPEGImages")
    candidates = [*_named(folder, IMAGES), annotations, folder, *_folders_in(folder)]
    ids = list(islice(_ids_below(annotations), LOOKED_AT))
    hits = [sum(bool(names.of(one)) for one in ids) for names in map(ImageNames, candidates)]
    return VocLayout(folder, annotations, candidates[hits.index(max(hits))] if any(hits) else folder / "JPEGImages")


def read_list(layout: VocLayout, kind: str, split: str, reach: Reach = INSIDE) -> list[str]:
    """Return the ids of the images of a split: those of its list, or where the data set has no lists all, sorted.

    Args:
        layout: where the files lie.
        kind: ``Main``, or ``Segmentation`` for the images that have label images.
        split: name of the list, e.g. ``trainval``; ``ALL``: all annotation files.
        reach: where the ids may lead.

    Raises:
        DataError: there is no such list, it is empty, names an image twice, or leads elsewhere.
    """
    path = list_file(layout, kind, split)
    if path is None:
        names = sorted(_ids_below(layout.annotations))
        if not names:
            raise DataError(f"{layout.annotations}: no annotation files there (<id>.xml)")
        return names
    variants = PathVariants(layout.annotations, layout.images, leads=lambda name: _annotated(layout, name) is not None)
    lines: dict[str, int] = {}
    for number, line in read_lines(path, what="the list"):
        name = _id_of(line, layout, variants, f"{path}:{number}")
        reach.check(name, layout.annotations, f"{path}:{number}")
        if lines.setdefault(name, number) != number:
            raise DataError(f"{path}:{number}: the image {shown(name)} is in line {lines[name]} already")
    if not lines:
        raise DataError(f"{path}: the list names no images; it has the id of an image in each line, e.g. 000005")
    variants.log()
    return list(lines)


def list_file(layout: VocLayout, kind: str, split: str) -> Path | None:
    """Return the list of a split; None: there are no lists, and the split means all images.

    Raises:
        DataError: there are lists, but not this one; or none, and the split is one of several; or nothing at all.
    """
    if split == ALL:
        return None
    path = layout.folder / "ImageSets" / kind / f"{split}.txt"
    places = path.parent, layout.folder / "ImageSets", layout.folder
    for place in places:
        if (place / f"{split}.txt").is_file():
            return place / f"{split}.txt"
    # next to the data there may be other texts
    found_lists = (item for place in places for item in place.glob("*.txt") if place != layout.folder or item.stem in USUAL_SPLITS)
    there = sorted({item.stem for item in found_lists if not is_of_system(item.name)})
    splits = [name for name in there if "_" not in name] or there
    count = 0 if splits else sum(1 for _ in _ids_below(layout.annotations))
    if count and split in WHOLE_SPLITS:
        return None
    found = f"there are {', '.join(splits)}{did_you_mean(split, splits)}" if splits else "a folder of Pascal VOC has lists there"
    if count:
        found = (
            f"there are no lists, but {count} annotation files: without split all of them are taken; for parts of them let "
            "tools/data/split.py write lists, or give shares, as share: [0.0, 0.8]"
            f"{f', or the folder {layout.folder / split} as path' if (layout.folder / split).is_dir() else ''}"
        )
    raise DataError(f"{path}: there is no such list of images; {found}. Paths of the catalogue start from Source.root")


def report_layout(layout: VocLayout, kind: str, split: str, names: Sequence[str]) -> None:
    """Say in one line what was found, where it is not what VOC has; and which images have no annotation file."""
    is_usual = (layout.annotations.name, layout.images.name) == ("Annotations", "JPEGImages")
    if list_file(layout, kind, split) is not None:
        if not is_usual:
            logger.info("%s: %d images of the list %s: %s", layout.folder, len(names), split, layout.described())
        return
    found = layout.described()
    why = "no list is named" if split == ALL else "no lists in ImageSets"
    logger.info("%s: %s, so all %d annotation files are taken, sorted: %s", layout.folder, why, len(names), found)
    skipped, known = SkipCounter(layout.images), set(names)
    for stem in _stems_below(layout.images, SUFFIXES):
        if stem not in known:
            skipped.add(ALONE, stem)
    skipped.log()


def _annotation_folder(folder: Path) -> Path:
    usual = folder / "Annotations"
    if usual.is_dir():
        return usual
    named = [inner for outer in _named(folder, ANNOTATIONS) for inner in (_named(outer, ANNOTATIONS) or [outer]) if _has_annotations(inner)]
    if len(named) > 1:
        names = " and ".join(os.path.relpath(path, folder) for path in named)
        raise DataError(f"{folder}: {names} have annotation files; say which of them as annotations in CatalogEntry")
    if named:
        return named[0]
    holding = [inner for inner in _folders_in(folder) if _has_annotations(inner)]
    if any(folder.glob("*.xml")) or len(holding) > 1:
        return folder
    return holding[0] if holding else usual


def _named(folder: Path, names: Sequence[str]) -> list[Path]:
    """Return the folders in a folder that have one of the names, whatever the case, in the order of ``names``."""
    there = [path for path in _folders_in(folder) if path.name.lower() in names]
    return sorted(there, key=lambda path: names.index(path.name.lower()))


def _folders_in(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*")) if path.is_dir() and not is_of_system(path.name)]


def _has_annotations(folder: Path) -> bool:
    return any(True for _ in _ids_below(folder))


def _ids_below(folder: Path) -> Iterator[str]:
    return _stems_below(folder, XML)


def _stems_below(folder: Path, suffixes: tuple[str, ...]) -> Iterator[str]:
    """Yield the paths without suffix of the files at any depth below a folder."""
    for parent, names in files_below(folder, suffixes, SkipCounter(folder)) if folder.is_dir() else ():
        below = os.path.relpath(parent, folder)
        for name in names:
            stem = os.path.splitext(name)[0]  # noqa: PTH122 -- many files
            yield stem if below == "." else f"{below}/{stem}"


def _id_of(line: str, layout: VocLayout, variants: PathVariants, place: str) -> str:
    """Return the id of a line: it may have blanks, the suffix of a file or its folder, where an annotation file shows it.

    Lists of one class have a second column, and those of some tools the path of the annotation file there.
    """
    first = line.split(maxsplit=1)[0]
    texts = list(dict.fromkeys((line, line.rsplit(maxsplit=1)[0], first)))
    for text in (*texts, *(variants.find(text, place) for text in texts)):
        name = _annotated(layout, text)
        if name is not None:
            return name
    return first


def _annotated(layout: VocLayout, text: str) -> str | None:
    """Return the id that a text means, itself or without the suffix of a file; None: it has no annotation file."""
    stem, suffix = os.path.splitext(text)  # noqa: PTH122 -- an id
    names = (text, stem) if suffix.lower() in (*SUFFIXES, *XML) else (text,)
    return next((name for name in names if "\0" not in name and os.path.isfile(layout.annotation(name))), None)  # noqa: PTH113 -- any length
