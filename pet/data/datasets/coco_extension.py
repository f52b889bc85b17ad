"""Label images next to a COCO file: our own entry ``pet`` of the file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pet.data.files.allowed_paths import Reach
from pet.data.files.json_values import as_whole_number
from pet.data.files.label_images import check_label_size, read_checked_labels, read_label_image
from pet.data.files.limits import shown
from pet.data.files.opening import LONGEST_NAME, is_name
from pet.data.targets.dataset import PartSet
from pet.data.targets.left_right import swap_from_names
from petlib.errors import DataError
from petlib.suggest import did_you_mean

FOLDERS = ("semseg", "parsing", "instances")
NAMES = ("semseg_classes", "parts")
ENTRIES = (*FOLDERS, *NAMES, "part_swap")


class LabelFolders(NamedTuple):
    """Where the label images of a COCO file are, and what their values are.

    Attributes:
        folders: of the keys semseg, parsing and instances those that there are.
        semseg_classes: names of the values of semantic labels.
        part_set: what the values of part labels are.
    """

    folders: dict[str, Path]
    semseg_classes: list[str]
    part_set: PartSet | None

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of targets that the folders hold."""
        return frozenset(self.folders) & {"semseg", "parsing"}

    def read_semseg(self, file: str, size: tuple[int, int]) -> np.ndarray:
        """Return the semantic labels of an image, uint8 (height, width).

        Raises:
            DataError: the label image is missing or wrong.
        """
        return read_checked_labels(self._path("semseg", file), size=size, count=len(self.semseg_classes))

    def read_parsing(self, file: str, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return the part labels of an image, uint8, and its persons, uint16, both (height, width).

        Raises:
            DataError: a label image is missing or wrong.
        """
        assert self.part_set is not None, "there are no part labels"
        parts = read_checked_labels(self._path("parsing", file), size=size, count=len(self.part_set.names))
        instances_path = self._path("instances", file)
        instances = read_label_image(instances_path)
        check_label_size(instances, size=size, path=instances_path)
        return parts, instances.astype(np.uint16, copy=False)

    def _path(self, kind: str, file: str) -> Path:
        name = Path(file)
        return self.folders[kind] / (Path(name.name) if name.is_absolute() else name).with_suffix(".png")


def read_extension(path: Path, entries: Mapping[str, Any], reach: Reach) -> LabelFolders:
    """Return what the entry ``pet`` of a COCO file says.

    It may have the folders ``semseg``, ``parsing`` with ``instances`` (relative to the file; an image ``a.jpg`` has ``a.png``
    there), the lists of names ``semseg_classes`` and ``parts``, and ``part_swap``, without which left and right are taken from the
    names. ``reach`` says where the folders may lie.

    Raises:
        DataError: an entry is unknown, wrong, leads elsewhere, or misses what belongs to it.
    """
    unknown = [key for key in entries if key not in ENTRIES]
    if unknown:
        meant = did_you_mean(unknown[0][:LONGEST_NAME], ENTRIES)
        raise DataError(f"{path}: unknown entry {shown(unknown[0])} of 'pet'{meant}; known ones are {', '.join(ENTRIES)}")
    for first, second in (("semseg", "semseg_classes"), ("parsing", "parts"), ("parsing", "instances"), ("instances", "parsing")):
        if first in entries and second not in entries:
            raise DataError(f"{path}: 'pet' has {first!r}, so it needs {second!r} too")
    wrong = [key for key in FOLDERS if key in entries and not isinstance(entries[key], str)]
    if wrong:
        raise DataError(f"{path}: {wrong[0]!r} of 'pet' is {shown(entries[wrong[0]])}, a folder relative to this file expected")
    for key in FOLDERS:
        if key in entries:
            reach.check(entries[key], path.parent, f"{path}: {key!r} of 'pet'")
    folders = {key: path.parent / entries[key] for key in FOLDERS if key in entries}
    semseg_classes = _names(path, entries, "semseg_classes")
    parts = _names(path, entries, "parts")
    part_set = PartSet(tuple(parts), _part_swap(path, entries, parts)) if folders.get("parsing") else None
    return LabelFolders(folders, semseg_classes if folders.get("semseg") else [], part_set)


def _names(path: Path, entries: Mapping[str, Any], key: str) -> list[str]:
    names = entries.get(key, [])
    if not isinstance(names, list) or not all(map(is_name, names)):
        raise DataError(f"{path}: {key!r} of 'pet' is {shown(names)}, a list of names expected")
    return names


def _part_swap(path: Path, entries: Mapping[str, Any], parts: list[str]) -> tuple[int, ...]:
    swap = entries.get("part_swap")
    if swap is None:
        return swap_from_names(parts)
    numbers = [as_whole_number(place) for place in swap] if isinstance(swap, list) else []
    places = [number for number in numbers if number is not None]
    if sorted(places) != list(range(len(parts))) or any(places[places[place]] != place for place in places):
        raise DataError(
            f"{path}: 'part_swap' of 'pet' is {shown(swap)}; for each of the {len(parts)} parts the place of its mirror image expected, "
            "from 0"
        )
    return tuple(places)
