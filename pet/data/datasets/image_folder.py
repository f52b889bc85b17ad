"""A folder of images for each class."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pet.data.catalog.source import Source
from pet.data.files.images import read_image
from pet.data.files.listing import SUFFIXES, class_folders, files_below
from pet.data.targets.dataset import Dataset, DatasetInfo
from petlib.data.records import share_records
from petlib.errors import DataError


class ImageFolder(Dataset):
    """Images below ``folder/<class>/``, at any depth; classes and files are sorted by name.

    Args:
        folder: the folder of class folders.
        classes: names of the classes in the order of their labels; None: the folders that are there, sorted.

    Raises:
        DataError: the folder is missing, or holds no class folders or no images; a class has none, or is not in ``classes``; links
            lead in a circle.
    """

    def __init__(self, *, folder: Path, classes: list[str] | None = None) -> None:
        self.folder = folder
        self._folders = class_folders(folder)
        self._classes = classes or self._folders
        unknown = [name for name in self._folders if name not in self._classes]
        if unknown:
            raise DataError(f"{folder}: the folders {', '.join(unknown)} are no classes of DATA.CLASSES ({', '.join(self._classes)})")
        self.info = DatasetInfo(kinds=frozenset({"label"}), classes=self._classes)
        self._records = share_records(self._list_images)

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> dict[str, Any]:
        name, label = self._records[index]
        path = self.folder / name
        return {"image": read_image(path), "label": label, "meta": {"id": index, "file": str(path)}}

    def file_of(self, index: int) -> str:
        """Return the file of a sample's image, without reading it."""
        name, _ = self._records[index]
        return str(self.folder / name)

    def _list_images(self) -> Iterator[tuple[str, int]]:
        for name in self._folders:
            label = self._classes.index(name)
            files = sorted(_images_below(self.folder / name))
            if not files:
                raise DataError(
                    f"{self.folder / name}: the class {name!r} has no images ({', '.join(SUFFIXES)}); remove the folder or fill it"
                )
            yield from ((os.path.relpath(path, self.folder), label) for path in files)


def _images_below(folder: Path) -> Iterator[str]:
    for parent, files in files_below(folder):
        yield from (os.path.join(parent, name) for name in files if name.lower().endswith(SUFFIXES))  # noqa: PTH118 -- many files


def build_image_folder(source: Source) -> ImageFolder:
    """Return the folder that a source names."""
    return ImageFolder(folder=source.path, classes=source.classes)
