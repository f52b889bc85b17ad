"""Images without classes, in folders of any depth."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pet.data.catalog.source import Source
from pet.data.files.images import read_image
from pet.data.files.listing import SUFFIXES, USUAL_SUFFIXES, files_below
from pet.data.files.rasters import raster_size, read_pixels
from pet.data.files.skipped import SkipCounter
from pet.data.files.windows import Window, windows_of
from pet.data.targets.dataset import Dataset, DatasetInfo
from petlib.data.protocols import Sample
from petlib.data.records import share_records
from petlib.errors import DataError, name_in_errors
from petlib.files import not_a_folder


class _Part(NamedTuple):
    path: str
    window: Window | None


class UnlabelledImages(Dataset):
    """The images in some folders, at any depth, in the order of the folders and of their names; nothing is known of what they show.

    Samples have an ``image`` (H, W, C) and ``meta`` (id, file, window). Every process makes one.

    Args:
        folders: the folders.
        channels: channels of an image.
        window: larger images are read in windows of so many pixels that lie side by side, each a sample of its own; 0: whole.
        photographs: whole images become uint8 (H, W, 3) RGB, upright and without transparency, whatever the files have; else pixels
            are as in the files: uint8, uint16 or float32.

    Raises:
        DataError: a folder is missing or has no images, or the head of an image cannot be read.
    """

    info = DatasetInfo(kinds=frozenset(), annotated=False)

    def __init__(self, *, folders: Sequence[Path], channels: int = 3, window: int = 0, photographs: bool = False) -> None:
        assert not (photographs and window), "windows are read from files as they are"
        self._channels, self._photographs = channels, photographs
        self._parts = share_records(lambda: (part for folder in folders for part in _parts_of(folder, window)))

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, index: int) -> Sample:
        part = self._parts[index]
        meta = {"id": index, "file": part.path}
        return {"image": self._read(part), "meta": meta if part.window is None else {**meta, "window": tuple(part.window)}}

    def file_of(self, index: int) -> str:
        """Return the file of a sample, without reading it."""
        return self._parts[index].path

    def _read(self, part: _Part) -> np.ndarray:
        return read_image(part.path) if self._photographs else read_pixels(part.path, window=part.window, channels=self._channels).values


def _parts_of(folder: Path, window: int) -> Iterator[_Part]:
    if not folder.is_dir():
        raise DataError(
            f"UnlabelledImages.folders: {folder}: {not_a_folder(folder)}; it names folders of images, or data sets of the catalogue"
        )
    skipped = SkipCounter(folder)
    files = sorted(_images_below(folder, skipped))
    if not files:
        raise DataError(f"UnlabelledImages.folders: {folder}: no images in it ({USUAL_SUFFIXES}){skipped.described()}")
    skipped.log()
    for file in files:
        size = raster_size(file) if window else (0, 0)
        if max(size) <= window:
            yield _Part(file, None)
        else:
            yield from (_Part(file, place) for place in windows_of(size, window, window))


def _images_below(folder: Path, skipped: SkipCounter) -> Iterator[str]:
    for parent, files in files_below(folder, SUFFIXES, skipped):
        yield from (os.path.join(parent, name) for name in files)  # noqa: PTH118 -- many files


def build_images(source: Source) -> UnlabelledImages:
    """Return the photographs below the folder that a source names."""
    with name_in_errors({"UnlabelledImages.folders": "CatalogEntry"}):
        return UnlabelledImages(folders=[source.path], photographs=True)
