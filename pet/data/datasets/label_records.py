"""An explicit list of images, or pairs of dates, and their label images."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pet.data.catalog.source import WHOLE, Reading, Source
from pet.data.datasets.labelled_images import Folders, LabelledFiles, LabelledImages, coding_of, identifier
from pet.data.files.allowed_paths import ANYWHERE, Reach
from pet.data.files.json_files import read_json
from pet.data.files.limits import shown
from pet.data.files.opening import LONGEST_NAME, neighbour
from pet.data.files.path_variants import PathVariants
from pet.data.targets.label_coding import check_named
from petlib.errors import DataError
from petlib.suggest import did_you_mean, shortened

FIELDS = ("img", "img2", "ann")
FORMAT = '{"img": "a.png", "ann": "a_label.png"}, of pairs with "img2" as well'


class LabelRecords(LabelledImages):
    """Images named by records ``{"img": ..., "img2": ..., "ann": ...}``; pairs of dates have ``img2``.

    Args:
        records: the records.
        root: where their paths start from.
        name: what the list is called in messages.
        classes: names of the classes in the order of their numbers.
        reading: how the files are read.
        channels: channels that every image has to have; None: any number.
        kinds: kinds of targets that are requested: ``semseg`` is what there is.
        reach: where the paths may lead; anywhere, where a program gives them.

    Raises:
        ConfigError: ``reading`` does not fit the classes.
        DataError: there are no records, one is wrong or names a missing file (with its number, from 0), or another kind is requested.
    """

    def __init__(
        self,
        *,
        records: Sequence[Mapping[str, str | Path]],
        root: Path = Path(),
        name: str = "records",
        classes: list[str],
        reading: Reading = WHOLE,
        channels: int | None = None,
        kinds: frozenset[str] | None = None,
        reach: Reach = ANYWHERE,
    ) -> None:
        super().__init__(
            files=lambda: _check_records(records, root, name, reach),
            folders=Folders.same(root),
            coding=coding_of(classes, reading),
            reading=reading,
            channels=channels,
            kinds=kinds,
        )


def _check_records(records: Sequence[Mapping[str, Any]], root: Path, name: str, reach: Reach) -> Iterator[LabelledFiles | dict[str, int]]:
    if not records:
        raise DataError(f"{name}: there are no records; one looks like {FORMAT}")
    seen: set[str] = set()
    has_pairs = False
    variants = PathVariants(root)
    for number, record in enumerate(records):
        place = f"{name}: record {number}"
        paths = {field: variants.find(path, place) if path else "" for field, path in _check_record(record, place).items()}
        has_pairs = has_pairs if number else bool(paths["img2"])
        if bool(paths["img2"]) != has_pairs:
            raise DataError(
                f"{name}: record {number}: {'no ' if has_pairs else ''}img2 here, other than in record 0; all are pairs or none"
            )
        for path in filter(None, paths.values()):
            reach.check(path, root, f"{name}: record {number}")
        missing = [path for path in paths.values() if path and not os.path.isfile(root / path)]  # noqa: PTH113 -- takes names of any length
        if missing:
            below = f" below {root}" if root != Path() else ""
            hint = neighbour(str(root / missing[0]))
            raise DataError(f"{name}: record {number}: {shortened(missing[0])}: there is no such file{below}{hint}")
        yield LabelledFiles(identifier(paths["img"], root, seen), paths["img"], paths["ann"], paths["img2"])
    variants.log()
    yield {}


def _check_record(record: object, place: str) -> dict[str, str]:
    if not isinstance(record, Mapping):
        raise DataError(f"{place}: {shown(record)} given, {FORMAT} expected")
    unknown = [str(key) for key in record if key not in FIELDS]
    if unknown:
        meant = did_you_mean(unknown[0][:LONGEST_NAME], FIELDS)
        raise DataError(f"{place}: unknown entry {shown(unknown[0])}{meant}; there are {', '.join(FIELDS)}")
    given = {field: "" if record.get(field) is None else record[field] for field in FIELDS}
    paths = {field: str(value) for field, value in given.items() if isinstance(value, str | Path)}
    if len(paths) < len(FIELDS) or not paths["img"] or not paths["ann"]:
        raise DataError(f"{place}: {shown(dict(record))} given, {FORMAT} expected")
    return paths


def _read_records(path: Path) -> list[Any]:
    records = read_json(path, what="the list of records")
    if not isinstance(records, list):
        raise DataError(f"{path}: a JSON {type(records).__name__} given, a list of records like {FORMAT} expected")
    return records


def build_label_records(source: Source) -> LabelRecords:
    """Return the records of the JSON file ``source.path``, whose paths start from its folder.

    Raises:
        DataError: it has no classes, or see :class:`LabelRecords`.
    """
    classes = check_named(source.classes, source.path)
    return LabelRecords(
        records=_read_records(source.path),
        root=source.path.parent,
        name=str(source.path),
        classes=classes,
        reading=source.reading,
        channels=source.channels,
        kinds=source.kinds,
        reach=source.reach,
    )
