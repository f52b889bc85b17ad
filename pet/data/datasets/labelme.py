"""Images with a JSON file each, as labelme writes them (https://github.com/wkentaro/labelme), read as the tables of a COCO file."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pet.data.catalog.source import Source
from pet.data.datasets.coco import CocoDataset
from pet.data.datasets.coco_tables import CocoTables
from pet.data.datasets.tool_tables import ImageFinder, Point, ToolTables, ellipse
from pet.data.files.images import image_size
from pet.data.files.json_files import read_json
from pet.data.files.json_values import as_numbers, as_whole_number
from pet.data.files.limits import shown
from petlib.errors import DataError

SHAPES, IMAGE = "shapes", "imagePath"
OTHER_SHAPE = "shape that is no polygon, rectangle or circle"


def is_labelme(content: object) -> bool:
    """Return whether what a JSON file holds is labelme's."""
    return isinstance(content, Mapping) and isinstance(content.get(SHAPES), list) and isinstance(content.get(IMAGE), str)


def labelme_tables(folder: Path) -> CocoTables:
    """Return the images and objects of all of labelme's files at any depth below a folder.

    Polygons are outlines, those of one label and one ``group_id`` parts of one object; circles become polygons, rectangles are boxes. Other
    shapes are left out and counted.

    Raises:
        DataError: there is no such file, its image is missing, or a shape is wrong.
    """
    tables, finder = ToolTables(folder), ImageFinder(folder)
    for path in sorted(folder.rglob("*.json")):
        content = read_json(path, what="the file of labelme")
        if is_labelme(content):
            own = (path.parent.relative_to(folder) / content[IMAGE]).as_posix()
            name = finder.find([own, content[IMAGE], path.with_suffix(Path(content[IMAGE]).suffix).name], str(path))
            size = as_whole_number(content.get("imageHeight")), as_whole_number(content.get("imageWidth"))
            height, width = size if size[0] and size[1] else image_size(folder / name)
            tables.add_image(name, (height or 0, width or 0))
            _add_shapes(tables, content[SHAPES], path)
    return tables.finish()


def _add_shapes(tables: ToolTables, shapes: list[Any], path: Path) -> None:
    groups: dict[tuple[Any, int], list[list[Point]]] = {}
    for number, shape in enumerate(shapes):
        place = f"{path}: shapes[{number}]"
        if not isinstance(shape, Mapping):
            raise DataError(f"{place}: {shown(shape)} given, a shape with label and points expected")
        points, label, group = _points(shape, place), shape.get("label"), as_whole_number(shape.get("group_id"))
        kind = shape.get("shape_type") or "polygon"
        if kind == "rectangle" and len(points) == 2:
            tables.add_box(label, [*points[0], *points[1]], place)
        elif kind == "circle" and len(points) == 2:
            radius = math.dist(points[0], points[1])
            tables.add_outline(label, [ellipse(points[0], (radius, radius))], place)
        elif kind != "polygon":
            tables.skipped.add(OTHER_SHAPE, place)
        elif group is None:
            tables.add_outline(label, [points], place)
        else:
            groups.setdefault((label, group), []).append(points)
    for (label, group), parts in groups.items():
        tables.add_outline(label, parts, f"{path}: group {group}")


def _points(shape: Mapping[str, Any], place: str) -> list[Point]:
    given = shape.get("points")
    numbers = [as_numbers(point) for point in given] if isinstance(given, list) else [None]
    points = [(point[0], point[1]) for point in numbers if point is not None and len(point) == 2]
    if len(points) < len(numbers):
        raise DataError(f"{place}: points: {shown(given)} given, a list of [x, y] in pixels expected")
    return points


def build_labelme(source: Source) -> CocoDataset:
    """Return the images and labelme's files below ``source.path``."""
    return CocoDataset(
        images=source.path,
        annotations=source.path,
        tables=lambda: labelme_tables(source.path),
        classes=source.classes,
        kinds=source.kinds,
        reach=source.reach,
    )
