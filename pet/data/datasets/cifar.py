"""CIFAR-10 and CIFAR-100 in their python batch layout."""

import io
import pickle
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from pet.data.source import Source, check_split
from petlib.errors import DataError


class Layout(NamedTuple):
    """Where the parts of a CIFAR stand."""

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


class Cifar:
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

    numbered = False

    def __init__(self, *, kind: str, folder: Path, split: str) -> None:
        check_split(kind, split)
        layout = LAYOUTS[kind]
        names = layout.train if split == "train" else layout.test
        missing = [name for name in [*names, layout.meta] if not (folder / name).is_file()]
        if missing:
            raise DataError(
                f"{folder}: {kind} is not there: {', '.join(missing)} missing.\n"
                f"  Unpack the python version of https://www.cs.toronto.edu/~kriz/cifar.html so that {folder / missing[0]} exists, "
                "or set MISC.DATA_ROOT to the folder above cifar/"
            )
        batches = [_read_batch(folder / name, layout.labels_key) for name in names]
        self._images = np.concatenate([images for images, _ in batches])
        self._labels = np.concatenate([labels for _, labels in batches])
        self.classes = [_text(name) for name in _unpickle(folder / layout.meta)[layout.classes_key]]
        self._prefix = f"{kind}/{split}"
        if self._labels.max() >= layout.num_classes or len(self.classes) != layout.num_classes:
            raise DataError(f"{folder}: {kind} has {layout.num_classes} classes, these files have labels up to {self._labels.max()}")

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        image = np.ascontiguousarray(self._images[index].transpose(1, 2, 0))
        return {"image": image, "label": int(self._labels[index]), "meta": {"id": index, "file": f"{self._prefix}/{index}"}}


def _read_batch(path: Path, labels_key: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images (N, 3, 32, 32) uint8 and labels (N,) of one file."""
    content = _unpickle(path)
    try:
        images = np.asarray(content["data"], np.uint8).reshape(-1, 3, 32, 32)
        labels = np.asarray(content[labels_key], np.int64)
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"{path}: not a CIFAR batch: {error!r}; entries are {', '.join(map(str, content))}") from error
    if len(images) != len(labels):
        raise DataError(f"{path}: {len(images)} images, but {len(labels)} labels")
    return images, labels


def _text(name: str | bytes) -> str:
    return name.decode("utf-8") if isinstance(name, bytes) else name


class _ArraysOnly(pickle.Unpickler):
    """Builds plain containers and numpy arrays and refuses everything else."""

    ALLOWED = {
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.numeric", "_frombuffer"),
        ("numpy.core.numeric", "_frombuffer"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self.ALLOWED:
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        return self._refuse(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        return self._refuse(f"the persistent object {pid!r}")

    def _refuse(self, what: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it wants {what}, but only numpy arrays and plain values are allowed")


def _unpickle(path: Path) -> dict[str, Any]:
    try:
        # the files were written by python 2
        content = _ArraysOnly(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except (pickle.UnpicklingError, EOFError, ValueError, IndexError, AttributeError, TypeError, KeyError) as error:
        raise DataError(f"{path}: not a CIFAR file, or a damaged one: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: not a CIFAR file: it holds a {type(content).__name__}")
    return {_text(name): value for name, value in content.items()}


def build_cifar10(source: Source) -> Cifar:
    """Return the split of CIFAR-10 that a source names."""
    return Cifar(kind="cifar10", folder=source.path, split=source.split)


def build_cifar100(source: Source) -> Cifar:
    """Return the split of CIFAR-100 that a source names."""
    return Cifar(kind="cifar100", folder=source.path, split=source.split)
