"""People and the parts of each, in the layout of CIHP."""

import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as coco_mask

from pet.data.catalog.source import Source
from pet.data.files.allowed_paths import INSIDE, Reach
from pet.data.files.images import read_sized_image
from pet.data.files.label_images import check_label_size, read_checked_labels, read_label_image
from pet.data.files.limits import shown
from pet.data.files.listing import files_in
from pet.data.files.opening import neighbour, read_lines
from pet.data.files.path_variants import PathVariants
from pet.data.files.skipped import SkipCounter
from pet.data.targets.dataset import Dataset, DatasetInfo, ImageTruth, PartSet
from pet.data.targets.kinds import choose_kinds
from pet.data.targets.left_right import swap_from_names
from pet.structures.masks import InstanceMasks
from petlib.data.protocols import Sample
from petlib.data.records import share_records
from petlib.errors import ConfigError, DataError
from petlib.suggest import did_you_mean, shortened

CIHP_PARTS = (
    *("Background", "Hat", "Hair", "Glove", "Sunglasses", "UpperClothes", "Dress", "Coat", "Socks", "Pants"),
    *("Torso-skin", "Scarf", "Skirt", "Face", "Left-arm", "Right-arm", "Left-leg", "Right-leg", "Left-shoe", "Right-shoe"),
)
"""Names of the part labels, in the order of their values."""

MASKS = frozenset({"masks"})
FOLDERS = {"train": ("Training", "train_id.txt"), "val": ("Validation", "val_id.txt")}
READERS = 8
MOST_PEOPLE = 1000
logger = logging.getLogger(__name__)


class CihpRecord(NamedTuple):
    """An image as it is kept."""

    name: str
    size: tuple[int, int]
    boxes: np.ndarray
    instance_ids: np.ndarray
    areas: np.ndarray
    segmentations: list[dict[str, Any]] | None


class CihpDataset(Dataset):
    """Photographs of several people with part labels, and boxes and masks of each, which follow from the people's pixels.

    Layout: ``Training`` or ``Validation`` with ``Images/<id>.jpg``, part labels ``Category_ids/<id>.png`` and the number of
    the person at each pixel ``Human_ids/<id>.png``; the ids are in ``train_id.txt`` or ``val_id.txt``, there or one folder
    up; without the list they are those of all images. All maps of people are read once, at the start.

    Source: K. Gong et al., Instance-level Human Parsing via Part Grouping Network, https://arxiv.org/abs/1808.00157.

    Args:
        folder: the folder ``instance-level_human_parsing``.
        split: ``train`` or ``val``, or a list of ids in the folder of their images, e.g. ``Training/some.txt``.
        kinds: kinds of targets of the samples, of ``boxes``, ``masks`` and ``parsing``; None: all.
        reach: where the ids of the list, which are parts of paths, may lead.

    Raises:
        ConfigError: there is no such split.
        DataError: files are missing or wrong, or other kinds are requested.
    """

    info = DatasetInfo(
        kinds=frozenset({"boxes", "masks", "parsing"}),
        classes=["person"],
        part_set=PartSet(CIHP_PARTS, swap_from_names(CIHP_PARTS)),
    )

    def __init__(self, *, folder: Path, split: str, kinds: frozenset[str] | None = None, reach: Reach = INSIDE) -> None:
        below, list_name = _place_of(split)
        requested = choose_kinds(folder, self.info.kinds, kinds)
        self.folder = folder / below
        self._records = share_records(lambda: _read_records(folder, below, list_name, requested.issuperset(MASKS), reach))
        readers = {"boxes": self._read_boxes, "masks": self._read_masks, "parsing": self._read_parsing}
        self._readers = [read for kind, read in readers.items() if kind in requested]

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Sample:
        record = self._records[index]
        path = _image_path(self.folder, record.name)
        meta: dict[str, Any] = {"id": record.name, "file": str(path), "size": record.size}
        image = read_sized_image(path, size=record.size, record=str(_people_path(self.folder, record.name)))
        sample: Sample = {"image": image, "meta": meta}
        for read in self._readers:
            read(sample, record)
        return sample

    def _read_boxes(self, sample: Sample, record: CihpRecord) -> None:
        sample["boxes"] = record.boxes
        sample["labels"] = np.zeros(len(record.boxes), np.int64)

    def _read_masks(self, sample: Sample, record: CihpRecord) -> None:
        assert record.segmentations is not None, "the records were read without masks"
        sample["masks"] = InstanceMasks.from_segmentations(record.segmentations, record.size)

    def _read_parsing(self, sample: Sample, record: CihpRecord) -> None:
        people = _people_path(self.folder, record.name)
        instances = read_label_image(people)
        check_label_size(instances, size=record.size, path=people)
        sample["parsing"] = read_checked_labels(_parts_path(self.folder, record.name), size=record.size, count=len(CIHP_PARTS))
        sample["instances"] = instances.astype(np.uint16)
        sample["instance_ids"] = record.instance_ids
        assert self.info.part_set is not None, "the parts are listed above"
        sample["meta"]["part_swap"] = self.info.part_set.swap

    def file_of(self, index: int) -> str:
        """Return the file of a sample's image, without reading it."""
        return str(_image_path(self.folder, self._records[index].name))

    def truth(self, index: int) -> ImageTruth:
        """Return the people of an image; masks only where they are requested."""
        record = self._records[index]
        count = len(record.boxes)
        return ImageTruth(
            id=record.name,
            file=str(_image_path(self.folder, record.name)),
            height=record.size[0],
            width=record.size[1],
            boxes=record.boxes,
            labels=np.zeros(count, np.int64),
            crowd=np.zeros(count, bool),
            areas=record.areas,
            segmentations=record.segmentations,
        )


def _image_path(folder: Path, name: str) -> Path:
    return folder / "Images" / f"{name}.jpg"


def _people_path(folder: Path, name: str) -> Path:
    return folder / "Human_ids" / f"{name}.png"


def _parts_path(folder: Path, name: str) -> Path:
    return folder / "Category_ids" / f"{name}.png"


def _place_of(split: str) -> tuple[str, str]:
    """Return the folder and the list of a split."""
    below, list_name = os.path.split(split)
    if split.endswith(".txt") and below in (training for training, _ in FOLDERS.values()):
        return below, list_name
    if split not in FOLDERS:
        raise ConfigError(
            f"cihp: the split {split!r} given, train or val expected{did_you_mean(split, FOLDERS)}, or a list, e.g. Training/some.txt"
        )
    return FOLDERS[split]


def _read_records(folder: Path, below: str, list_name: str, with_masks: bool, reach: Reach) -> Iterator[CihpRecord]:
    names = _read_names(folder, below, list_name, reach)
    for name in names:
        for path in (_image_path(folder / below, name), _people_path(folder / below, name), _parts_path(folder / below, name)):
            if not os.path.isfile(path):  # noqa: PTH113 -- takes names of any length
                raise DataError(
                    f"{shortened(str(path), 500)}: there is no such file, but {shown(name)} is one of the images of {folder / below}"
                    f"{neighbour(str(path))}"
                )
    logger.info("cihp: reading the people of %d images", len(names))
    with ThreadPoolExecutor(min(READERS, os.cpu_count() or 1)) as pool:
        yield from pool.map(partial(_read_record, folder / below, with_masks), names)


def _read_names(folder: Path, below: str, list_name: str, reach: Reach) -> list[str]:
    """Return the ids of the images."""
    images = folder / below / "Images"
    if not images.is_dir():
        raise DataError(
            f"{images}: there is no such folder; unpack instance-level_human_parsing of CIHP (https://sysu-hcp.net/lip) so that it "
            "exists. Paths of the catalogue start from Source.root"
        )
    path = next((path for path in (folder / below / list_name, folder / list_name) if path.is_file()), None)
    if path is None and (below, list_name) not in FOLDERS.values():
        path = folder / below / list_name
    if path is None:
        skipped = SkipCounter(images)
        names = [Path(name).stem for name in files_in(images, (".jpg",), skipped)]
        skipped.log()
    else:
        names = list(_ids_in(path, folder / below, reach))
    if not names:
        raise DataError(f"{path or images}: no images in it")
    return names


def _ids_in(path: Path, folder: Path, reach: Reach) -> Iterator[str]:
    variants = PathVariants(folder / "Images", leads=lambda name: os.path.isfile(_image_path(folder, name.removesuffix(".jpg"))))  # noqa: PTH113
    for number, line in read_lines(path, what="the list"):
        name = variants.find(line, f"{path}:{number}").removesuffix(".jpg")
        reach.check(name, folder / "Images", f"{path}:{number}")
        yield name
    variants.log()


def _read_record(folder: Path, with_masks: bool, name: str) -> CihpRecord:
    people = read_label_image(_people_path(folder, name))
    counts = np.bincount(people.ravel())
    instance_ids = np.flatnonzero(counts[1:]) + 1
    if len(instance_ids) > MOST_PEOPLE:
        raise DataError(
            f"{_people_path(folder, name)}: {len(instance_ids)} people, at most {MOST_PEOPLE} expected; is it an image of people?"
        )
    masks = [people == number for number in instance_ids]
    return CihpRecord(
        name=name,
        size=(people.shape[0], people.shape[1]),
        boxes=np.array([_box(mask) for mask in masks], np.float32).reshape(-1, 4),
        instance_ids=instance_ids.astype(np.int64),
        areas=counts[instance_ids].astype(np.float32),
        segmentations=[coco_mask.encode(np.asfortranarray(mask, np.uint8)) for mask in masks] if with_masks else None,
    )


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Return the edges around the pixels, XYXY."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def build_cihp(source: Source) -> CihpDataset:
    """Return the split, ``train`` or ``val``, of the folder that a source names."""
    return CihpDataset(folder=source.path, split=source.split, kinds=source.kinds, reach=source.reach)
