"""Which files and folders lie below a folder, and which of them are data. Imports nothing slow: settings are derived with it."""

import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from pet.data.files.skipped import SkipCounter
from petlib.errors import DataError
from petlib.files import not_a_folder

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".gif", ".webp", ".avif", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
)
"""How the names of image files end: all that the decoders read (:data:`pet.data.files.image_size.FORMATS`)."""

USUAL_SUFFIXES = ".jpg, .png, .tif, .bmp, .webp, .gif, .jp2, .avif and the like"
"""For messages."""

SYSTEM = "file or folder of the system (hidden, or a name like Thumbs.db, __MACOSX)"
SYSTEM_NAMES = {
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "#recycle", "$recycle.bin", "lost+found"),
    "system volume information",
}
"""What operating systems and network drives leave behind, in lower case."""

LONGEST_SUFFIX = 6

MOST_WAYS = 8
"""How many links may lead to one folder. Each doubling of links doubles what is found: forty of them would never end."""

logger = logging.getLogger(__name__)


def is_of_system(name: str) -> bool:
    """Return whether a file or folder of this name is the system's: it begins with a dot, or is one of :data:`SYSTEM_NAMES`."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def other_kind(name: str) -> str:
    """Return why a file that ends with none of the expected suffixes is left out."""
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 -- many files
    is_suffix = 1 < len(suffix) <= LONGEST_SUFFIX and suffix[1:].isalnum()
    return f"file of another kind ({suffix if is_suffix else 'without a usual suffix'})"


def files_below(folder: str | Path, suffixes: tuple[str, ...], skipped: SkipCounter) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder below ``folder``, itself first, with the sorted names of its files; links are followed. Folders come in order.

    Args:
        folder: the folder.
        suffixes: how the names of files end, in lower case; case does not count.
        skipped: counts what is left out: what the system left there, and files that end otherwise.

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
        folders[:] = sorted(name for name in folders if not _skips(parent, name, skipped))
        above.update(dict.fromkeys((os.path.join(parent, name) for name in folders), ancestors | {own}))  # noqa: PTH118 -- many folders
        yield parent, _of_kind(parent, names, suffixes, skipped)


def files_in(folder: str | Path, suffixes: tuple[str, ...], skipped: SkipCounter, *, unnoticed: tuple[str, ...] = ()) -> list[str]:
    """Return the sorted names of the files in a folder, without those below it, and count what is left out as :func:`files_below` does.

    Files that end with one of ``unnoticed`` are left out without being counted.
    """
    with os.scandir(folder) as entries:
        found = [entry.name for entry in entries if entry.is_file() or is_of_system(entry.name)]
    names = [name for name in found if is_of_system(name) or not name.lower().endswith(unnoticed)]
    return _of_kind(os.fspath(folder), names, suffixes, skipped)


def _skips(parent: str, name: str, skipped: SkipCounter) -> bool:
    if is_of_system(name):
        skipped.add(SYSTEM, os.path.join(parent, name))  # noqa: PTH118 -- many files
        return True
    return False


def _of_kind(parent: str, names: Iterable[str], suffixes: tuple[str, ...], skipped: SkipCounter) -> list[str]:
    kept = []
    for name in sorted(names):
        if name.lower().endswith(suffixes) and not is_of_system(name):
            kept.append(name)
        elif not _skips(parent, name, skipped):
            skipped.add(other_kind(name), os.path.join(parent, name))  # noqa: PTH118 -- many files
    return kept


def _report(error: OSError) -> None:
    logger.warning("%s: this folder cannot be read and is left out: %s", error.filename, error.strerror)


def class_folders(folder: Path, *, what: str = "an image folder", example: str = "cat/1.jpg") -> list[str]:
    """Return the names of the classes, sorted.

    Args:
        folder: has a folder for each class.
        what: it is called in messages.
        example: of a file in it.

    Raises:
        DataError: the folder is missing or has no folders in it.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder}: {not_a_folder(folder)}; {what} has a folder for each class, e.g. {folder / example}. "
            "Paths of the catalogue start from Source.root"
        )
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not is_of_system(entry.name))
    if not names:
        raise DataError(f"{folder}: no class folders in it; {what} has one for each class, e.g. {folder / example}")
    return names


def class_folders_of_videos(folder: Path) -> list[str]:
    """Return the names of the classes of videos, sorted; see :func:`class_folders`."""
    return class_folders(folder, what="a video folder", example="jump/1.mp4")
