"""Which files and folders lie below a folder. Imports nothing slow: settings are derived with it."""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from petlib.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
"""How the names of image files end."""

MOST_WAYS = 8
"""How many links may lead to one folder. Each doubling of links doubles what is found: forty of them would never end."""

logger = logging.getLogger(__name__)


def files_below(folder: str | Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder below ``folder``, itself first, with the names of its files; links are followed. Folders come in order.

    Raises:
        DataError: links lead in a circle, or more than eight ways lead to one folder.
    """
    ways: Counter[tuple[int, int]] = Counter()
    above: dict[str, frozenset[tuple[int, int]]] = {os.fspath(folder): frozenset()}
    for parent, folders, names in os.walk(folder, followlinks=True, onerror=_report):
        found = os.stat(parent)  # noqa: PTH116 -- many folders
        own, ancestors = (found.st_dev, found.st_ino), above.pop(parent)
        ways[own] += 1
        if own in ancestors:
            raise DataError(f"{parent}: this link leads to a folder that it lies in, so that the files would have no end; remove it")
        if ways[own] > MOST_WAYS:
            raise DataError(f"{parent}: more than {MOST_WAYS} links below {folder} lead to this folder; remove some of them")
        folders.sort()
        above.update(dict.fromkeys((os.path.join(parent, name) for name in folders), ancestors | {own}))  # noqa: PTH118 -- many folders
        yield parent, names


def _report(error: OSError) -> None:
    logger.warning("%s: this folder cannot be read and is left out: %s", error.filename, error.strerror)


def class_folders(folder: Path) -> list[str]:
    """Return the names of the classes, sorted.

    Raises:
        DataError: the folder is missing or has no folders in it.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder}: there is no such folder; an image folder has a folder for each class, e.g. {folder / 'cat' / '1.jpg'}. "
            "Paths of the catalogue start from MISC.DATA_ROOT"
        )
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise DataError(f"{folder}: no class folders in it; an image folder has one for each class, e.g. {folder / 'cat' / '1.jpg'}")
    return names
