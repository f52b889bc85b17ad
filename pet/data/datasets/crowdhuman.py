"""People in crowds, in the files of CrowdHuman (https://www.crowdhuman.org)."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pet.data.catalog.source import Source
from pet.data.datasets.tracked_objects import TrackedHeader, TrackedObjects
from pet.data.files.allowed_paths import Reach
from pet.data.files.images import image_size
from pet.data.files.json_values import as_numbers
from pet.data.files.limits import shown
from pet.data.files.opening import read_lines
from pet.data.files.skipped import SkipCounter
from pet.data.targets.dataset import ImageTruth
from petlib.errors import ConfigError, DataError

PERSON = "person"
BOXES = {"full": "fbox", "visible": "vbox", "head": "hbox"}
EXPECTED = "a line of JSON with ID and gtboxes expected"
NO_AREA = "box without an area"


def read_crowdhuman(images: Path, annotations: Path, *, box: str, classes: list[str], reach: Reach) -> Iterator[ImageTruth | TrackedHeader]:
    """Yield a record for each image, and the header last.

    Each person has an identity of its own, so that embeddings can be learned from single images. What is marked ``mask`` or ``ignore`` is
    crowd.

    Args:
        images: the folder with ``<ID>.jpg``.
        annotations: the file ``.odgt``, a line of JSON for each image.
        box: the key of the boxes.
        classes: the name of the class of people.
        reach: where the ids, which are names of files, may lead.

    Raises:
        DataError: a file is missing or wrong.
    """
    skipped, identities = SkipCounter(annotations), 0
    for number, line in read_lines(annotations, what="the annotations of CrowdHuman"):
        place = f"{annotations}:{number}"
        name, entries = _read_line(line, place)
        reach.check(f"{name}.jpg", images, place)
        path = images / f"{name}.jpg"
        people = [own for entry in entries if (own := _read_person(entry, box, place, skipped)) is not None]
        height, width = image_size(path)
        left_top_extent = np.array([own for own, _ in people], np.float32).reshape(-1, 4)
        crowd = np.array([ignored for _, ignored in people], bool)
        own_identities = np.where(crowd, -1, identities + np.cumsum(~crowd) - 1)
        identities += int((~crowd).sum())
        yield ImageTruth(
            id=name,
            file=str(path),
            height=height,
            width=width,
            boxes=np.concatenate([left_top_extent[:, :2], left_top_extent[:, :2] + left_top_extent[:, 2:]], axis=1),
            labels=np.zeros(len(crowd), np.int64),
            crowd=crowd,
            areas=left_top_extent[:, 2:].prod(axis=1),
            identities=own_identities,
        )
    skipped.log()
    yield TrackedHeader(classes[:1], identities, skipped=skipped.counts)


def _read_line(line: str, place: str) -> tuple[str, list[dict[str, Any]]]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON: {error}; {EXPECTED}") from error
    name, entries = (record.get("ID"), record.get("gtboxes")) if isinstance(record, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DataError(f"{place}: {shown(record)} given, {EXPECTED}")
    return name, entries


def _read_person(entry: dict[str, Any], box: str, place: str, skipped: SkipCounter) -> tuple[list[float], bool] | None:
    """Return left, top, width and height of a person, and whether it is to be ignored; None: it has no area."""
    numbers = as_numbers(entry.get(box))
    extra = entry.get("extra")
    ignored = entry.get("tag") != PERSON or (isinstance(extra, dict) and extra.get("ignore") == 1)
    if numbers is None or len(numbers) != 4 or max(map(abs, numbers)) > 2**24:
        raise DataError(f"{place}: {box} is {shown(entry.get(box))}, four numbers [left, top, width, height] expected")
    if min(numbers[2:]) <= 0:
        skipped.add(NO_AREA, place)
        return None
    return [float(value) for value in numbers], ignored


def build_crowdhuman(source: Source, *, box: str = "full") -> TrackedObjects:
    """Return the images of ``source.path`` with the annotations of ``source.annotations``, e.g. ``annotation_train.odgt``.

    Args:
        source: the place.
        box: ``full``, ``visible`` or ``head``.

    Raises:
        ConfigError: the source names no annotations, or there are no such boxes.
        DataError: files are missing or wrong.
    """
    if source.annotations is None:
        raise ConfigError(f"{source.path}: data of the type crowdhuman need annotations: the path of the file .odgt")
    if box not in BOXES:
        raise ConfigError(f"build_crowdhuman.box: {box!r} given, {', '.join(BOXES)} expected")
    classes = source.classes or [PERSON]
    read = partial(read_crowdhuman, source.path, source.annotations, box=BOXES[box], classes=classes, reach=source.reach)
    return TrackedObjects(read, record=source.annotations.name)
