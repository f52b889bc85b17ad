"""Files of several folders that belong together by their names without suffix."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pet.data.datasets.labelled_images import Folders, LabelledFiles
from pet.data.files.limits import shortened
from pet.data.files.listing import SUFFIXES, USUAL_SUFFIXES, files_below
from pet.data.files.opening import read_text
from pet.data.files.skipped import SkipCounter
from petlib.errors import DataError

LABEL_SUFFIXES = (".png", ".apng", ".bmp", ".dib", ".tif", ".tiff", ".gif", ".pgm", ".pbm", ".pnm")
"""Of images that keep the values of their pixels."""

ALONE = "label image without an image"
SECOND_ALONE = "image of the second date without an image"


def pair_files(
    folders: Folders, *, has_pairs: bool, names: Path | None, label_ending: str = ""
) -> Iterator[LabelledFiles | dict[str, int]]:
    """Yield the files of each sample, at any depth below their folders, and last what was skipped.

    Args:
        folders: the folders.
        has_pairs: there are images of a second date.
        names: text file of the images to take, one name a line, with or without a suffix; None: all.
        label_ending: what names of label images have behind those of the images, before the suffix.

    Raises:
        DataError: a folder is missing or empty, two files have one name, or an image has no partner.
    """
    skipped = SkipCounter(folders.labels)
    images = _files_below(folders.images, SUFFIXES, "images", skipped)
    labels = _without_ending(_files_below(folders.labels, LABEL_SUFFIXES, "label images", skipped), label_ending)
    seconds = _files_below(folders.images2, SUFFIXES, "images of the second date", skipped) if has_pairs else {}
    chosen = sorted(images) if names is None else _read_names(names)
    # names of a list may have the dots of a suffix, which names of files lost
    stems = [name if name in images else os.path.splitext(name)[0] for name in chosen]  # noqa: PTH122 -- many names
    _check_complete(stems, images, str(names), f"no image in {folders.images}")
    _check_complete(stems, labels, str(folders.labels), f"no label image there, but an image in {folders.images}")
    if has_pairs:
        _check_complete(stems, seconds, str(folders.images2), f"no image of the second date there, but an image in {folders.images}")
    if names is None:
        for files, reason in ((labels, ALONE), (seconds, SECOND_ALONE)):
            for stem in sorted(set(files) - set(images)):
                skipped.add(reason, files[stem])
    skipped.log()
    yield from (LabelledFiles(stem, images[stem], labels[stem], seconds.get(stem, "")) for stem in stems)
    yield skipped.counts


def _without_ending(files: dict[str, str], ending: str) -> dict[str, str]:
    return {stem.removesuffix(ending): name for stem, name in files.items() if stem.endswith(ending)}


def _check_complete(stems: Iterable[str], files: dict[str, str], where: str, what: str) -> None:
    missing = [stem for stem in stems if stem not in files]
    if missing:
        more = f" and {len(missing) - 3} more have" if len(missing) > 3 else " have" if len(missing) > 1 else " has"
        raise DataError(f"{where}: {', '.join(map(shortened, missing[:3]))}{more} {what}")


def _files_below(folder: Path, suffixes: tuple[str, ...], what: str, skipped: SkipCounter) -> dict[str, str]:
    """Return name without suffix -> name of the files, both relative to the folder."""
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder of {what}; paths of the catalogue start from MISC.DATA_ROOT")
    files: dict[str, str] = {}
    for parent, names in files_below(folder, suffixes, skipped):
        below = os.path.relpath(parent, folder)
        for name in names:
            stem, suffix = os.path.splitext(name)  # noqa: PTH122 -- many files
            path = name if below == "." else f"{below}/{name}"
            key = path[: -len(suffix)]
            if key in files:
                raise DataError(f"{folder}: {files[key]} and {path} have one name ({stem}); images and label images are paired by it")
            files[key] = path
    if not files:
        expected = USUAL_SUFFIXES if suffixes == SUFFIXES else ", ".join(suffixes)
        raise DataError(f"{folder}: no {what} in it ({expected}){skipped.described()}")
    return files


def _read_names(path: Path) -> list[str]:
    lines = read_text(path, what="the list of names").splitlines()
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise DataError(f"{path}: the list is empty; one name of an image a line expected")
    return names
