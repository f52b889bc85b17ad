"""What the readers of labelling tools have in common: shapes become the tables of a COCO file, names of images files below a folder."""

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from pet.data.datasets.coco_tables import CocoTables
from pet.data.files.limits import shown
from pet.data.files.listing import SUFFIXES, files_below
from pet.data.files.opening import is_name
from pet.data.files.skipped import SkipCounter
from petlib.errors import DataError

ELLIPSE_POINTS = 72
Point = tuple[float, float]


class ToolTables:
    """Collects images and objects as the tables of a COCO file; classes are numbered from 1 in the order of their names.

    Args:
        path: the file, or folder, of the tool, for messages.
        classes: names in their order, where the file has a list of them; None: those that occur, sorted.
    """

    def __init__(self, path: Path, classes: Sequence[str] | None = None) -> None:
        self.path = path
        self.skipped = SkipCounter(path)
        self._classes = None if classes is None else list(classes)
        self._images: list[dict[str, Any]] = []
        self._objects: list[tuple[str, dict[str, Any]]] = []

    def add_image(self, name: str, size: tuple[int, int]) -> None:
        """Add an image, below the folder of images, of ``size`` (height, width); what is added then belongs to it."""
        self._images.append({"id": len(self._images) + 1, "file_name": name, "height": size[0], "width": size[1]})

    def add_box(self, label: object, box: Sequence[float], place: str) -> None:
        """Add an object by two opposite corners of its box, x, y, x, y, pixels."""
        left, right = sorted((box[0], box[2]))
        top, bottom = sorted((box[1], box[3]))
        self._add(label, (left, top, right, bottom), {}, place)

    def add_outline(self, label: object, parts: Sequence[Sequence[Point]], place: str) -> None:
        """Add an object by its polygons, at least three points each, pixels.

        Raises:
            DataError: a polygon has fewer.
        """
        if not parts or any(len(part) < 3 for part in parts):
            raise DataError(f"{place}: a polygon of {min(map(len, parts), default=0)} points given, at least 3 expected")
        rows, columns = ([point[axis] for part in parts for point in part] for axis in (1, 0))
        polygons = [[value for point in part for value in point] for part in parts]
        self._add(label, (min(columns), min(rows), max(columns), max(rows)), {"segmentation": polygons}, place)

    def add_runs(self, label: object, runs: dict[str, Any], box: tuple[float, float, float, float], place: str) -> None:
        """Add an object by a run-length encoding of COCO and its box, left, top, right, bottom, pixels."""
        self._add(label, box, {"segmentation": runs}, place)

    def _add(self, label: object, box: tuple[float, float, float, float], more: dict[str, Any], place: str) -> None:
        if not is_name(label):
            raise DataError(f"{place}: the label {shown(label)} given, the name of a class expected")
        left, top, right, bottom = box
        bounds = [left, top, right - left, bottom - top]
        row = {"id": len(self._objects) + 1, "image_id": len(self._images), "iscrowd": 0, "bbox": bounds, **more}
        self._objects.append((str(label), row))

    def finish(self) -> CocoTables:
        """Return the tables.

        Raises:
            DataError: there is no image, or a class that the list of classes does not have.
        """
        if not self._images:
            raise DataError(f"{self.path}: no images are annotated there{self.skipped.described()}")
        classes = self._classes or sorted({label for label, _ in self._objects})
        numbers = {name: number for number, name in enumerate(classes, start=1)}
        unknown = next((label for label, _ in self._objects if label not in numbers), None)
        if unknown is not None:
            raise DataError(f"{self.path}: an object has the label {unknown!r}, and the file lists {', '.join(classes)}")
        self.skipped.log()
        annotations: list[Any] = [{**row, "category_id": numbers[label]} for label, row in self._objects]
        categories = [{"id": number, "name": name} for name, number in numbers.items()]
        return CocoTables(self.path, self._images, annotations, categories, {}, annotated=True)


class ImageFinder:
    """Finds the images below a folder by names that a tool gave them: with folders of another machine, or none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, list[str]] = {}
        for parent, names in files_below(folder, SUFFIXES, SkipCounter(folder)):
            for name in names:
                self._files.setdefault(name, []).append(Path(os.path.relpath(parent, folder), name).as_posix())

    def find(self, names: Iterable[str], place: str) -> str:
        """Return the path, below the folder, of the image that one of the names means, the first before the others.

        Raises:
            DataError: there is none, or several between which the folders in the name do not decide.
        """
        given = [PurePosixPath(name.replace("\\", "/")) for name in names]
        for name in given:
            found = self._files.get(name.name, [])
            for length in range(len(name.parts), 0, -1):
                fitting = [path for path in found if PurePosixPath(path).parts[-length:] == name.parts[-length:]]
                if len(fitting) == 1:
                    return fitting[0]
            if found:
                raise DataError(f"{place}: {shown(str(name))} may be {' or '.join(found[:3])} below {self._folder}; take one away")
        raise DataError(f"{place}: the image {shown(str(given[0]))} is nowhere below {self._folder}; put the images there")


def ellipse(centre: Point, radii: Point, degrees: float = 0.0) -> list[Point]:
    """Return an ellipse as a polygon; its first axis is turned from x to y."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    steps = (2 * math.pi * step / ELLIPSE_POINTS for step in range(ELLIPSE_POINTS))
    points = ((radii[0] * math.cos(angle), radii[1] * math.sin(angle)) for angle in steps)
    return [(centre[0] + x * cosine - y * sine, centre[1] + x * sine + y * cosine) for x, y in points]


def only_file(folder: Path, given: Path | None, suffix: str, what: str) -> Path:
    """Return the file of a tool: the one given, or the only one with the suffix in the folder.

    Raises:
        DataError: there is none, or there are several.
    """
    if given is not None or folder.is_file():
        return given or folder
    files = sorted(path for path in folder.glob(f"*{suffix}")) if folder.is_dir() else []
    if len(files) != 1:
        found = f"{len(files)} such files are there" if files else "there is no such file"
        raise DataError(f"{folder}: {what} expected (*{suffix}), and {found}; name it as annotations, or as path")
    return files[0]
