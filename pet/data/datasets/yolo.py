"""Images with boxes, outlines or keypoints in the format of YOLO, read as the tables of a COCO file."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pet.data.catalog.source import Source
from pet.data.datasets.coco import CocoDataset
from pet.data.datasets.coco_tables import CocoTables
from pet.data.datasets.yolo_layout import YoloSet, label_file, read_yolo_file
from pet.data.files.allowed_paths import INSIDE, Reach
from pet.data.files.images import image_size
from pet.data.files.json_values import as_number
from pet.data.files.limits import shown
from pet.data.files.opening import read_lines
from pet.data.files.skipped import SkipCounter
from petlib.errors import DataError

BOX = 5
"""Numbers of a line with a box: class, centre, width and height."""

FARTHEST = 2.0
"""Shares of the image that coordinates may be away from it; farther ones are pixels."""

NO_FILE = "image without a file of labels, kept as one without objects"
SHARES = "coordinates of YOLO are shares of the image's width and height, from 0 to 1"


def yolo_tables(data: YoloSet, split: str, reach: Reach = INSIDE) -> CocoTables:
    """Return the images and objects of a split as the tables of a COCO file.

    The id of an image is its path, that of a category the number of its class. A line of a file of labels is one object: ``class x y
    width height`` with the centre of its box, that and keypoints, or ``class x y x y x y ...``, its outline, whose bounds are its box.

    Args:
        data: the data set.
        split: ``train``, ``val`` or ``test``.
        reach: where the paths of its files may lead.

    Raises:
        DataError: there are no images, none of them has labels, or a line is wrong (with file and line).
    """
    skipped = SkipCounter(data.path)
    images = [_image_row(data, name) for name in data.images_of(split, reach, skipped)]
    annotations: list[Any] = []
    for row in images:
        labels = data.root / label_file(row["file_name"])
        if not labels.is_file():
            skipped.add(NO_FILE, row["file_name"])
            continue
        for place, numbers in _lines(labels, len(data.classes)):
            annotations.append({"id": len(annotations) + 1, "image_id": row["id"], **_object(data, numbers, row, place)})
    if skipped.counts.get(NO_FILE) == len(images):
        expected = data.root / label_file(images[0]["file_name"])
        raise DataError(f"{data.path}: none of the {len(images)} images of {split!r} has a file of labels; {expected} expected, for one")
    skipped.log()
    categories = [_category_row(data, number, name) for number, name in enumerate(data.classes)]
    return CocoTables(data.path, images, annotations, categories, {}, annotated=True)


def _image_row(data: YoloSet, name: str) -> dict[str, Any]:
    height, width = image_size(data.root / name)
    return {"id": name, "file_name": name, "height": height, "width": width}


def _category_row(data: YoloSet, number: int, name: str) -> dict[str, Any]:
    return {"id": number, "name": name, **({"keypoints": [*data.keypoints]} if data.keypoints else {})}


def _lines(path: Path, classes: int) -> Iterator[tuple[str, list[float]]]:
    """Yield place and numbers of each line of a file of labels, the class first."""
    for number, text in read_lines(path, what="the file of labels"):
        place = f"{path}:{number}"
        values = [as_number(word) for word in text.split()]
        numbers = [value for value in values if value is not None]
        if len(numbers) < len(values) or len(numbers) < BOX:
            raise DataError(f"{place}: {shown(text)} given, 'class x y width height' in numbers expected")
        if not numbers[0].is_integer() or not 0 <= numbers[0] < classes:
            raise DataError(f"{place}: the class {numbers[0]:g} given, a number from 0 to {classes - 1} expected, the place in 'names'")
        far = next((value for value in numbers[1:] if abs(value) > FARTHEST), None)
        if far is not None:
            raise DataError(f"{place}: the number {far:g} given; {SHARES}")
        yield place, [float(value) for value in numbers]


def _object(data: YoloSet, numbers: Sequence[float], image: dict[str, Any], place: str) -> dict[str, Any]:
    """Return the entries of an annotation, in pixels."""
    scale = image["width"], image["height"]
    found: dict[str, Any] = {"category_id": int(numbers[0]), "iscrowd": 0}
    expected = BOX + len(data.keypoints) * data.keypoint_size
    if len(numbers) == BOX or (data.keypoints and len(numbers) == expected):
        keypoints = _keypoints(numbers[BOX:], data.keypoint_size, scale)
        return {**found, "bbox": _box(numbers[1:BOX], scale), **({"keypoints": keypoints} if keypoints else {})}
    if data.keypoints:
        raise DataError(f"{place}: {len(numbers)} numbers given, {expected} expected: class, box and {len(data.keypoints)} keypoints")
    if len(numbers) % 2 == 0 or len(numbers) < 7:
        raise DataError(f"{place}: {len(numbers)} numbers given; 5 of a box, or the class and x and y of at least 3 points expected")
    polygon = [value * scale[number % 2] for number, value in enumerate(numbers[1:])]
    left, top, right, bottom = min(polygon[::2]), min(polygon[1::2]), max(polygon[::2]), max(polygon[1::2])
    return {**found, "bbox": [left, top, right - left, bottom - top], "segmentation": [polygon]}


def _box(numbers: Sequence[float], scale: tuple[int, int]) -> list[float]:
    x, y, width, height = numbers
    return [(x - width / 2) * scale[0], (y - height / 2) * scale[1], width * scale[0], height * scale[1]]


def _keypoints(numbers: Sequence[float], size: int, scale: tuple[int, int]) -> list[float]:
    """Return x, y and visibility of each keypoint; without visibilities those at (0, 0) are not there."""
    found: list[float] = []
    for start in range(0, len(numbers), size or 1):
        x, y = numbers[start : start + 2]
        visible = numbers[start + 2] if size == 3 else 2.0 * ((x, y) != (0, 0))
        found += [x * scale[0], y * scale[1], float(min(visible, 2))]
    return found


def build_yolo(source: Source) -> CocoDataset:
    """Return the split ``source.split`` of the data set whose ``data.yaml``, or its folder, is ``source.path``."""
    data = read_yolo_file(source.path, source.reach)
    flip = None if data.flip is None else [(place, other) for place, other in enumerate(data.flip) if place < other]
    return CocoDataset(
        images=data.root,
        annotations=data.path,
        tables=lambda: yolo_tables(data, source.split, source.reach),
        classes=source.classes,
        kinds=source.kinds,
        reach=source.reach,
        flip_pairs=source.flip_pairs if source.flip_pairs is not None else flip,
    )
