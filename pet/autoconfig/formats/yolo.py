"""YOLO with boxes, outlines or keypoints, as Ultralytics, Roboflow, CVAT and Label Studio write it: with a ``data.yaml``, or without."""

from pathlib import Path

from pet.autoconfig.formats.found import PARTS, FoundData, below
from pet.data.datasets.yolo_layout import YAML, YoloSet, find_yolo_file, read_yolo_file, read_yolo_folder
from pet.data.files.allowed_paths import Reach
from pet.data.files.skipped import SkipCounter
from petlib.errors import DataError


def find(folder: Path) -> FoundData | None:
    """Return the parts of the data that the ``data.yaml`` of a folder names, or that it has in ``images`` and ``labels``; None: neither.

    Raises:
        DataError: there are several YAML files, or the one is wrong.
    """
    if not any(path.suffix.lower() in YAML for path in folder.iterdir() if path.is_file()):
        return _find_without_file(folder)
    file = find_yolo_file(folder)
    return _found(read_yolo_file(file, Reach(root=folder)), file, folder)


def _find_without_file(folder: Path) -> FoundData | None:
    try:
        data = read_yolo_folder(folder)
    except DataError:
        # texts of another format
        return None
    return None if data is None else _found(data, folder, folder)


def _found(data: YoloSet, file: Path, folder: Path) -> FoundData:
    parts = [part for part in PARTS if part == "train" or _has_images(data, part, folder)]
    entries = {part: {"type": "yolo", "path": below(file, folder), "split": part} for part in parts}
    return FoundData("YOLO", entries, file.name if file != folder else "labels/*.txt")


def _has_images(data: YoloSet, part: str, folder: Path) -> bool:
    """Return whether a part has images; files name parts, such as Roboflow's test, that an export left out."""
    try:
        return bool(data.images_of(part, Reach(root=folder), SkipCounter(data.path)))
    except DataError:
        return False
