"""A text file with an image and a label in each line."""

import csv
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pet.data.catalog.source import Source
from pet.data.files.allowed_paths import INSIDE, Reach
from pet.data.files.images import read_image
from pet.data.files.opening import LONGEST_NAME, read_file, read_text
from pet.data.files.path_variants import PathVariants
from pet.data.files.plain_lists import PlainRows, scan
from pet.data.files.skipped import SkipCounter
from pet.data.targets.dataset import Dataset, DatasetInfo
from petlib.data.records import share_arrays, share_records
from petlib.errors import DataError
from petlib.suggest import counted, shortened

WHOLE_NUMBER = re.compile(r"-?\d+")
LIST, LINES = "the list file", "; its lines are 'image label'"
"""What a list is called in messages, and what they say at their end."""
OTHER_LABEL = "image that an earlier line gives another label, kept as it is; at most one of them can be right"
GREATEST_LABEL = 9_999_999
MOST_DIGITS = 18
HEADINGS = (
    ("image", "images", "img", "file", "filename", "file name", "path", "filepath", "image path", "image name", "image file"),
    ("label", "labels", "class", "classes", "category", "target", "class name", "label name"),
)
"""What the columns of images and of labels are called, in lower case, with blanks in place of ``_`` and ``-``."""

logger = logging.getLogger(__name__)


class ListFile(Dataset):
    """Images named in a text file: lines ``path label``, separated by a tab, a comma, or the last blank of the line.

    A ``.csv`` file may quote its fields and begin with a heading, a row that names no image. Where it names one column of images and one
    of labels (``HEADINGS``), these are read, whatever their order and number; else there are two columns in this order. Labels are
    numbers from 0, or names of classes. Empty lines and lines that begin with ``#`` are skipped.

    Args:
        path: the file. Paths of images are relative to its folder.
        classes: names of the classes in the order of labels that are numbers; None: these have none. Labels that are names are sorted.
        reach: where the names of images may lead.
        reports: log what is odd about the list.

    Attributes:
        numeric: labels are numbers.

    Raises:
        DataError: the file is missing or empty, or a line is wrong or leads elsewhere (with its number).
    """

    def __init__(self, *, path: Path, classes: list[str] | None = None, reach: Reach = INSIDE, reports: bool = True) -> None:
        self.path = path
        self._contradictions = SkipCounter(path)
        self._records, labels = self._read(reach, reports)
        if reports:
            self._contradictions.log()
        self.numeric = all(isinstance(label, int) for label in labels)
        if reports and self.numeric and 0 not in labels:
            logger.warning(
                "%s: no line has the label 0, and labels count the classes from 0; if the first class is 1 here, "
                "subtract 1 from every label, or write names of classes",
                path,
            )
        self._classes = classes if classes and self.numeric else _numbered(labels) if self.numeric else sorted(map(str, labels))
        self._places = {name: place for place, name in enumerate(self._classes)}
        self.info = DatasetInfo(
            kinds=frozenset({"label"}),
            classes=self._classes,
            numbered=self.numeric and not classes,
            first_label=min(map(int, labels)) if self.numeric else 0,
            skipped=self._contradictions.counts,
        )
        if classes and self.numeric:
            self._check_numbers()

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> dict[str, Any]:
        name, label, line = self._records[index]
        path = self.path.parent / name
        image = read_image(path, record=f"{self.path}:{line}")
        return {"image": image, "label": self._number(label), "meta": {"id": index, "file": str(path)}}

    def labels_of(self, index: int) -> np.ndarray:
        """Return the class of an image."""
        _, label, _ = self._records[index]
        return np.array([self._number(label)], np.int64)

    def _number(self, label: int | str) -> int:
        return label if isinstance(label, int) else self._places[label]

    def file_of(self, index: int) -> str:
        """Return the file of a sample's image, without reading it."""
        name, *_ = self._records[index]
        return str(self.path.parent / name)

    @property
    def names(self) -> list[str]:
        """The images, relative to the folder of the list."""
        return [name for name, *_ in self._records]

    def _read(self, reach: Reach, reports: bool) -> tuple[Sequence[tuple[str, int | str, int]], set[int | str]]:
        """Return image, label and number of each line, and the labels that occur."""
        arrays = share_arrays(lambda: _scan(self.path))
        if arrays:
            rows = PlainRows(arrays)
            return rows, rows.labels
        records = share_records(lambda: _read_lines(self.path, reach, reports))
        return records, self._labels_of_all(records)

    def _labels_of_all(self, records: Sequence[tuple[str, int | str, int]]) -> set[int | str]:
        """Return the labels that occur, all of one kind."""
        labels = set()
        _, first, first_line = records[0]
        label_of: dict[str, int | str] = {}
        for name, label, line in records:
            if isinstance(label, int) != isinstance(first, int):
                raise DataError(
                    f"{self.path}:{line}: the label {label!r} of {name}, but {first!r} in line {first_line}: "
                    "labels are either all numbers or all names of classes; there is no line of headings"
                )
            if isinstance(label, int) and not 0 <= label <= GREATEST_LABEL:
                raise DataError(
                    f"{self.path}:{line}: the label {label} of {name}: labels count the classes from 0 (at most {GREATEST_LABEL}); "
                    "give names in this column where they do not"
                )
            labels.add(label)
            if label_of.setdefault(name, label) != label:
                self._contradictions.add(OTHER_LABEL, f"line {line}: {name} is {label_of[name]!r} and {label!r}")
        return labels

    def _check_numbers(self) -> None:
        logger.info("%s: the labels are numbers: 0 is %s, in the order of Source.classes", self.path, self._classes[0])
        count = len(self._classes)
        for name, label, line in self._records.numbered_from(count) if isinstance(self._records, PlainRows) else self._records:
            if label not in range(count):
                first = self.info.first_label
                cause = f"; no line has the label 0: subtract {first} from every label, or write names of classes" if first else ""
                raise DataError(
                    f"{self.path}:{line}: the label {label!r} of {name} is none of the {counted(count, 'class')} "
                    f"({_few(self._classes)}){cause}"
                )


def _numbered(labels: set[int | str]) -> list[str]:
    return [str(number) for number in range(max(map(int, labels)) + 1)]


def _few(names: list[str]) -> str:
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")


def _scan(path: Path) -> Mapping[str, np.ndarray]:
    """Return what a list holds whose lines are plain, else nothing: it is read line by line then, and what is wrong is reported."""
    if path.suffix.lower() == ".csv":
        return {}
    return scan(read_file(path, what=LIST, hint=LINES), path.parent.absolute().parts) or {}


def _read_lines(path: Path, reach: Reach, reports: bool) -> Iterator[tuple[str, int | str, int]]:
    """Yield image, label and line number."""
    empty = True
    variants = PathVariants(path.parent)
    text = read_text(path, what=LIST, hint=LINES).removeprefix("\ufeff")
    for number, line, fields in _rows_of_csv(path, text, reports) if path.suffix.lower() == ".csv" else _rows_of_text(text):
        if len(fields) != 2 or not all(fields):
            raise DataError(f"{path}:{number}: {shortened(line)!r} given, 'image label' expected (separated by a tab, a comma or a blank)")
        empty = False
        label = fields[1]
        image = variants.find(fields[0], f"{path}:{number}")
        reach.check(image, path.parent, f"{path}:{number}")
        is_number = WHOLE_NUMBER.fullmatch(label)
        if len(label) > (MOST_DIGITS if is_number else LONGEST_NAME):
            raise DataError(f"{path}:{number}: the label {shortened(label)!r} is too long")
        yield image, int(label) if is_number else label, number
    if empty:
        raise DataError(f"{path}: the list file names no images; its lines are 'image label'")
    if reports:
        variants.log()


def _rows_of_text(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yield number, text and fields of each line that says something."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line.strip(), _split(line.strip())


def _rows_of_csv(path: Path, text: str, reports: bool) -> Iterator[tuple[int, str, list[str]]]:
    """Yield the same of each row but the heading; a comma, a semicolon or a tab separates the fields, and quotes keep them together."""
    lines = text.splitlines()
    most = {separator: max(map(len, csv.reader(lines[:1], delimiter=separator)), default=0) for separator in ",;\t"}
    # two columns where one of them makes two, else as many as there are
    rows = csv.reader(lines, delimiter=max(most, key=lambda separator: (most[separator] == 2, most[separator])), skipinitialspace=True)
    columns: tuple[int, int] | None = None
    width = 0
    try:
        for fields in rows:
            stripped = [field.strip() for field in fields]
            if not any(stripped) or stripped[0].startswith("#"):
                continue
            named = _columns(stripped) if rows.line_num == 1 else None
            if named or (rows.line_num == 1 and not Path(stripped[0]).suffix and not (path.parent / stripped[0]).exists()):
                if reports:
                    logger.info("%s: the heading %s is no image and is skipped", path, ", ".join(stripped))
                columns, width = named, len(stripped)
            else:
                if columns and len(stripped) == width:
                    stripped = [stripped[column] for column in columns]
                yield rows.line_num, lines[rows.line_num - 1], stripped
    except csv.Error as error:
        raise DataError(f"{path}:{rows.line_num}: not a CSV file: {error}") from error


def _columns(heading: list[str]) -> tuple[int, int] | None:
    """Return the columns of images and labels where a heading names just one of each."""
    names = [re.sub(r"[\s_-]+", " ", name).lower() for name in heading]
    found = [[column for column, name in enumerate(names) if name in known] for known in HEADINGS]
    return (found[0][0], found[1][0]) if len(found[0]) == len(found[1]) == 1 else None


def _split(line: str) -> list[str]:
    for separator in ("\t", ","):
        if separator in line:
            return [field.strip() for field in line.split(separator)]
    return re.split(r"\s+(?=\S+$)", line)


def names_in_list(path: Path, reach: Reach) -> list[str] | int:
    """Return the names of the classes of a list file, or where labels are numbers how many there are.

    Raises:
        DataError: see :class:`ListFile`.
    """
    # the data set itself reports what is odd, when it is built
    info = ListFile(path=path, reach=reach, reports=False).info
    return info.num_classes if info.numbered else list(info.classes)


def build_list_file(source: Source) -> ListFile:
    """Return the list that a source names."""
    return ListFile(path=source.path, classes=source.classes, reach=source.reach)
