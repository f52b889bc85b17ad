"""CIFAR-10 and CIFAR-100 in their python batch layout."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pet.data.catalog.source import Source, check_split
from pet.data.files.limits import shown
from pet.data.files.opening import is_name, read_plain_pickle
from pet.data.targets.dataset import Dataset, DatasetInfo
from petlib.errors import DataError

MOST_SHOWN = 20


class Layout(NamedTuple):
    """Where the parts of a CIFAR are."""

    train: list[str]
    test: list[str]
    meta: str
    classes_key: str
    labels_key: str
    num_classes: int


LAYOUTS = {
    "cifar10": Layout([f"data_batch_{number}" for number in range(1, 6)], ["test_batch"], "batches.meta", "label_names", "labels", 10),
    "cifar100": Layout(["train"], ["test"], "meta", "fine_label_names", "fine_labels", 100),
}


class Cifar(Dataset):
    """32x32 images of CIFAR-10 or CIFAR-100, unpickled without running any code of the files.

    Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009
    (https://www.cs.toronto.edu/~kriz/cifar.html), the version for python.

    Args:
        kind: ``cifar10`` or ``cifar100``.
        folder: the unpacked folder, usually ``cifar-10-batches-py`` or ``cifar-100-python``.
        split: ``train`` or ``test``.

    Raises:
        ConfigError: there is no such split.
        DataError: files are missing or hold something else.
    """

    def __init__(self, *, kind: str, folder: Path, split: str) -> None:
        check_split(kind, split)
        layout = LAYOUTS[kind]
        names = layout.train if split == "train" else layout.test
        missing = [name for name in [*names, layout.meta] if not (folder / name).is_file()]
        if missing:
            raise DataError(
                f"{folder}: {kind} is not there: {', '.join(missing)} missing.\n"
                f"  Unpack the python version of https://www.cs.toronto.edu/~kriz/cifar.html so that {folder / missing[0]} exists, "
                "or set Source.root to the folder above cifar/"
            )
        batches = [_read_batch(folder / name, layout.labels_key) for name in names]
        self._images = np.concatenate([images for images, _ in batches])
        self._labels = np.concatenate([labels for _, labels in batches])
        classes = _read_classes(folder / layout.meta, layout.classes_key)
        self._prefix = f"{kind}/{split}"
        if not len(self._labels):
            raise DataError(f"{folder}: these files have no images")
        least, greatest = self._labels.min(), self._labels.max()
        if least < 0 or greatest >= layout.num_classes or len(classes) != layout.num_classes:
            raise DataError(
                f"{folder}: {kind} has {layout.num_classes} classes, these files name {len(classes)} and have labels from {least} "
                f"to {greatest}"
            )
        self.info = DatasetInfo(kinds=frozenset({"label"}), classes=classes)

    def __len__(self) -> int:
        return len(self._labels)

    def labels_of(self, index: int) -> np.ndarray:
        """Return the class of an image."""
        return np.array([self._labels[index]], np.int64)

    def __getitem__(self, index: int) -> dict[str, Any]:
        image = np.ascontiguousarray(self._images[index].transpose(1, 2, 0))
        return {"image": image, "label": int(self._labels[index]), "meta": {"id": index, "file": f"{self._prefix}/{index}"}}


def _read_batch(path: Path, labels_key: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images (N, 3, 32, 32) uint8 and labels (N,) of one file."""
    content = _unpickle(path)
    try:
        images, labels = content["data"], content[labels_key]
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
            raise TypeError("data is no array of bytes")
        if not isinstance(labels, np.ndarray) and not (isinstance(labels, list) and all(isinstance(label, int) for label in labels)):
            raise TypeError(f"{labels_key} is no list of numbers")
        images, labels = images.reshape(-1, 3, 32, 32), np.asarray(labels, np.int64).ravel()
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        entries = ", ".join(list(content)[:MOST_SHOWN])
        raise DataError(f"{path}: not a CIFAR batch: {error!r}; entries are {entries}") from error
    if len(images) != len(labels):
        raise DataError(f"{path}: {len(images)} images, but {len(labels)} labels")
    return images, labels


def _read_classes(path: Path, key: str) -> list[str]:
    names = _unpickle(path).get(key)
    if not isinstance(names, list):
        raise DataError(f"{path}: not a CIFAR file: it has no list {key!r}")
    return [_text(name, path) for name in names]


def _text(name: object, path: Path) -> str:
    text = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
    if not isinstance(text, str) or not is_name(text):
        raise DataError(f"{path}: not a CIFAR file: {shown(text)} is no name")
    return text


def _unpickle(path: Path) -> dict[str, Any]:
    content = read_plain_pickle(path, what="a CIFAR file")
    if not isinstance(content, dict):
        raise DataError(f"{path}: not a CIFAR file: it holds a {type(content).__name__}")
    if not all(isinstance(name, str | bytes) for name in content):
        raise DataError(f"{path}: not a CIFAR file: its entries have no names")
    return {_text(name, path): value for name, value in content.items()}


def build_cifar10(source: Source) -> Cifar:
    """Return the split of CIFAR-10 that a source names."""
    return Cifar(kind="cifar10", folder=source.path, split=source.split)


def build_cifar100(source: Source) -> Cifar:
    """Return the split of CIFAR-100 that a source names."""
    return Cifar(kind="cifar100", folder=source.path, split=source.split)
