"""What is found in a folder, and how folders and files are named that hold a part of the data."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pet.data.files.listing import is_of_system

Entry = dict[str, Any]
PARTS = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing")}
"""Part of the data -> what folders and files of it are called."""
EXAMINED = 50
"""How many files of a kind are looked at where all are of one kind."""


class FoundData(NamedTuple):
    """Data in a format.

    Attributes:
        format: the format's name, for people.
        entries: part of the data, ``train``, ``val`` or ``test`` -> its entry of the catalogue, with paths relative to the folder.
        evidence: what shows the format, e.g. ``data.yaml``.
    """

    format: str
    entries: dict[str, Entry]
    evidence: str


def part_named(name: str) -> str | None:
    """Return which part of the data the name of a file or folder says, e.g. ``val`` for ``instances_val2017``; None: it says none."""
    words = re.findall(r"[a-z]+", name.lower())
    return next((part for part, names in PARTS.items() if set(names) & set(words)), None)


def folders_of_parts(folder: Path) -> dict[str, Path]:
    """Return part of the data -> the folder in ``folder`` that is called so, e.g. ``val`` -> ``valid``."""
    own = {path.name.lower(): path for path in folders_in(folder)}
    found = {part: next((own[name] for name in names if name in own), None) for part, names in PARTS.items()}
    return {part: path for part, path in found.items() if path is not None}


def folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted, without those of the system."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not is_of_system(path.name))


def files_named(folder: Path, suffixes: Sequence[str] | None = None, *, depth: int = 0) -> list[Path]:
    """Return the files with one of the suffixes (None: all) in a folder, and in its folders down to a depth, sorted."""
    files = [path for path in folder.iterdir() if path.is_file() and not is_of_system(path.name)]
    own = [path for path in files if suffixes is None or path.suffix.lower() in suffixes]
    below = [file for child in folders_in(folder) for file in files_named(child, suffixes, depth=depth - 1)] if depth else []
    return [*sorted(own), *below]


def first_files(folder: Path, suffixes: Sequence[str], count: int = EXAMINED) -> list[Path]:
    """Return up to ``count`` files with one of the suffixes at any depth."""
    return [path for path, _ in zip(_files_below(folder, suffixes), range(count), strict=False)]


def _files_below(folder: Path, suffixes: Sequence[str]) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not is_of_system(name))
        yield from (Path(parent, name) for name in sorted(names) if name.lower().endswith(tuple(suffixes)) and not is_of_system(name))


def _refuse(error: OSError) -> None:
    raise error


def below(path: Path, folder: Path) -> str:
    """Return a path as entries have it: relative to the folder of the data."""
    return path.relative_to(folder).as_posix()
