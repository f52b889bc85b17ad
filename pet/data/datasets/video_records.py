"""What lists, class folders and annotation files say of videos: which ones there are, and their classes."""

import csv
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pet.data.catalog.source import Source
from pet.data.files.allowed_paths import Reach
from pet.data.files.json_files import read_json
from pet.data.files.listing import class_folders_of_videos, files_below
from pet.data.files.opening import read_text
from pet.data.files.skipped import SkipCounter
from pet.data.files.videos import VIDEO_SUFFIXES
from petlib.errors import DataError
from petlib.suggest import shortened

WHOLE_NUMBER = re.compile(r"\d{1,7}")
UCF_SPLIT = re.compile(r"(train|test)([123]?)")
MISSING = "video that is listed and missing"


class VideoRecord(NamedTuple):
    """A video of a data set.

    Attributes:
        path: file, or folder of frames, from the folder that they all start from.
        labels: its classes, by number from 0 or by name.
        line: where a list has it; 0: no list.
        first: number of the first image of a folder of frames.
        frames: how many images it has; 0: a video file.
    """

    path: str
    labels: tuple[int | str, ...]
    line: int = 0
    first: int = 0
    frames: int = 0


Records = Iterator[VideoRecord | dict[str, int]]
"""Videos, and last what was left out, reason -> how often."""


def in_class_folders(root: Path) -> Records:
    """Yield the videos below ``root/<class>/``, sorted.

    Raises:
        DataError: the folder is missing or has no class folders, or a class has no videos.
    """
    skipped = SkipCounter(root)
    for name in class_folders_of_videos(root):
        found = _files(root / name, skipped)
        if not found:
            endings = ", ".join(VIDEO_SUFFIXES)
            raise DataError(
                f"{root / name}: the class {name!r} has no videos ({endings}); remove the folder or fill it{skipped.described()}"
            )
        yield from (VideoRecord(os.path.relpath(path, root), (name,)) for path in sorted(found))
    skipped.log()
    yield skipped.counts


def in_video_list(path: Path, separator: str, reach: Reach, root: Path) -> Records:
    """Yield the videos of lines ``path label [label ...]``: labels are numbers from 0, or one name.

    Raises:
        DataError: the list is missing or empty, or a line is wrong or leads elsewhere.
    """
    for number, fields in _rows(path, separator):
        count = next((place for place, field in enumerate(reversed(fields)) if not WHOLE_NUMBER.fullmatch(field)), len(fields))
        labels: tuple[int | str, ...] = tuple(map(int, fields[-count:])) if count else (fields[-1],)
        name = separator.join(fields[: len(fields) - len(labels)])
        if not name:
            raise DataError(
                f"{path}:{number}: {shortened(separator.join(fields))!r} given, 'path label' or 'path label label ...' expected"
            )
        reach.check(name, root, f"{path}:{number}")
        yield VideoRecord(name, labels, number)
    yield {}


def in_frame_list(path: Path, separator: str, reach: Reach, root: Path, first: int) -> Records:
    """Yield the folders of lines ``folder total label`` or ``folder offset total label``.

    Args:
        path: the list.
        separator: of the fields.
        reach: where the names of folders may lead.
        root: where they start from.
        first: number of the first image of a folder; an offset is added.

    Raises:
        DataError: the list is missing or empty, or a line is wrong or leads elsewhere.
    """
    for number, fields in _rows(path, separator):
        numbers = fields[1:-1]
        if len(fields) not in (3, 4) or not all(map(WHOLE_NUMBER.fullmatch, numbers)) or int(numbers[-1]) < 1:
            raise DataError(
                f"{path}:{number}: {shortened(separator.join(fields))!r} given, 'folder total label' or 'folder offset total label' "
                "expected, with a total from 1 on"
            )
        reach.check(fields[0], root, f"{path}:{number}")
        label = int(fields[-1]) if WHOLE_NUMBER.fullmatch(fields[-1]) else fields[-1]
        offset = int(numbers[0]) if len(numbers) == 2 else 0
        yield VideoRecord(fields[0], (label,), number, first + offset, int(numbers[-1]))
    yield {}


def in_ucf101(source: Source) -> Records:
    """Yield the videos of a split of UCF101's own files, ``classInd.txt`` and ``trainlist01.txt`` to ``testlist03.txt``.

    Source: https://www.crcv.ucf.edu/data/UCF101.php. The split ``train`` is ``train1``, and ``test`` is ``test1``.

    Raises:
        DataError: a file is missing, or a line names no class of ``classInd.txt``; there is no such split.
    """
    folder, split = source.annotations or source.path, UCF_SPLIT.fullmatch(source.split)
    if split is None:
        raise DataError(f"ucf101: the split {source.split!r} given; train1 to train3 and test1 to test3 expected")
    classes = ucf101_classes(folder)
    path = folder / f"{split[1]}list0{split[2] or 1}.txt"
    for number, fields in _rows(path, " "):
        name = fields[0].replace("\\", "/")
        label = name.partition("/")[0]
        if label not in classes:
            raise DataError(f"{path}:{number}: the class {label!r} of {shortened(fields[0])} is none of {folder / 'classInd.txt'}")
        source.reach.check(name, source.path, f"{path}:{number}")
        yield VideoRecord(name, (label,), number)
    yield {}


def ucf101_classes(folder: Path) -> list[str]:
    """Return the classes that ``classInd.txt`` numbers from 1.

    Raises:
        DataError: the file is missing, or its lines are not ``1 ApplyEyeMakeup``.
    """
    path = folder / "classInd.txt"
    rows = [fields for _, fields in _rows(path, " ")]
    if [fields[0] for fields in rows] != [str(place) for place in range(1, len(rows) + 1)] or any(len(fields) != 2 for fields in rows):
        raise DataError(f"{path}: lines '1 ApplyEyeMakeup', '2 ApplyLipstick', ... expected")
    return [fields[1] for fields in rows]


def in_something(source: Source) -> Records:
    """Yield the videos of a JSON file of Something-Something, ``[{"id": "78687", "template": "Holding [something]"}, ...]``.

    Source: https://www.qualcomm.com/developer/software/something-something-v-2-dataset. The videos are ``<id>.webm`` in ``source.path``.

    Raises:
        DataError: the file is missing, or an entry has no id or no template.
    """
    path = source.annotations or source.path
    entries = read_json(path, what="the annotation file")
    if not isinstance(entries, list):
        raise DataError(f"{path}: a list of videos expected, each with id and template")
    for place, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("template"), str) or not str(entry.get("id", "")):
            raise DataError(f"{path}: entry {place} has no id or no template; files of videos without classes can only be predicted on")
        name = f"{entry['id']}.webm"
        source.reach.check(name, source.path, f"{path}: entry {place}")
        yield VideoRecord(name, (entry["template"].replace("[", "").replace("]", ""),))
    yield {}


def something_classes(annotations: Path) -> list[str]:
    """Return the classes of ``labels.json`` next to an annotation file, ``{"Holding something": "41", ...}``, by their numbers.

    Raises:
        DataError: the file is missing, or its numbers are not 0, 1, 2, ...
    """
    path = annotations.parent / "labels.json"
    table = read_json(path, what="the list of classes")
    names = sorted(table, key=lambda name: int(table[name])) if _is_numbering(table) else []
    if not names or [int(table[name]) for name in names] != list(range(len(names))):
        raise DataError(f"{path}: names of classes with the numbers 0, 1, 2, ... expected")
    return names


def _is_numbering(table: object) -> bool:
    return isinstance(table, dict) and all(str(value).isdecimal() for value in table.values())


def in_kinetics(source: Source) -> Records:
    """Yield the videos of a CSV file of Kinetics that are there, ``<id>_<start>_<end>.mp4`` in any folder below ``source.path``.

    The columns are ``label,youtube_id,time_start,time_end,split``. Copies of Kinetics lack some of the videos: these are counted.

    Raises:
        DataError: the file is missing or has other columns, or none of its videos is there.
    """
    path, folder = source.annotations or source.path, source.path
    skipped, found = SkipCounter(path), 0
    rows = csv.DictReader(read_text(path, what="the annotation file").splitlines())
    lacking = {"label", "youtube_id", "time_start", "time_end"} - set(rows.fieldnames or ())
    if lacking:
        raise DataError(f"{path}: no column {', '.join(sorted(lacking))}; label, youtube_id, time_start and time_end expected")
    present = {Path(file).stem: os.path.relpath(file, folder) for file in _files(folder, SkipCounter(folder))}
    for row in rows:
        try:
            stem = f"{row['youtube_id']}_{int(float(row['time_start'])):06}_{int(float(row['time_end'])):06}"
        except (TypeError, ValueError):
            raise DataError(f"{path}:{rows.line_num}: the times {row['time_start']!r} and {row['time_end']!r} are no numbers") from None
        name = present.get(stem)
        if name is None:
            skipped.add(MISSING, stem)
        else:
            found += 1
            yield VideoRecord(name, (row["label"],), rows.line_num)
    if not found:
        raise DataError(f"{path}: none of its videos is below {folder}{skipped.described()}")
    skipped.log()
    yield skipped.counts


def _files(folder: Path, skipped: SkipCounter) -> list[str]:
    """Return the videos below a folder."""
    return [os.path.join(parent, name) for parent, names in files_below(folder, VIDEO_SUFFIXES, skipped) for name in names]  # noqa: PTH118 -- many files


def _rows(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield number and fields of each line that says something.

    Raises:
        DataError: there is none, or a line has one field where ``separator`` is given.
    """
    empty = True
    text = read_text(path, what="the list file")
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            empty = False
            used = next((mark for mark in "\t," if mark in line), " ") if separator == " " else separator
            yield number, [field.strip() for field in (line.split() if used == " " else line.split(used))]
    if empty:
        raise DataError(f"{path}: the list names no videos")


def class_names(records: Sequence[VideoRecord], path: Path) -> list[str] | int:
    """Return the names of the classes that occur, sorted, or where labels are numbers how many there are.

    Raises:
        DataError: some are numbers and some are names.
    """
    labels = {label for record in records for label in record.labels}
    numbers = [label for label in labels if isinstance(label, int)]
    if numbers and len(numbers) < len(labels):
        odd = next(record for record in records if not isinstance(record.labels[0], int))
        raise DataError(f"{path}:{odd.line}: the label {odd.labels[0]!r} of {odd.path} is a name, and others are numbers; give one of both")
    return max(numbers) + 1 if numbers else sorted(map(str, labels))
