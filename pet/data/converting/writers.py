"""Data sets of objects in the formats of COCO, VOC and YOLO: one writer each, and what each format cannot hold."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from xml.etree import ElementTree

import numpy as np
import yaml

from pet.data.converting.outlines import as_text_counts, outline_of
from pet.data.targets.dataset import DatasetInfo, ImageTruth
from petlib.errors import OutputError
from petlib.files import write_text_atomically

Entry = dict[str, Any]
CROWD = "crowd region left out, which the format cannot mark"
OUTLINES = "outline of an object lost"
KEYPOINTS = "keypoints of an object lost"
AREA = "area of an object that is not the one of its box lost; figures by size of objects follow the boxes"
RUNS = "mask of runs written as an outline: holes are filled"
PARTS = "outline of several parts joined by lines without area"
BOX_OF_OUTLINE = "box of an object replaced by the bounds of its outline"
NO_OUTLINE = "object without an outline written as a box among outlines"


class Writer(Protocol):
    """Writes the objects of a split in a format.

    Attributes:
        images: folder for the images.
        lost: what the format cannot hold -> how often it was lost.
    """

    images: Path
    lost: Counter[str]

    def add(self, truth: ImageTruth, name: str) -> None:
        """Write the objects of an image that lies below :attr:`images` as ``name``."""
        ...

    def finish(self) -> Entry:
        """Write what is left and return the entry of ``DATA.CATALOG`` that reads it."""
        ...


class CocoWriter:
    """Writes ``annotations/SPLIT.json`` next to ``images/SPLIT``; see :class:`Writer`. Nothing is lost.

    Args:
        folder: of the data set.
        split: name of the split.
        info: what the data set says of itself.
    """

    def __init__(self, *, folder: Path, split: str, info: DatasetInfo) -> None:
        self.images = folder / "images" / split
        self.lost: Counter[str] = Counter()
        self._file = folder / "annotations" / f"{split}.json"
        self._ids = info.category_ids or [*range(1, len(info.classes) + 1)]
        categories = [{"id": number, "name": name} for number, name in zip(self._ids, info.classes, strict=True)]
        self._content: dict[str, list[dict[str, Any]]] = {
            "images": [],
            "annotations": [],
            "categories": [{**category, **_keypoints_of_category(info)} for category in categories],
        }

    def add(self, truth: ImageTruth, name: str) -> None:
        """Take the objects of an image."""
        rows, annotations = self._content["images"], self._content["annotations"]
        image_id = truth.id if isinstance(truth.id, int) else len(rows) + 1
        rows.append({"id": image_id, "file_name": name, "height": truth.height, "width": truth.width})
        for place in range(len(truth.boxes)):
            left, top, right, bottom = map(float, truth.boxes[place])
            row: dict[str, Any] = {
                "id": len(annotations) + 1,
                "image_id": image_id,
                "category_id": self._ids[truth.labels[place]],
                "bbox": [left, top, right - left, bottom - top],
                "area": float(truth.areas[place]),
                "iscrowd": int(truth.crowd[place]),
            }
            if truth.segmentations is not None and truth.segmentations[place] is not None:
                row["segmentation"] = as_text_counts(truth.segmentations[place])
            if truth.keypoints is not None:
                points = truth.keypoints[place]
                row["keypoints"] = [float(value) for value in points.ravel()]
                row["num_keypoints"] = int((points[:, 2] > 0).sum())
            annotations.append(row)

    def finish(self) -> Entry:
        """Write the file."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(self._file, json.dumps(self._content, ensure_ascii=False))
        return {"type": "coco", "path": str(self.images), "annotations": str(self._file)}


def _keypoints_of_category(info: DatasetInfo) -> Entry:
    points = info.keypoint_set
    if points is None:
        return {}
    skeleton = [[start + 1, end + 1] for start, end in points.skeleton]
    return {"keypoints": [*points.names], "skeleton": skeleton, "sigmas": [*points.sigmas]}


class VocWriter:
    """Writes ``Annotations``, ``ImageSets/Main/SPLIT.txt`` and ``JPEGImages``; see :class:`Writer`. Crowd becomes ``difficult``."""

    def __init__(self, *, folder: Path, split: str, info: DatasetInfo) -> None:
        self.images = folder / "JPEGImages"
        self.lost: Counter[str] = Counter()
        self._folder, self._split, self._classes = folder, split, info.classes
        self._names: list[str] = []

    def add(self, truth: ImageTruth, name: str) -> None:
        """Write the annotation file of an image."""
        stem = str(PurePosixPath(name).with_suffix(""))
        root = ElementTree.Element("annotation")
        _element(root, "folder", "JPEGImages")
        _element(root, "filename", PurePosixPath(name).name)
        size = ElementTree.SubElement(root, "size")
        for key, value in (("width", truth.width), ("height", truth.height), ("depth", 3)):
            _element(size, key, str(value))
        for place in range(len(truth.boxes)):
            self._add_object(root, truth, place)
        ElementTree.indent(root)
        path = self._folder / "Annotations" / f"{stem}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(path, ElementTree.tostring(root, encoding="unicode") + "\n")
        self._names.append(stem)

    def _add_object(self, root: ElementTree.Element, truth: ImageTruth, place: int) -> None:
        _count_lost(self.lost, truth, place, outlines=False, keypoints=False)
        item = ElementTree.SubElement(root, "object")
        _element(item, "name", self._classes[truth.labels[place]])
        _element(item, "difficult", str(int(truth.crowd[place])))
        box = ElementTree.SubElement(item, "bndbox")
        # pixels that belong to the object, counted from 1, so that the left and upper edges are one more
        left, top, right, bottom = map(float, truth.boxes[place])
        for key, value in (("xmin", left + 1), ("ymin", top + 1), ("xmax", right), ("ymax", bottom)):
            _element(box, key, repr(int(value)) if value.is_integer() else repr(value))

    def finish(self) -> Entry:
        """Write the list of the split."""
        path = self._folder / "ImageSets" / "Main" / f"{self._split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(path, "".join(f"{name}\n" for name in self._names))
        return {"type": "voc", "path": str(self._folder), "split": self._split}


def _element(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = text


class YoloWriter:
    """Writes ``data.yaml``, ``labels/SPLIT`` and ``images/SPLIT``; see :class:`Writer`.

    A line of a file of labels has keypoints, or an outline, or a box: the first that the data set has.
    """

    def __init__(self, *, folder: Path, split: str, info: DatasetInfo) -> None:
        self.images = folder / "images" / split
        self.lost: Counter[str] = Counter()
        self._folder, self._split, self._info = folder, split, info

    def add(self, truth: ImageTruth, name: str) -> None:
        """Write the file of labels of an image."""
        lines = [self._line(truth, place) for place in range(len(truth.boxes)) if not truth.crowd[place]]
        self.lost[CROWD] += int(truth.crowd.sum())
        path = (self._folder / "labels" / self._split / name).with_suffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(path, "".join(f"{line}\n" for line in lines))

    def _line(self, truth: ImageTruth, place: int) -> str:
        left, top, right, bottom = map(float, truth.boxes[place])
        width, height = truth.width, truth.height
        box = [(left + right) / 2 / width, (top + bottom) / 2 / height, (right - left) / width, (bottom - top) / height]
        numbers = box
        has_keypoints = truth.keypoints is not None
        _count_lost(self.lost, truth, place, outlines=not has_keypoints, keypoints=True)
        if truth.keypoints is not None:
            points = truth.keypoints[place].astype(np.float64)
            numbers = [*box, *np.column_stack([points[:, :2] / (width, height), points[:, 2]]).ravel().tolist()]
        elif truth.segmentations is not None:
            outline = self._outline(truth.segmentations[place], truth.boxes[place])
            numbers = box if outline is None else (outline / (width, height)).ravel().tolist()
        return " ".join([str(int(truth.labels[place])), *(f"{value:.17g}" for value in numbers)])

    def _outline(self, segmentation: Any, box: np.ndarray) -> np.ndarray | None:
        outline = None if segmentation is None else outline_of(segmentation)
        if outline is None:
            self.lost[NO_OUTLINE] += 1
            return None
        is_runs = isinstance(segmentation, Mapping)
        self.lost[RUNS] += is_runs
        self.lost[PARTS] += not is_runs and len(segmentation) > 1
        bounds = np.concatenate([outline.min(0), outline.max(0)])
        self.lost[BOX_OF_OUTLINE] += bool(np.abs(bounds - box).max() > 1)
        return outline

    def finish(self) -> Entry:
        """Write ``data.yaml`` with the split, next to those that it has.

        Raises:
            OutputError: the file that is there has other classes or keypoints.
        """
        path = self._folder / "data.yaml"
        content: Entry = {"names": dict(enumerate(self._info.classes))}
        points = self._info.keypoint_set
        if points is not None:
            content |= {"kpt_shape": [len(points.names), 3], "flip_idx": [*points.swap], "kpt_names": {0: [*points.names]}}
        before = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
        differing = next((key for key in before if key in content and before[key] != content[key]), None)
        if differing is not None:
            raise OutputError(f"{path}: it is there, and its {differing} are others; give another --out")
        text = yaml.safe_dump({**before, self._split: f"images/{self._split}", **content}, sort_keys=False, allow_unicode=True)
        write_text_atomically(path, text)
        return {"type": "yolo", "path": str(path), "split": self._split}


def _count_lost(lost: Counter[str], truth: ImageTruth, place: int, *, outlines: bool, keypoints: bool) -> None:
    """Count what of an object is lost in a format that has outlines and keypoints, or has not."""
    left, top, right, bottom = map(float, truth.boxes[place])
    has_outline = truth.segmentations is not None and truth.segmentations[place] is not None
    lost[OUTLINES] += has_outline and not outlines
    lost[KEYPOINTS] += truth.keypoints is not None and not keypoints
    area = (right - left) * (bottom - top)
    lost[AREA] += not (has_outline and outlines) and abs(float(truth.areas[place]) - area) > 0.01 * area


WRITERS: dict[str, type[CocoWriter | VocWriter | YoloWriter]] = {"coco": CocoWriter, "voc": VocWriter, "yolo": YoloWriter}
