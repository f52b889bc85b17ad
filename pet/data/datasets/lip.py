"""Images of one person each and the parts of that person, in the layout of LIP."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pet.data.catalog.source import Source
from pet.data.files.allowed_paths import INSIDE, Reach
from pet.data.files.images import image_size, read_sized_image
from pet.data.files.label_images import read_checked_labels
from pet.data.files.listing import files_in
from pet.data.files.opening import read_text
from pet.data.files.skipped import SkipCounter
from pet.data.targets.dataset import IGNORE, Dataset, DatasetInfo, ImageTruth, PartSet
from pet.data.targets.kinds import choose_kinds
from pet.data.targets.left_right import swap_from_names
from petlib.data.protocols import Sample
from petlib.data.records import share_records
from petlib.errors import ConfigError, DataError
from petlib.suggest import did_you_mean, shortened

LIP_PARTS = (
    *("Background", "Hat", "Hair", "Glove", "Sunglasses", "Upper-clothes", "Dress", "Coat", "Socks", "Pants"),
    *("Jumpsuits", "Scarf", "Skirt", "Face", "Left-arm", "Right-arm", "Left-leg", "Right-leg", "Left-shoe", "Right-shoe"),
)
"""Names of the part labels, in the order of their values."""

SPLITS = ("train", "val")
IMAGE_FOLDERS = ("TrainVal_images/{split}_images", "TrainVal_images/TrainVal_images/{split}_images", "{split}_images")
LABEL_FOLDERS = (
    "TrainVal_parsing_annotations/{split}_segmentations",
    "TrainVal_parsing_annotations/TrainVal_parsing_annotations/{split}_segmentations",
    "{split}_segmentations",
)
LISTS = ("{split}_id.txt", "TrainVal_images/{split}_id.txt", "TrainVal_images/TrainVal_images/{split}_id.txt")
PERSON = 1
Record = tuple[str, int, int]
"""Id, height, width."""


class LipDataset(Dataset):
    """Images that were cut out around one person each, with its part labels (https://arxiv.org/abs/1703.05446).

    Layout: ``TrainVal_images/train_images/<id>.jpg``, ``TrainVal_parsing_annotations/train_segmentations/<id>.png`` and ``train_id.txt``,
    and the same of ``val``, as the archives of LIP unpack, one folder deeper too; without the list the ids are those of all images. The
    box of the person is the whole image, as it is in a test, where the parts are not known.

    Args:
        folder: the folder of LIP.
        split: ``train`` or ``val``.
        kinds: kinds of targets of the samples, of ``boxes`` and ``parsing``; None: both.
        reach: where the ids of the list, which are parts of paths, may lead.

    Raises:
        ConfigError: there is no such split.
        DataError: files are missing or wrong, or other kinds are requested.
    """

    info = DatasetInfo(kinds=frozenset({"boxes", "parsing"}), classes=["person"], part_set=PartSet(LIP_PARTS, swap_from_names(LIP_PARTS)))

    def __init__(self, *, folder: Path, split: str, kinds: frozenset[str] | None = None, reach: Reach = INSIDE) -> None:
        if split not in SPLITS:
            raise ConfigError(f"lip: the split {split!r} given, train or val expected{did_you_mean(split, SPLITS)}")
        choose_kinds(folder, self.info.kinds, kinds)
        self._images, self._labels = _find(folder, IMAGE_FOLDERS, split), _find(folder, LABEL_FOLDERS, split)
        self._records = share_records(lambda: _read_records(folder, self._images, self._labels, split, reach))

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Sample:
        name, height, width = self._records[index]
        path, size = self._images / f"{name}.jpg", (height, width)
        image = read_sized_image(path, size=size, record=f"{name} of {self._images.parent}")
        parsing = read_checked_labels(self._labels / f"{name}.png", size=size, count=len(LIP_PARTS))
        assert self.info.part_set is not None, "the parts are listed above"
        meta: dict[str, Any] = {"id": name, "file": str(path), "size": size, "part_swap": self.info.part_set.swap}
        return {
            "image": image,
            "boxes": np.array([[0, 0, width, height]], np.float32),
            "labels": np.zeros(1, np.int64),
            "parsing": parsing,
            "instances": np.where((parsing > 0) & (parsing != IGNORE), PERSON, 0).astype(np.uint16),
            "instance_ids": np.array([PERSON]),
            "meta": meta,
        }

    def file_of(self, index: int) -> str:
        """Return the file of a sample's image, without reading it."""
        return str(self._images / f"{self._records[index][0]}.jpg")

    def truth(self, index: int) -> ImageTruth:
        """Return the person, which fills the image."""
        name, height, width = self._records[index]
        return ImageTruth(
            id=name,
            file=self.file_of(index),
            height=height,
            width=width,
            boxes=np.array([[0, 0, width, height]], np.float32),
            labels=np.zeros(1, np.int64),
            crowd=np.zeros(1, bool),
            areas=np.array([height * width], np.float32),
        )


def _find(folder: Path, places: tuple[str, ...], split: str) -> Path:
    named = [folder / place.format(split=split) for place in places]
    found = next((place for place in named if place.is_dir()), None)
    if found is None:
        raise DataError(
            f"{named[0]}: there is no such folder; unpack the archives of LIP (https://sysu-hcp.net/lip) so that it exists. Paths of the "
            "catalogue start from Source.root"
        )
    return found


def _read_records(folder: Path, images: Path, labels: Path, split: str, reach: Reach) -> Iterator[Record]:
    path = next((path for place in LISTS if (path := folder / place.format(split=split)).is_file()), None)
    if path is None:
        skipped = SkipCounter(images)
        names = [Path(name).stem for name in files_in(images, (".jpg",), skipped)]
        skipped.log()
    else:
        names = [line.strip().removesuffix(".jpg") for line in read_text(path, what="the list").splitlines() if line.strip()]
    if not names:
        raise DataError(f"{path or images}: no images in it")
    for name in names:
        reach.check(name, images, str(path or images))
        for file in (images / f"{name}.jpg", labels / f"{name}.png"):
            if not os.path.isfile(file):  # noqa: PTH113 -- takes names of any length
                raise DataError(f"{shortened(str(file), 500)}: there is no such file, but its id is one of those of {path or images}")
        yield (name, *image_size(images / f"{name}.jpg"))


def build_lip(source: Source) -> LipDataset:
    """Return the split, ``train`` or ``val``, of the folder that a source names."""
    return LipDataset(folder=source.path, split=source.split, kinds=source.kinds, reach=source.reach)
