"""CVAT's XML for images (https://docs.cvat.ai/docs/dataset_management/formats/format-cvat) read as the tables of a COCO file."""

from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from pet.data.catalog.source import Source
from pet.data.datasets.coco import CocoDataset
from pet.data.datasets.coco_tables import CocoTables
from pet.data.datasets.tool_tables import ImageFinder, Point, ToolTables, ellipse, only_file
from pet.data.files.json_values import as_number, as_whole_number
from pet.data.files.limits import check_pixels, shown
from pet.data.files.xml_files import read_xml
from petlib.errors import DataError

WHAT = "the XML file of CVAT"
ROOT_ELEMENT = "annotations"
OTHER_SHAPE = "shape that is no box, polygon, ellipse or mask"
BOX_EDGES, MASK_NUMBERS, ELLIPSE_NUMBERS = ("xtl", "ytl", "xbr", "ybr"), ("left", "top", "width", "height"), ("cx", "cy", "rx", "ry")


def cvat_tables(file: Path, images: Path, subset: str = "") -> CocoTables:
    """Return the images and objects of a file.

    Boxes, polygons, ellipses and masks are objects, turned boxes are outlines; other shapes are left out and counted.

    Args:
        file: the XML file.
        images: the folder that has the images at any depth.
        subset: name of the subset to take; empty, or where there are not several: all.

    Raises:
        DataError: it is another file, an image is missing, there is no such subset, or a shape is wrong.
    """
    root = read_xml(file, what=WHAT)
    rows = root.findall("image")
    if root.tag != ROOT_ELEMENT or not rows:
        raise DataError(
            f"{file}: {WHAT} for images expected, <{ROOT_ELEMENT}> with <image>; tracks of videos are another format: export for images"
        )
    found = cvat_subsets(rows)
    if len(found) < 2:
        subset = ""
    if subset and subset not in found:
        raise DataError(f"{file}: no image has the subset {subset!r}; there are {', '.join(found)}")
    names = [element.text.strip() for element in root.iterfind(".//labels/label/name") if element.text]
    tables, finder = ToolTables(file, names or None), ImageFinder(images)
    for row in [row for row in rows if subset in ("", row.get("subset"))]:
        place = f"{file}: image {shown(row.get('name'))}"
        size = as_whole_number(row.get("height")), as_whole_number(row.get("width"))
        if not size[0] or not size[1]:
            raise DataError(f"{place}: height and width are {shown(row.get('height'))} and {shown(row.get('width'))}, pixels expected")
        check_pixels(size[0], size[1], place)
        tables.add_image(finder.find([row.get("name", "")], place), (size[0], size[1]))
        for shape in row:
            _add(tables, shape, (size[0], size[1]), f"{place}: <{shape.tag}>")
    return tables.finish()


def cvat_subsets(rows: list[Element]) -> list[str]:
    """Return the names of the subsets of images, sorted."""
    return sorted({name for row in rows if (name := row.get("subset"))})


def _add(tables: ToolTables, shape: Element, size: tuple[int, int], place: str) -> None:
    label, turn = shape.get("label"), as_number(shape.get("rotation", "0")) or 0.0
    if shape.tag == "box":
        left, top, right, bottom = (_number(shape, name, place) for name in BOX_EDGES)
        if turn:
            tables.add_outline(label, [_turned((left, top, right, bottom), turn)], place)
        else:
            tables.add_box(label, (left, top, right, bottom), place)
    elif shape.tag == "polygon":
        tables.add_outline(label, [_points(shape, place)], place)
    elif shape.tag == "ellipse":
        x, y, first, second = (_number(shape, name, place) for name in ELLIPSE_NUMBERS)
        tables.add_outline(label, [ellipse((x, y), (first, second), turn)], place)
    elif shape.tag == "mask":
        left, top, width, height = (int(_number(shape, name, place)) for name in MASK_NUMBERS)
        tables.add_runs(label, _runs(shape, (left, top, width, height), size, place), (left, top, left + width, top + height), place)
    else:
        tables.skipped.add(OTHER_SHAPE, place)


def _turned(box: tuple[float, float, float, float], degrees: float) -> list[Point]:
    """Return the corners of a box that is turned about its middle."""
    middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    angle = np.deg2rad(degrees)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = np.array([(box[0], box[1]), (box[2], box[1]), (box[2], box[3]), (box[0], box[3])])
    return [(float(x), float(y)) for x, y in (corners - middle) @ matrix.T + middle]


def _points(shape: Element, place: str) -> list[Point]:
    given = shape.get("points", "")
    pairs = [[as_number(number) for number in pair.split(",")] for pair in given.split(";")]
    points = [(pair[0], pair[1]) for pair in pairs if len(pair) == 2 and pair[0] is not None and pair[1] is not None]
    if len(points) < len(pairs):
        raise DataError(f"{place}: points={shown(given)}, x,y;x,y;... expected")
    return points


def _runs(shape: Element, box: tuple[int, int, int, int], size: tuple[int, int], place: str) -> dict[str, object]:
    """Return the runs of a mask down the columns of the image; the file has them along the rows of the box, beginning with background."""
    left, top, width, height = box
    counts = [as_whole_number(number) for number in shape.get("rle", "").split(",")]
    lengths = [count for count in counts if count is not None and count >= 0]
    if (
        len(lengths) < len(counts)
        or sum(lengths) != width * height
        or min(left, top) < 0
        or left + width > size[1]
        or top + height > size[0]
    ):
        raise DataError(f"{place}: rle does not give {width} x {height} pixels inside of the image")
    mask = np.zeros(size, np.uint8)
    mask[top : top + height, left : left + width] = np.repeat(np.arange(len(lengths)) % 2, lengths).reshape(height, width)
    flat = mask.T.ravel()
    ends = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], ends, [len(flat)]])).tolist()
    return {"size": list(size), "counts": [0, *runs] if flat[0] else runs}


def _number(shape: Element, name: str, place: str) -> float:
    found = as_number(shape.get(name))
    if found is None:
        raise DataError(f"{place}: {name}={shown(shape.get(name))}, a number of pixels expected")
    return found


def build_cvat(source: Source) -> CocoDataset:
    """Return the images below ``source.path`` with the file ``source.annotations``, or the only XML file in that folder.

    ``source.split`` is the name of a subset where the images have subsets.
    """
    file = only_file(source.path, source.annotations, ".xml", WHAT)
    images = source.path if source.path.is_dir() else source.path.parent
    return CocoDataset(
        images=images,
        annotations=file,
        tables=lambda: cvat_tables(file, images, source.split),
        classes=source.classes,
        kinds=source.kinds,
        reach=source.reach,
    )
