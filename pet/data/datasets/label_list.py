"""A text file with an image, or a pair of dates, and a label image in each line."""

import os
from collections.abc import Iterator
from pathlib import Path

from pet.data.catalog.source import WHOLE, Reading, Source
from pet.data.datasets.labelled_images import Folders, LabelledFiles, LabelledImages, coding_of, identifier
from pet.data.files.allowed_paths import INSIDE, Reach
from pet.data.files.opening import neighbour, read_lines
from pet.data.files.path_variants import PathVariants
from pet.data.targets.label_coding import check_named
from petlib.errors import ConfigError, DataError
from petlib.suggest import shortened

FORMAT = "'image label' or 'image image2 label'"
LIST_SUFFIX = ".txt"


class LabelList(LabelledImages):
    """Images named in a text file: lines ``img/1.jpg gt/1.png``, or of pairs ``A/1.png B/1.png gt/1.png``.

    Empty lines and lines that begin with ``#`` are skipped.

    Args:
        path: the list file.
        root: where the paths in it start from; None: its folder.
        separator: what separates the fields of a line; with another one than a blank, e.g. a tab or a comma, paths may have blanks.
        classes: names of the classes in the order of their numbers.
        reading: how the files are read.
        channels: channels that every image has to have; None: any number.
        kinds: kinds of targets that are requested: ``semseg`` is what there is.
        reach: where the names of files may lead.

    Raises:
        ConfigError: the separator is empty, or ``reading`` does not fit the classes.
        DataError: the list is missing, empty or no text, a line is wrong, names a missing file or leads elsewhere (with its
            number), or another kind is requested.
    """

    def __init__(
        self,
        *,
        path: Path,
        root: Path | None = None,
        separator: str = " ",
        classes: list[str],
        reading: Reading = WHOLE,
        channels: int | None = None,
        kinds: frozenset[str] | None = None,
        reach: Reach = INSIDE,
    ) -> None:
        if not separator:
            raise ConfigError(f"{path}: the separator '' given, e.g. a blank, a tab or a comma expected")
        folder = path.parent if root is None else root
        super().__init__(
            files=lambda: _read_list(path, folder, separator, reach),
            folders=Folders.same(folder),
            coding=coding_of(classes, reading),
            reading=reading,
            channels=channels,
            kinds=kinds,
        )


def _read_list(path: Path, root: Path, separator: str, reach: Reach) -> Iterator[LabelledFiles | dict[str, int]]:
    expected, first_line = 0, 0
    seen: set[str] = set()
    variants = PathVariants(root)
    for line, found in _read_fields(path, separator):
        fields = [variants.find(field, f"{path}:{line}") for field in found]
        if not first_line:
            expected, first_line = len(fields), line
        if len(fields) != expected:
            raise DataError(
                f"{path}:{line}: {len(fields)} fields, but {expected} in line {first_line}; all samples are single images or pairs"
            )
        for field in fields:
            reach.check(field, root, f"{path}:{line}")
        missing = [field for field in fields if not os.path.isfile(root / field)]  # noqa: PTH113 -- takes names of any length
        if missing:
            hint = neighbour(str(root / missing[0]))
            raise DataError(f"{path}:{line}: {shortened(missing[0])}: there is no such file below {root}{hint}")
        yield LabelledFiles(identifier(fields[0], root, seen), fields[0], fields[-1], fields[1] if len(fields) == 3 else "")
    if not first_line:
        raise DataError(f"{path}: the list file names no images; its lines are {FORMAT}")
    variants.log()
    yield {}


def _read_fields(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield number and fields of each line that is not empty."""
    for number, text in read_lines(path, what="the list file", hint=f"; its lines are {FORMAT}"):
        fields = text.split() if separator == " " else [field.strip() for field in text.split(separator)]
        if len(fields) not in (2, 3) or not all(fields):
            hint = "; paths with blanks need another separator, e.g. a tab" if separator == " " and len(fields) > 3 else ""
            raise DataError(f"{path}:{number}: {shortened(text)!r} given, {FORMAT} expected with {separator!r} between the fields{hint}")
        yield number, fields


def list_path(source: Source) -> Path:
    """Return the list ``source.split`` in or next to the folder ``source.path``."""
    name = source.split if Path(source.split).suffix else source.split + LIST_SUFFIX
    inside, adjacent = source.path / name, source.path.parent / name
    return adjacent if adjacent.is_file() and not inside.is_file() else inside


def build_label_list(source: Source) -> LabelList:
    """Return the list ``source.split`` (``train`` means ``train.txt``) in or next to the folder ``source.path``.

    Raises:
        DataError: it has no classes, or see :class:`LabelList`.
    """
    path = list_path(source)
    return LabelList(
        path=path,
        root=source.path,
        separator=source.separator,
        classes=check_named(source.classes, source.path, path),
        reading=source.reading,
        channels=source.channels,
        kinds=source.kinds,
        reach=source.reach,
    )
