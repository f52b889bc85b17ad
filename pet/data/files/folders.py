"""Folders of data. Imports nothing slow: settings are derived with it."""

from pathlib import Path

from petlib.errors import DataError


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
