"""CIFAR-10, CIFAR-100, and folders of images whose names are the classes."""

from collections.abc import Mapping
from typing import Any

from pet.compat.antgo.datasets.built_in import WORDS, BuiltIn
from pet.data.datasets import image_folder
from pet.data.datasets.cifar import Cifar
from pet.data.files.listing import class_folders
from petlib.errors import DataError, name_in_errors

HOMEPAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"
SPLITS = {"train": "train", "val": "test", "test": "test"}


class CIFAR10(BuiltIn):
    """The 32x32 images of CIFAR-10 (https://www.cs.toronto.edu/~kriz/cifar.html). Fields are ``image`` and ``label``, an int from 0.

    ``dir`` is the unpacked folder of the version for python, or the one above it. The files are read without running any code of theirs.

    Args:
        train_or_test: ``train``; ``val`` and ``test`` both mean the 10,000 test images.
        dir: the folder.
        ext_params: nothing.

    Raises:
        ConfigError: there is no such part.
        DataError: files are missing or hold something else.
    """

    kind = "cifar10"
    below = "cifar-10-batches-py"
    meta = "batches.meta"
    layout = f"{below} (data_batch_1 to 5, test_batch, {meta}), the unpacked python version of {HOMEPAGE}"

    def __init__(self, train_or_test: str = "train", dir: str | None = None, ext_params: Mapping[str, Any] | None = None) -> None:  # noqa: A002 -- antgo's name
        super().__init__(train_or_test, dir, ext_params)
        split = SPLITS[self.part(SPLITS)]
        below = self.folder / self.below
        folder = below if below.is_dir() else self.folder
        if not (folder / self.meta).is_file():
            raise DataError(f"{folder / self.meta}: it is missing; {type(self).__name__} needs dir to be a folder with {self.layout}")
        self.data = Cifar(kind=self.kind, folder=folder, split=split)


class CIFAR100(CIFAR10):
    """The same with the 100 fine classes of CIFAR-100; the folder is ``cifar-100-python``."""

    kind = "cifar100"
    below = "cifar-100-python"
    meta = "meta"
    layout = f"{below} (train, test, {meta}), the unpacked python version of {HOMEPAGE}"


class ImageFolder(BuiltIn):
    """Images below ``dir/<train_or_test>/<class>/``. Fields are ``image`` and ``label``, an int from 0.

    The classes are the folders of ``dir/train``, sorted by name, also for ``val`` and ``test``, so that a label means the same everywhere.

    Args:
        train_or_test: name of the folder in ``dir``, usually ``train``, ``val`` or ``test``.
        dir: the folder.
        ext_params: ``classes``: names of the classes in the order of their labels, instead.

    Raises:
        ConfigError: a setting is unknown.
        DataError: a folder is missing or has no images.
    """

    params: Mapping[str, Any] = {"classes": None}
    layout = "a folder for each part of the data, with a folder for each class in it, e.g. train/cat/1.jpg"

    def __init__(self, train_or_test: str = "train", dir: str | None = None, ext_params: Mapping[str, Any] | None = None) -> None:  # noqa: A002 -- antgo's name
        super().__init__(train_or_test, dir, ext_params)
        chosen = self.class_names()
        part = self.folder / train_or_test
        if not part.is_dir():
            raise self.absent(part)
        train = self.folder / "train"
        with name_in_errors(WORDS):
            classes = chosen or class_folders(train if train.is_dir() else part)
            self.data = image_folder.ImageFolder(folder=part, classes=classes)
