"""Files of folders that belong together by their names, for data sets that say which suffixes count."""

import logging
from collections.abc import Iterable
from pathlib import Path

from petlib.errors import DataError

logger = logging.getLogger(__name__)

MOST_SHOWN = 5


def pair_records(folders: dict[str, Path], suffixes: dict[str, str]) -> list[dict[str, Path]]:
    """Return records ``{"img": ..., "img2": ..., "ann": ...}`` of files with one name without suffix, at any depth of their folders.

    Label images, and images of the second date, without an image are left out and told.

    Args:
        folders: the folder of each field; without ``img2`` samples are single images.
        suffixes: how the files of each field end, e.g. ``.jpg``.

    Raises:
        DataError: a folder is missing or has no such files, or an image has no partner.
    """
    files = {field: _files_below(folder, suffixes[field], field) for field, folder in folders.items()}
    images = files["img"]
    for field in [name for name in files if name != "img"]:
        missing = [stem for stem in images if stem not in files[field]]
        if missing:
            raise DataError(
                f"{folders[field]}: no file {_shown(f'{stem}{suffixes[field]}' for stem in missing)} there for {len(missing)} of the "
                f"{len(images)} images in {folders['img']}; files are paired by their names, or listed in img_ann_mapping_list"
            )
        alone = [stem for stem in files[field] if stem not in images]
        if alone:
            logger.warning("%s: left out, as there is no such image: %s", folders[field], _shown(alone))
    return [{field: found[stem] for field, found in files.items()} for stem in images]


def _files_below(folder: Path, suffix: str, field: str) -> dict[str, Path]:
    """Return name below the folder without suffix -> path, sorted."""
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; {field}_dir has to name one")
    names = sorted(path for path in folder.rglob(f"*{suffix}") if path.is_file() and not path.name.startswith("."))
    if not names:
        raise DataError(f"{folder}: no file in it ends in {suffix!r}; set {'ann' if field == 'ann' else 'img'}_suffix")
    return {path.relative_to(folder).as_posix().removesuffix(suffix): path for path in names}


def _shown(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - MOST_SHOWN} more" if len(every) > MOST_SHOWN else ""
    return ", ".join(every[:MOST_SHOWN]) + more
