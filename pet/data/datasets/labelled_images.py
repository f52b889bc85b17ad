"""Images, or pairs of dates, with label images: from paths to samples."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from pet.data.catalog.source import WHOLE, Reading
from pet.data.files.label_images import read_label_image
from pet.data.files.rasters import Pixels, cut, raster_size, read_geotiff, read_pixels, uses_rasterio
from pet.data.files.windows import Window, check_window, windows_of
from pet.data.targets.dataset import IGNORE, Dataset, DatasetInfo, ImageTruth
from pet.data.targets.kinds import choose_kinds
from pet.data.targets.label_coding import ColourCoding, LabelCoding, NumberCoding, filtered_classes
from petlib.data.protocols import Sample
from petlib.data.records import share_records
from petlib.errors import ConfigError, DataError

SEMSEG = frozenset({"semseg"})


class Folders(NamedTuple):
    """Where the paths of records start from."""

    images: Path
    labels: Path
    images2: Path

    @classmethod
    def same(cls, folder: Path) -> "Folders":
        """Return one folder for all."""
        return cls(folder, folder, folder)


class LabelledFiles(NamedTuple):
    """The files of a sample.

    Attributes:
        id: its name, of its own in the data set.
        image: path of the image, relative to its folder.
        label: path of the label image.
        image2: path of the image of the second date; empty: there is one image.
        number: number of the image in the data set, which all its windows have.
        window: the part of the files that is read; None: all.
        size: height and width of the files, where only a window of them is read.
    """

    id: str
    image: str
    label: str
    image2: str = ""
    number: int = 0
    window: Window | None = None
    size: tuple[int, int] | None = None


class LabelledImages(Dataset):
    """Samples with ``image``, ``image2`` where they are pairs, ``semseg`` and ``meta`` (id, file, file2, size, window).

    Pixels of GeoTIFF files that have no data get the label 255, except in raw labels. Where images are read in windows, ``size``
    and the coordinates of a sample are those of its window, whose place in the file is ``meta["window"]``.

    Args:
        files: gives the records, in the first process of each machine, and last a dictionary of what was left out: reason -> how often.
        folders: where their paths start from.
        coding: what the pixels of the label images mean.
        reading: how the files are read; the coding has its ``classes_filter`` and ``label_values`` already.
        channels: channels that every image has to have; None: any number.
        kinds: kinds of targets that are requested: ``semseg`` is what there is.
        void_is_stated: the format says which pixels do not count.

    Raises:
        ConfigError: window and stride do not fit.
        DataError: another kind is requested, or what ``files`` raises.
    """

    def __init__(
        self,
        *,
        files: Callable[[], Iterable[LabelledFiles | dict[str, int]]],
        folders: Folders,
        coding: LabelCoding,
        reading: Reading = WHOLE,
        channels: int | None = None,
        kinds: frozenset[str] | None = None,
        void_is_stated: bool = False,
    ) -> None:
        choose_kinds(folders.images, SEMSEG, kinds)
        stride = check_window(reading.window, reading.stride)
        self._folders, self._coding, self._reading, self._channels = folders, coding, reading, channels
        self._records = share_records(lambda: _cut_into_windows(_numbered(files()), folders.images, reading.window, stride))
        self.info = DatasetInfo(
            kinds=SEMSEG,
            classes=coding.classes,
            semseg_classes=coding.classes,
            category_ids=range(len(coding.classes)),
            raw_labels=reading.raw_labels,
            void_is_stated=void_is_stated or bool(reading.ignore_values or reading.ignore_colours or reading.classes_filter),
            groups=np.array([self._record(index).number for index in range(len(self))], np.int64) if reading.window else None,
            skipped=cast("dict[str, int]", self._records[-1]),
        )

    def __len__(self) -> int:
        return len(self._records) - 1

    def __getitem__(self, index: int) -> Sample:
        files = self._record(index)
        image_path, label_path = self._folders.images / files.image, self._folders.labels / files.label
        image = self._read_image(image_path, files)
        meta: dict[str, object] = {"id": files.id, "file": str(image_path), "size": image.values.shape[:2]}
        sample: Sample = {"image": image.values}
        voids = [image.void]
        if files.image2:
            second_path = self._folders.images2 / files.image2
            second = self._read_image(second_path, files)
            _check_pair(image, image_path, second, second_path)
            voids.append(second.void)
            sample["image2"] = second.values
            meta["file2"] = str(second_path)
        if files.window is not None:
            meta["window"] = tuple(files.window)
        labels = self._read_labels(label_path, image, image_path, files.window)
        return {**sample, "semseg": labels if self._reading.raw_labels else _without(labels, voids), "meta": meta}

    def files_of(self, index: int) -> LabelledFiles:
        """Return the files of a sample, relative to their folders."""
        return self._record(index)

    def file_of(self, index: int) -> str:
        """Return the file of a sample's image, without reading it."""
        return str(self._folders.images / self._record(index).image)

    def truth(self, index: int) -> ImageTruth:
        """Return the size of a sample; there are no objects."""
        files = self._record(index)
        path = self._folders.images / files.image
        size = raster_size(path) if files.window is None else (files.window.height, files.window.width)
        return ImageTruth.without_objects(image_id=files.id, file=str(path), size=size)

    def _record(self, index: int) -> LabelledFiles:
        # what was skipped is behind the last image
        return cast("LabelledFiles", self._records[range(len(self))[index]])

    def _read_image(self, path: Path, files: LabelledFiles) -> Pixels:
        pixels = read_pixels(path, bands=self._reading.bands, window=files.window, channels=self._channels)
        if files.size is not None and pixels.size != files.size:
            raise DataError(f"{path}: the image is {_size(pixels.size)}, {_size(files.size)} expected; both dates have to be of one size")
        return pixels

    def _read_labels(self, path: Path, image: Pixels, image_path: Path, window: Window | None) -> np.ndarray:
        """Return the classes of the pixels, uint8 (H, W), or raw labels as they are in the file."""
        has_colours = self._coding.channels == 3 and not self._reading.raw_labels
        if uses_rasterio(path):
            labels, void, size = _read_label_geotiff(path, window, colours=self._reading.raw_labels or has_colours)
        else:
            whole = read_label_image(path, colours=self._reading.raw_labels, always_colours=has_colours)
            labels, void, size = cut(whole, window), None, (whole.shape[0], whole.shape[1])
        if size != image.size:
            raise DataError(
                f"{path}: the label image is {_size(size)} (width x height), but its image {image_path} is {_size(image.size)}; "
                "they have to be of one size"
            )
        return labels if self._reading.raw_labels else self._classes_of(labels, void, path)

    def _classes_of(self, labels: np.ndarray, void: np.ndarray | None, path: Path) -> np.ndarray:
        if void is None or not void.any():
            return self._coding.classes_of(labels, path)
        classes = np.full(void.shape, IGNORE, np.uint8)
        classes[~void] = self._coding.classes_of(labels[~void][None], path)[0]
        return classes


def _numbered(files: Iterable[LabelledFiles | dict[str, int]]) -> Iterator[LabelledFiles | dict[str, int]]:
    for number, item in enumerate(files):
        yield item._replace(number=number) if isinstance(item, LabelledFiles) else item


def _cut_into_windows(
    files: Iterable[LabelledFiles | dict[str, int]], folder: Path, window: int, stride: int
) -> Iterator[LabelledFiles | dict[str, int]]:
    """Yield a record for each window of the images that are larger."""
    for item in files:
        if not isinstance(item, LabelledFiles) or not window:
            yield item
            continue
        size = raster_size(folder / item.image)
        if max(size) <= window:
            yield item
            continue
        for part in windows_of(size, window, stride):
            yield item._replace(id=f"{item.id}@{part.top}_{part.left}", window=part, size=size)


def _read_label_geotiff(path: Path, window: Window | None, *, colours: bool) -> tuple[np.ndarray, np.ndarray | None, tuple[int, int]]:
    pixels = read_geotiff(path, window=window)
    bands = pixels.values.shape[2]
    if bands not in ((1, 3) if colours else (1,)):
        raise DataError(
            f"{path}: the label image has {bands} bands, one number a pixel expected; turn its colours into numbers of classes, "
            "or take one channel with InitMask (raw_labels: true)"
        )
    return pixels.values if bands == 3 else pixels.values[..., 0], pixels.void, pixels.size


def _check_pair(first: Pixels, first_path: Path, second: Pixels, second_path: Path) -> None:
    if first.size != second.size:
        raise DataError(
            f"{second_path}: the image of the second date is {_size(second.size)} (width x height), but that of the first, "
            f"{first_path}, is {_size(first.size)}; they have to be of one size"
        )
    given = [(pixels.values.shape[2], pixels.values.dtype.name) for pixels in (first, second)]
    if given[0] != given[1]:
        raise DataError(
            f"{second_path}: {given[1][0]} bands of {given[1][1]}, but {given[0][0]} of {given[0][1]} in {first_path}; "
            "both dates need the same bands and type"
        )


def _without(labels: np.ndarray, voids: Iterable[np.ndarray | None]) -> np.ndarray:
    """Return the labels, 255 where an image has no data."""
    for void in voids:
        if void is not None and void.any():
            labels = np.where(void, np.uint8(IGNORE), labels)
    return labels


def _size(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"


def coding_of(classes: Sequence[str], reading: Reading, *, first: int = 0) -> LabelCoding:
    """Return what the pixels of label images mean.

    Args:
        classes: names of the classes in the order of their numbers.
        reading: says numbers or colours; without ``label_values`` the classes have the numbers from ``first`` on that are not ignored.
        first: the number of the first class in the files; what is below it does not count.

    Raises:
        ConfigError: the settings do not fit the classes or each other.
    """
    if reading.label_colours or reading.ignore_colours:
        return _colour_coding(classes, reading)
    ignored = (*range(first), *reading.ignore_values)
    counted = (number for number in range(first, first + len(classes) + len(ignored)) if number not in ignored)
    values = reading.label_values or tuple(islice(counted, len(classes)))
    twice = sorted(set(reading.label_values) & set(reading.ignore_values))
    if twice:
        raise ConfigError(f"ignore_values: {twice[0]} given, which is one of label_values too; a number means a class or does not count")
    return NumberCoding(classes=classes, values=values, ignored=ignored, classes_filter=reading.classes_filter)


def _colour_coding(classes: Sequence[str], reading: Reading) -> ColourCoding:
    if reading.label_values or reading.ignore_values:
        raise ConfigError("label_colours: given with label_values or ignore_values; pixels are colours or numbers (see ignore_colours)")
    colours = (*reading.label_colours, *reading.ignore_colours)
    if len(reading.label_colours) != len(classes) or len(set(colours)) != len(colours):
        raise ConfigError(
            f"label_colours: {len(reading.label_colours)} colours given for {len(classes)} classes; a colour of its own expected for each "
            "class, in the order of Source.classes"
        )
    names, numbers = filtered_classes(classes, reading.classes_filter)
    meant = [*zip(reading.label_colours, numbers, strict=True), *((colour, IGNORE) for colour in reading.ignore_colours)]
    return ColourCoding(classes=names, colours=meant)


def identifier(name: str, root: Path, seen: set[str]) -> str:
    """Return the id of a sample: the path of its image without suffix, below ``root``, or with it where that is taken.

    Args:
        name: path of the image, absolute or below ``root``.
        root: the folder of the data set.
        seen: ids that are taken; the new one is added.
    """
    # one that lies elsewhere goes by its name: results are written into folders by id
    path = os.path.relpath(name, root) if Path(name).is_absolute() else os.path.normpath(name)
    below = Path(name).name if path.startswith("..") else Path(path).as_posix()
    stem, _ = os.path.splitext(below)  # noqa: PTH122 -- many names
    own = stem if stem not in seen else below
    seen.add(own)
    return own
