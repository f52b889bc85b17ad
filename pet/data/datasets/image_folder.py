"""A folder of images for each class."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np

from pet.data.catalog.source import Source
from pet.data.files.images import read_image
from pet.data.files.listing import SUFFIXES, USUAL_SUFFIXES, class_folders, files_below, files_in
from pet.data.files.skipped import SkipCounter
from pet.data.targets.dataset import Dataset, DatasetInfo
from petlib.data.records import share_records
from petlib.errors import DataError

LISTS = (".txt", ".csv", ".json")
OUTSIDE = "image that lies in no folder of a class"


class ImageFolder(Dataset):
    """Images below ``folder/<class>/``, at any depth; classes and files are sorted by name.

    Files of other kinds, what the system left there, and images next to the folders of the classes are left out and counted in
    ``info.skipped``; lists next to the folders are not.

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
            raise DataError(f"{folder}: the folders {', '.join(unknown)} are no classes of Source.classes ({', '.join(self._classes)})")
        self._records = share_records(self._list_images)
        skipped = cast("dict[str, int]", self._records[-1])
        self.info = DatasetInfo(kinds=frozenset({"label"}), classes=self._classes, skipped=skipped)

    def __len__(self) -> int:
        return len(self._records) - 1

    def __getitem__(self, index: int) -> dict[str, Any]:
        name, label = self._record(index)
        path = self.folder / name
        return {"image": read_image(path), "label": label, "meta": {"id": index, "file": str(path)}}

    def file_of(self, index: int) -> str:
        """Return the file of a sample's image, without reading it."""
        name, _ = self._record(index)
        return str(self.folder / name)

    def labels_of(self, index: int) -> np.ndarray:
        """Return the class of an image."""
        return np.array([self._record(index)[1]], np.int64)

    def _record(self, index: int) -> tuple[str, int]:
        # what was skipped is behind the last image
        return cast("tuple[str, int]", self._records[range(len(self))[index]])

    def _list_images(self) -> Iterator[tuple[str, int] | dict[str, int]]:
        skipped = SkipCounter(self.folder)
        # lists and tables next to the folders of the classes are no data, among them those that Pet writes
        for name in files_in(self.folder, SUFFIXES, skipped, unnoticed=LISTS):
            skipped.add(OUTSIDE, str(self.folder / name))
        for name in self._folders:
            label = self._classes.index(name)
            files = sorted(_images_below(self.folder / name, skipped))
            if not files:
                raise DataError(
                    f"{self.folder / name}: the class {name!r} has no images ({USUAL_SUFFIXES}); remove the folder or fill it"
                    f"{skipped.described()}"
                )
            yield from ((os.path.relpath(path, self.folder), label) for path in files)
        skipped.log()
        yield skipped.counts


def _images_below(folder: Path, skipped: SkipCounter) -> Iterator[str]:
    for parent, files in files_below(folder, SUFFIXES, skipped):
        yield from (os.path.join(parent, name) for name in files)  # noqa: PTH118 -- many files


def build_image_folder(source: Source) -> ImageFolder:
    """Return the folder that a source names, whose own folders say the classes."""
    return ImageFolder(folder=source.path)
