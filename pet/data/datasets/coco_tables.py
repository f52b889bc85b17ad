"""The tables of a COCO file, and which of its categories is which class."""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from pet.data.files.allowed_paths import Reach
from pet.data.files.json_files import read_json
from pet.data.files.json_values import as_whole_number
from pet.data.files.limits import LONGEST_PATH, check_pixels, shown
from pet.data.files.opening import is_name, read_file
from pet.data.files.path_variants import PathVariants
from petlib.errors import DataError
from petlib.suggest import did_you_mean, shortened

MOST_KEYS = 20
GREATEST_ID = 2**63 - 1
TABLES = ("images", "annotations", "categories")
HINT = ". Paths of the catalogue start from Source.root"


class CocoTables(NamedTuple):
    """What a COCO file holds.

    Attributes:
        path: the file.
        images: rows with ``id``, ``file_name``, ``height`` and ``width``.
        annotations: rows of the file, not checked.
        categories: rows with ``id`` and ``name``, sorted by id.
        pet: our own extension, which names label images; empty where there is none.
        annotated: the file has a list of annotations; those of public tests have none.
    """

    path: Path
    images: list[dict[str, Any]]
    annotations: list[Any]
    categories: list[dict[str, Any]]
    pet: dict[str, Any]
    annotated: bool


def read_tables(path: Path, images_folder: Path, reach: Reach) -> CocoTables:
    """Return the tables of the file (https://cocodataset.org/#format-data), images and categories checked.

    Numbers that a program wrote as another type, 3.0 or "3" for 3, are whole numbers in the rows then; an image whose id is text keeps it.

    Args:
        path: the file.
        images_folder: the folder that the names of images start from.
        reach: where they may lead.

    Raises:
        DataError: the file is missing, no JSON or no COCO file, has no images, or has rows with missing or doubled entries.
    """
    content = _load(path)
    annotated = "annotations" in content
    content.setdefault("annotations", [])
    missing = [name for name in TABLES if not isinstance(content.get(name), list)]
    if missing:
        found = ", ".join(map(shortened, list(content)[:10])) or "nothing"
        raise DataError(f"{path}: not a COCO file: the list {missing[0]!r} is missing; the file has {found}")
    images, annotations, categories = (content[name] for name in TABLES)
    if not images:
        raise DataError(f"{path}: the COCO file lists no images")
    pet = content.get("pet", {})
    if not isinstance(pet, dict):
        raise DataError(f"{path}: 'pet' is a {type(pet).__name__}, names with values expected")
    _check_images(path, images, images_folder, reach)
    _check_categories(path, categories)
    for row in annotations:
        if isinstance(row, dict) and "category_id" in row:
            _make_whole(row, "category_id")
    return CocoTables(path, images, annotations, sorted(categories, key=lambda row: int(row["id"])), pet, annotated)


def choose_classes(tables: CocoTables, classes: Sequence[str] | None) -> list[dict[str, Any]]:
    """Return the categories in the order of the labels: those called ``classes`` as far as there are such, all by id where that is None.

    Raises:
        DataError: the file has none of them.
    """
    by_name = {row["name"]: row for row in tables.categories}
    chosen = [by_name[name] for name in classes if name in by_name] if classes else tables.categories
    if not chosen:
        names, wanted = list(by_name), list(classes or ())
        raise DataError(
            f"{tables.path}: none of the classes {', '.join(wanted[:MOST_KEYS])} is a category of this file"
            f"{did_you_mean(wanted[0], names)}; it has {', '.join(names[:MOST_KEYS])}{', ...' if len(names) > MOST_KEYS else ''}"
        )
    return chosen


def category_names(path: Path) -> list[str]:
    """Return the names of the categories of a COCO file by id, without reading its images and annotations where that can be.

    Raises:
        DataError: the file cannot be read, or its categories cannot be used.
    """
    data = read_file(path, what="the COCO file", hint=HINT)
    place = data.rfind(b'"categories"')
    start = data.find(b"[", place)
    rows: Any = None
    with suppress(ValueError):
        rows, _ = json.JSONDecoder().raw_decode(data[start:].decode()) if 0 <= place < start else (None, 0)
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "id" in row for row in rows):
        # the word is in another place as well
        rows = _load(path).get("categories")
    if not isinstance(rows, list):
        raise DataError(f"{path}: not a COCO file: the list 'categories' is missing")
    _check_categories(path, rows)
    return [row["name"] for row in sorted(rows, key=lambda row: int(row["id"]))]


def is_id(value: object) -> bool:
    """Return whether a value can be the id of an image: a whole number that tools for COCO files can hold, or a name."""
    return abs(value) <= GREATEST_ID if type(value) is int else is_name(value)


def _load(path: Path) -> dict[Any, Any]:
    content = read_json(path, what="the COCO file", hint=HINT)
    if not isinstance(content, dict):
        raise DataError(f"{path}: not a COCO file: it holds a {type(content).__name__}, a dictionary with {', '.join(TABLES)} expected")
    return content


def _check_images(path: Path, images: list[Any], folder: Path, reach: Reach) -> None:
    ids: set[int | str] = set()
    variants = PathVariants(folder)
    for place, row in enumerate(images):
        _check_row(path, "images", place, row, ("id", "file_name", "height", "width"))
        _make_whole(row, "height", "width", *(() if isinstance(row["id"], str) else ("id",)))
        where = f"{path}: image {shown(row['id'])}"
        if not is_id(row["id"]):
            raise DataError(f"{where}: a whole number or text expected as its id")
        if not is_name(row["file_name"], longest=LONGEST_PATH):
            raise DataError(f"{where}: its file_name is {shown(row['file_name'])}, the name of a file expected")
        if row["id"] in ids:
            raise DataError(f"{where}: two images have this id; the second is {shortened(row['file_name'])}")
        other_type = _other_type(row["id"])
        if other_type in ids:
            other = shown(other_type)
            raise DataError(f"{where}: another image has the id {other}; which of them an annotation means cannot be known")
        row["file_name"] = variants.find(row["file_name"], where)
        reach.check(row["file_name"], folder, where)
        for key in ("height", "width"):
            if type(row[key]) is not int or row[key] < 1:
                raise DataError(f"{where}: its {key} is {shown(row[key])}, pixels as a whole number from 1 expected")
        check_pixels(row["height"], row["width"], where)
        ids.add(row["id"])
    variants.log()


def _make_whole(row: dict[str, Any], *keys: str) -> None:
    """Turn values that mean whole numbers into such; others stay as they are."""
    for key in keys:
        number = as_whole_number(row[key])
        row[key] = row[key] if number is None else number


def _other_type(image_id: int | str) -> int | str:
    """Return the id with the same digits that is text, or of text the number."""
    number = as_whole_number(image_id)
    return str(image_id) if isinstance(image_id, int) else number if str(number) == image_id and number is not None else image_id


def _check_categories(path: Path, categories: list[Any]) -> None:
    if not categories:
        raise DataError(f"{path}: the COCO file lists no categories")
    ids, names = set(), set()
    for place, row in enumerate(categories):
        _check_row(path, "categories", place, row, ("id", "name"))
        _make_whole(row, "id")
        if type(row["name"]) is int:
            row["name"] = str(row["name"])
        where = f"{path}: category {shown(row['id'])} ({shown(row['name'])})"
        if type(row["id"]) is not int or not is_id(row["id"]) or not is_name(row["name"]):
            raise DataError(f"{where}: a whole number as id and text as name expected")
        if row["id"] in ids or row["name"] in names:
            raise DataError(f"{where}: two categories have this {'id' if row['id'] in ids else 'name'}")
        ids.add(row["id"])
        names.add(row["name"])


def _check_row(path: Path, table: str, place: int, row: object, keys: Sequence[str]) -> None:
    if not isinstance(row, dict):
        raise DataError(f"{path}: {table}[{place}] is a {type(row).__name__}, a dictionary expected")
    missing = [key for key in keys if key not in row]
    if missing:
        raise DataError(
            f"{path}: {table}[{place}] has no {missing[0]!r} (id {shown(row.get('id', 'missing'))}); it has "
            f"{', '.join(map(shortened, list(row)[:MOST_KEYS]))}"
        )
