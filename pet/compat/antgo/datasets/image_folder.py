"""A folder of images for each class."""

from collections.abc import Mapping
from typing import Any

from pet.compat.antgo.datasets.built_in import WORDS, BuiltIn
from pet.data.datasets import image_folder
from pet.data.files.folders import class_folders
from petlib.data.protocols import Sample
from petlib.errors import name_in_errors


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
            self._data = image_folder.ImageFolder(folder=part, classes=classes)

    @property
    def size(self) -> int:
        """Number of images."""
        return len(self._data)

    @property
    def classes(self) -> list[str]:
        """Names of the classes in the order of their labels."""
        return list(self._data.info.classes)

    def read(self, index: int) -> Sample:
        """Return a sample in Pet's words."""
        return self._data[index]
