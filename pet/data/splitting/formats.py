"""Lists of training and validation for each format of data: what is written, and which entry of the catalogue reads it."""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from pet.data.catalog.entries import WHOLE_SHARE, below_root, read_entry
from pet.data.catalog.source import Reading, Source
from pet.data.datasets.cihp import CihpDataset
from pet.data.datasets.coco_records import annotations_of_images
from pet.data.datasets.coco_tables import read_tables
from pet.data.datasets.image_folder import ImageFolder
from pet.data.datasets.label_list import list_path
from pet.data.datasets.labelled_images import LabelledImages
from pet.data.datasets.list_file import WHOLE_NUMBER, ListFile
from pet.data.datasets.voc import VocDataset
from pet.data.datasets.voc_layout import ALL, list_file
from pet.data.files.allowed_paths import Reach
from pet.data.files.json_files import read_json
from pet.data.files.skipped import SkipCounter
from pet.data.loading.build import open_source
from pet.data.targets.dataset import IGNORE, Dataset
from petlib.errors import ConfigError, DataError

CLASSES, OBJECTS, PIXELS = frozenset({"label"}), frozenset({"boxes"}), frozenset({"semseg"})
Entry = dict[str, Any]


class Lists(NamedTuple):
    """A data set that lists can divide.

    Attributes:
        names: a name of each image, by which groups are found.
        labels_of: the classes of an image.
        knows_labels: these are known without reading files.
        file: name of a list -> its file.
        text: places of images -> the text of their list.
        entry: name of a list -> the entry of the catalogue.
        source: the list that says which images there are; None: all there are.
    """

    names: Sequence[str]
    labels_of: Callable[[int], frozenset[str]]
    knows_labels: bool
    file: Callable[[str], Path]
    text: Callable[[Sequence[int]], str]
    entry: Callable[[str], Entry]
    source: Path | None = None


class _Opened(NamedTuple):
    """An entry of the catalogue, as it was given, where its data come from, and these."""

    given: Entry
    source: Source
    dataset: Any


def open_entry(given: Mapping[str, Any], data_root: Path) -> Lists:
    """Return the lists of an entry of the catalogue.

    Args:
        given: the entry, as in ``DATA.CATALOG``.
        data_root: where its paths start from.

    Raises:
        ConfigError: the entry is wrong, or its type takes no lists.
        DataError: its files are missing or wrong.
    """
    entry = read_entry("ENTRY", given)
    if entry.type not in FORMATS:
        raise ConfigError(
            f"{entry.type} takes no lists, only {', '.join(FORMATS)}; give shares in its entries, as share: [0.0, 0.8] to train and "
            "share: [0.8, 1.0] to validate"
        )
    if entry.share != WHOLE_SHARE:
        raise ConfigError(f"share: {list(entry.share)} given; lists divide all of the data, or those of another list (split)")
    kinds, make = FORMATS[entry.type]
    source = Source(
        path=below_root(data_root, entry.path),
        split=ALL if entry.type == "voc" and "split" not in given else entry.split,
        classes=list(entry.classes) or (["label"] if kinds == PIXELS else None),
        annotations=below_root(data_root, entry.annotations) if entry.annotations else None,
        kinds=kinds,
        images2=below_root(data_root, entry.images2) if entry.images2 else None,
        label_ending=entry.label_ending,
        separator=entry.separator,
        # label images as they are: what they mean does not matter here
        reading=Reading(raw_labels=True),
        reach=Reach(root=data_root),
        flip_pairs=entry.flip_pairs,
    )
    return make(_Opened(dict(given), source, open_source("ENTRY", entry, source)))


def pixel_values(dataset: LabelledImages) -> Callable[[int], frozenset[str]]:
    """Return what gives the values, or colours, of a label image that count."""

    def values_of(index: int) -> frozenset[str]:
        labels = dataset[index]["semseg"]
        found = np.unique(labels.reshape(-1, 3), axis=0) if labels.ndim == 3 else np.unique(labels)
        return frozenset(str(value) for value in found.tolist() if value != IGNORE)

    return values_of


def _class_names(dataset: Dataset) -> Callable[[int], frozenset[str]]:
    names = dataset.info.classes

    def names_of(index: int) -> frozenset[str]:
        labels = dataset.labels_of(index)
        return frozenset(names[label] for label in (() if labels is None else labels.tolist()))

    return names_of


def _ids(dataset: Dataset) -> list[str]:
    truths = (dataset.truth(index) for index in range(len(dataset)))
    return [str(truth.id) for truth in truths if truth is not None]


def _lines(lines: Sequence[str]) -> Callable[[Sequence[int]], str]:
    return lambda places: "".join(f"{lines[place]}\n" for place in places)


def _image_folder(opened: _Opened) -> Lists:
    dataset: ImageFolder = opened.dataset
    folder, classes = opened.source.path, list(dataset.info.classes)
    names = [os.path.relpath(dataset.file_of(index), folder) for index in range(len(dataset))]
    # names that a list would take for numbers are places among the classes then
    as_numbers = any(WHOLE_NUMBER.fullmatch(name) for name in classes)
    labels = [int(dataset.labels_of(index)[0]) for index in range(len(dataset))]
    lines = [_line(name, str(label) if as_numbers else classes[label]) for name, label in zip(names, labels, strict=True)]
    return Lists(
        names,
        _class_names(dataset),
        True,
        lambda name: folder / f"{name}.txt",
        _lines(lines),
        lambda name: {
            "type": "list_file",
            "path": str(PurePosixPath(opened.given["path"], f"{name}.txt")),
            **({"classes": classes} if as_numbers else {}),
        },
    )


def _list_file(opened: _Opened) -> Lists:
    dataset: ListFile = opened.dataset
    path, names = opened.source.path, dataset.names
    labels = [int(dataset.labels_of(index)[0]) for index in range(len(dataset))]
    lines = [_line(name, str(label) if dataset.numeric else dataset.info.classes[label]) for name, label in zip(names, labels, strict=True)]
    return Lists(
        names,
        _class_names(dataset),
        True,
        lambda name: path.with_name(f"{path.stem}_{name}.txt"),
        _lines(lines),
        lambda name: {**opened.given, "path": _next_to(opened.given["path"], f"_{name}.txt")},
    )


def _voc(opened: _Opened) -> Lists:
    dataset: VocDataset = opened.dataset
    ids = _ids(dataset)
    lists = dataset.layout.folder / "ImageSets" / "Main"
    return Lists(
        ids,
        _class_names(dataset),
        True,
        lambda name: lists / f"{name}.txt",
        _lines(ids),
        lambda name: {**opened.given, "split": name},
        list_file(dataset.layout, "Main", opened.source.split),
    )


def _coco(opened: _Opened) -> Lists:
    source, dataset = opened.source, opened.dataset
    path = source.annotations
    assert path is not None, "the entry was checked"
    tables = read_tables(path, source.path, source.reach)
    rest = {key: value for key, value in read_json(path, what="the COCO file").items() if key not in ("images", "annotations")}
    rows = annotations_of_images(tables, SkipCounter(path))

    def text(places: Sequence[int]) -> str:
        images = [tables.images[place] for place in places]
        annotations = {"annotations": [row for image in images for row in rows[image["id"]]]} if tables.annotated else {}
        return json.dumps({**rest, "images": images, **annotations}, ensure_ascii=False)

    return Lists(
        [image["file_name"] for image in tables.images],
        _class_names(dataset),
        True,
        lambda name: path.with_name(f"{path.stem}_{name}.json"),
        text,
        lambda name: {**opened.given, "annotations": _next_to(opened.given["annotations"], f"_{name}.json")},
    )


def _semseg_folder(opened: _Opened) -> Lists:
    dataset: LabelledImages = opened.dataset
    ids, folder = [dataset.files_of(index).id for index in range(len(dataset))], opened.source.path.parent
    return Lists(
        ids,
        pixel_values(dataset),
        False,
        lambda name: folder / f"{name}.txt",
        _lines(ids),
        lambda name: {**opened.given, "split": f"{name}.txt"},
    )


def _label_list(opened: _Opened) -> Lists:
    dataset: LabelledImages = opened.dataset
    files = [dataset.files_of(index) for index in range(len(dataset))]
    separator = opened.source.separator
    lines = [separator.join(filter(None, (own.image, own.image2, own.label))) for own in files]
    return Lists(
        [own.image for own in files],
        pixel_values(dataset),
        False,
        lambda name: opened.source.path / f"{name}.txt",
        _lines(lines),
        lambda name: {**opened.given, "split": name},
        list_path(opened.source),
    )


def _label_records(opened: _Opened) -> Lists:
    dataset, path = opened.dataset, opened.source.path
    files = [dataset.files_of(index) for index in range(len(dataset))]
    records = [{"img": own.image, **({"img2": own.image2} if own.image2 else {}), "ann": own.label} for own in files]
    return Lists(
        [own.image for own in files],
        pixel_values(dataset),
        False,
        lambda name: path.with_name(f"{path.stem}_{name}.json"),
        lambda places: json.dumps([records[place] for place in places], indent=1, ensure_ascii=False),
        lambda name: {**opened.given, "path": _next_to(opened.given["path"], f"_{name}.json")},
    )


def _cihp(opened: _Opened) -> Lists:
    dataset: CihpDataset = opened.dataset
    ids, folder = _ids(dataset), dataset.folder
    return Lists(
        ids,
        _class_names(dataset),
        True,
        lambda name: folder / f"{name}.txt",
        _lines(ids),
        lambda name: {**opened.given, "split": f"{folder.name}/{name}.txt"},
    )


FORMATS: dict[str, tuple[frozenset[str], Callable[[_Opened], Lists]]] = {
    "image_folder": (CLASSES, _image_folder),
    "list_file": (CLASSES, _list_file),
    "coco": (OBJECTS, _coco),
    "voc": (OBJECTS, _voc),
    "cihp": (OBJECTS, _cihp),
    "semseg_folder": (PIXELS, _semseg_folder),
    "label_list": (PIXELS, _label_list),
    "label_records": (PIXELS, _label_records),
}
"""Type of the catalogue -> the kinds of targets that are read, and what makes its lists."""


def _next_to(path: str, ending: str) -> str:
    """Return a path of an entry with another end of its name, in place of the suffix."""
    given = PurePosixPath(path)
    return str(given.with_name(given.stem + ending))


def _line(name: str, label: str) -> str:
    """Return a line of a list file.

    Raises:
        DataError: it would be read as another one.
    """
    if re.search(r"[\t\r\n]", name + label):
        raise DataError(f"{name!r} ({label!r}): a name in a list has neither tabs nor ends of lines; rename it")
    return f"{'./' if name.startswith('#') else ''}{name}\t{label}"
