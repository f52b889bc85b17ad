"""The ``data.yaml`` of YOLO with boxes, outlines or keypoints, as Ultralytics, Roboflow, CVAT and Label Studio write it."""

from pathlib import Path

from pet.autoconfig.formats.found import PARTS, FoundData, below
from pet.data.datasets.yolo_layout import YAML, YoloSet, find_yolo_file, read_yolo_file
from pet.data.files.allowed_paths import Reach
from pet.data.files.skipped import SkipCounter
from petlib.errors import DataError


def find(folder: Path) -> FoundData | None:
    """Return the parts of the data that the ``data.yaml`` of a folder names; None: it has no YAML file.

    Raises:
        DataError: there are several YAML files, or the one is wrong.
    """
    if not any(path.suffix.lower() in YAML for path in folder.iterdir() if path.is_file()):
        return None
    file = find_yolo_file(folder)
    data = read_yolo_file(file, Reach(root=folder))
    parts = [part for part in PARTS if part == "train" or _has_images(data, part, folder)]
    entries = {part: {"type": "yolo", "path": below(file, folder), "split": part} for part in parts}
    return FoundData("YOLO", entries, file.name)


def _has_images(data: YoloSet, part: str, folder: Path) -> bool:
    """Return whether a part has images; files name parts, such as Roboflow's test, that an export left out."""
    try:
        return bool(data.images_of(part, Reach(root=folder), SkipCounter(data.path)))
    except DataError:
        return False
