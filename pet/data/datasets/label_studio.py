"""A JSON export of Label Studio (https://labelstud.io/guide/export) and its images, read as the tables of a COCO file."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pet.data.catalog.source import Source
from pet.data.datasets.coco import CocoDataset
from pet.data.datasets.coco_tables import CocoTables
from pet.data.datasets.tool_tables import ImageFinder, ToolTables, ellipse, only_file
from pet.data.files.images import image_size
from pet.data.files.json_files import read_json
from pet.data.files.json_values import as_number, as_numbers
from pet.data.files.limits import shown
from petlib.errors import DataError

WHAT = "the JSON export of Label Studio"
OTHER_RESULT = "result that is no rectangle, polygon or ellipse"
TURNED = "rotated rectangle, taken as an outline"
IMAGE_SUFFIX_MARK = "-"
BOX, POLYGON, ELLIPSE = "rectanglelabels", "polygonlabels", "ellipselabels"


def is_label_studio(content: object) -> bool:
    """Return whether what a JSON file holds is a list of Label Studio's tasks with annotations."""
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, Mapping) and isinstance(first.get("data"), Mapping) and isinstance(first.get("annotations"), list)


def label_studio_tables(file: Path, images: Path) -> CocoTables:
    """Return the images and objects of an export.

    Coordinates are percentages of the image. Of several annotations of an image the first that was not cancelled counts. Rectangles are
    boxes, rotated ones, polygons and ellipses are outlines; others are left out and counted.

    Args:
        file: the export.
        images: the folder that has the images at any depth; of their names the ends count, without what an upload puts before them.

    Raises:
        DataError: it is another file, an image is missing, or a result is wrong.
    """
    content = read_json(file, what=WHAT)
    if not is_label_studio(content):
        raise DataError(
            f"{file}: {WHAT} expected, a list of tasks with data and annotations; exports as JSON-MIN lack them: export as JSON"
        )
    tables, finder = ToolTables(file), ImageFinder(images)
    for number, task in enumerate(content):
        place = f"{file}: task {number}"
        name = finder.find(_names(task, place), place)
        height, width = image_size(images / name)
        tables.add_image(name, (height, width))
        for result in _results(task):
            _add(tables, result, (width, height), f"{place}: result {shown(result.get('id'))}")
    return tables.finish()


def _names(task: Any, place: str) -> Iterator[str]:
    """Yield what the image of a task may be called, the most likely first."""
    data = task.get("data") if isinstance(task, Mapping) else None
    values = [value for value in data.values() if isinstance(value, str)] if isinstance(data, Mapping) else []
    if not values:
        raise DataError(f"{place}: its data name no image")
    given = data["image"] if isinstance(data, Mapping) and isinstance(data.get("image"), str) else values[0]
    parts = urlsplit(given)
    local = parse_qs(parts.query).get("d")
    path = local[0] if local else unquote(parts.path)
    yield path
    if IMAGE_SUFFIX_MARK in Path(path).name:
        yield Path(path).name.partition(IMAGE_SUFFIX_MARK)[2]


def _results(task: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    given = task.get("annotations")
    annotations = [own for own in given if isinstance(own, Mapping)] if isinstance(given, list) else []
    results = next((own.get("result") for own in annotations if not own.get("was_cancelled")), None)
    return [own for own in results if isinstance(own, Mapping)] if isinstance(results, list) else []


def _add(tables: ToolTables, result: Mapping[str, Any], size: tuple[int, int], place: str) -> None:
    value, kind = result.get("value"), result.get("type")
    if kind not in (BOX, POLYGON, ELLIPSE) or not isinstance(value, Mapping):
        tables.skipped.add(OTHER_RESULT, place)
        return
    names = value.get(kind)
    label = names[0] if isinstance(names, list) and names else None
    scale = size[0] / 100, size[1] / 100
    if kind == POLYGON:
        given = value.get("points")
        points = [as_numbers(point) for point in given] if isinstance(given, list) else []
        if any(point is None or len(point) != 2 for point in points):
            raise DataError(f"{place}: points: {shown(given)} given, a list of [x, y] in percent expected")
        tables.add_outline(label, [[(point[0] * scale[0], point[1] * scale[1]) for point in points if point]], place)
        return
    turn = as_number(value.get("rotation", 0)) or 0.0
    x, y, first, second = (
        _number(value, name, place) for name in ("x", "y", *(("width", "height") if kind == BOX else ("radiusX", "radiusY")))
    )
    corner, extent = (x * scale[0], y * scale[1]), (first * scale[0], second * scale[1])
    if kind == ELLIPSE:
        tables.add_outline(label, [ellipse(corner, extent, turn)], place)
    elif turn:
        tables.skipped.add(TURNED, place)
        tables.add_outline(label, [_turned(corner, extent, turn)], place)
    else:
        tables.add_box(label, [*corner, corner[0] + extent[0], corner[1] + extent[1]], place)


def _turned(corner: tuple[float, float], extent: tuple[float, float], degrees: float) -> list[tuple[float, float]]:
    """Return the corners of a rectangle that is turned about its first one."""
    along = ellipse(corner, (extent[0], extent[0]), degrees)[0]
    down = ellipse(corner, (extent[1], extent[1]), degrees + 90)[0]
    return [corner, along, (along[0] + down[0] - corner[0], along[1] + down[1] - corner[1]), down]


def _number(value: Mapping[str, Any], name: str, place: str) -> float:
    found = as_number(value.get(name))
    if found is None:
        raise DataError(f"{place}: {name}: {shown(value.get(name))} given, a percentage of the image expected")
    return found


def build_label_studio(source: Source) -> CocoDataset:
    """Return the images below ``source.path`` with the export ``source.annotations``, or the only JSON file in that folder."""
    file = only_file(source.path, source.annotations, ".json", WHAT)
    images = source.path if source.path.is_dir() else source.path.parent
    return CocoDataset(
        images=images,
        annotations=file,
        tables=lambda: label_studio_tables(file, images),
        classes=source.classes,
        kinds=source.kinds,
        reach=source.reach,
    )
