"""Images without labels."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pet.data.files.listing import SUFFIXES, files_below
from pet.data.files.rasters import raster_size, read_pixels
from pet.data.files.windows import Window, windows_of
from petlib.data.protocols import Sample
from petlib.data.records import share_records
from petlib.errors import DataError


class _Part(NamedTuple):
    path: str
    window: Window | None


class UnlabelledImages:
    """The images in some folders, at any depth, in the order of the folders and of their names.

    Samples have an ``image`` (H, W, C), uint8, uint16 or float32, and ``meta`` (id, file, window). Every process makes one.

    Args:
        folders: the folders.
        channels: channels of an image.
        window: larger images are read in windows of so many pixels that lie side by side, each a sample of its own; 0: whole.

    Raises:
        DataError: a folder is missing or has no images, or the head of an image cannot be read.
    """

    def __init__(self, *, folders: Sequence[Path], channels: int = 3, window: int = 0) -> None:
        self._channels = channels
        self._parts = share_records(lambda: (part for folder in folders for part in _parts_of(folder, window)))

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, index: int) -> Sample:
        part = self._parts[index]
        image = read_pixels(part.path, window=part.window, channels=self._channels).values
        meta = {"id": index, "file": part.path}
        return {"image": image, "meta": meta if part.window is None else {**meta, "window": tuple(part.window)}}


def _parts_of(folder: Path, window: int) -> Iterator[_Part]:
    if not folder.is_dir():
        raise DataError(f"SEMI.DATASETS: {folder}: there is no such folder; it names folders of images, or data sets of the catalogue")
    files = sorted(_images_below(folder))
    if not files:
        raise DataError(f"SEMI.DATASETS: {folder}: no images in it ({', '.join(SUFFIXES)})")
    for file in files:
        size = raster_size(file) if window else (0, 0)
        if max(size) <= window:
            yield _Part(file, None)
        else:
            yield from (_Part(file, place) for place in windows_of(size, window, window))


def _images_below(folder: Path) -> Iterator[str]:
    for parent, files in files_below(folder):
        yield from (os.path.join(parent, name) for name in files if name.lower().endswith(SUFFIXES))  # noqa: PTH118 -- many files
