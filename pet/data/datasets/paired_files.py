"""Files of several folders that belong together by their names without suffix."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pet.data.datasets.labelled_images import Folders, LabelledFiles
from pet.data.files.listing import SUFFIXES, USUAL_SUFFIXES, files_below
from pet.data.files.opening import neighbour, read_lines
from pet.data.files.path_variants import PathVariants
from pet.data.files.skipped import SkipCounter
from petlib.errors import DataError
from petlib.files import not_a_folder
from petlib.suggest import shortened

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
    images, label_files = _images_and_labels(folders, label_ending, skipped)
    labels = _without_ending(label_files, label_ending)
    seconds: dict[str, str] = {}
    if has_pairs:
        seconds = _by_stem(folders.images2, _paths_below(folders.images2, SUFFIXES, "images of the second date", skipped))
    stems = sorted(images) if names is None else _read_names(names, folders, images)
    found = f"no label image there, but an image in {folders.images}{_guess_ending(stems, label_files, label_ending)}"
    _check_complete(stems, labels, str(folders.labels), found)
    if has_pairs:
        _check_complete(stems, seconds, str(folders.images2), f"no image of the second date there, but an image in {folders.images}")
    if names is None:
        for files, reason in ((labels, ALONE), (seconds, SECOND_ALONE)):
            for stem in sorted(set(files) - set(images)):
                skipped.add(reason, files[stem])
    skipped.log()
    yield from (LabelledFiles(stem, images[stem], labels[stem], seconds.get(stem, "")) for stem in stems)
    yield skipped.counts


def _images_and_labels(folders: Folders, ending: str, skipped: SkipCounter) -> tuple[dict[str, str], dict[str, str]]:
    """Return name without suffix -> file, of the images and of the label images.

    In one folder, label images are the files with the ending, or without one those of a kind that keeps values, next to JPEG and the like.
    """
    if folders.images == folders.labels:
        paths = _paths_below(folders.images, SUFFIXES, "images", skipped)
        if ending:
            is_label = [os.path.splitext(path)[0].endswith(ending) for path in paths]  # noqa: PTH122 -- many files
        else:
            is_label = [path.lower().endswith(LABEL_SUFFIXES) for path in paths]
        images, labels = ([path for path, own in zip(paths, is_label, strict=True) if own == side] for side in (False, True))
        if not images or not labels:
            raise DataError(
                f"{folders.images}: images and label images are in one folder, and which are which cannot be seen: give the ending of the "
                "names of label images as label_ending, e.g. label_ending: _mask"
            )
    else:
        images = _paths_below(folders.images, SUFFIXES, "images", skipped)
        labels = _paths_below(folders.labels, LABEL_SUFFIXES, "label images", skipped)
        inside = os.path.relpath(folders.labels, folders.images)
        images = [path for path in images if not path.startswith(f"{inside}/")]
    return _by_stem(folders.images, images), _by_stem(folders.labels, labels)


def _without_ending(files: dict[str, str], ending: str) -> dict[str, str]:
    return {stem.removesuffix(ending): name for stem, name in files.items() if stem.endswith(ending)}


def _guess_ending(stems: Sequence[str], labels: Mapping[str, str], ending: str) -> str:
    """Return a hint where the names of label images have an ending that all images have in common."""
    stem = next((stem for stem in stems if f"{stem}{ending}" not in labels), None)
    if stem is None:
        return ""
    candidates = [label.removeprefix(stem) for label in labels if label.startswith(stem) and label != stem]
    fitting = [own for own in candidates if all(f"{other}{own}" in labels for other in stems)]
    if not fitting:
        return "; both have to have the same name, or are paired by a list of lines 'image label' (type label_list)"
    return f"; their names have {fitting[0]!r} behind those of the images: set label_ending: {fitting[0]}"


def _check_complete(stems: Iterable[str], files: Mapping[str, str], where: str, what: str) -> None:
    missing = [stem for stem in stems if stem not in files]
    if missing:
        more = f" and {len(missing) - 3} more have" if len(missing) > 3 else " have" if len(missing) > 1 else " has"
        raise DataError(f"{where}: {', '.join(map(shortened, missing[:3]))}{more} {what}")


def _paths_below(folder: Path, suffixes: tuple[str, ...], what: str, skipped: SkipCounter) -> list[str]:
    """Return the names of the files, relative to the folder."""
    if not folder.is_dir():
        raise DataError(f"{folder}: {not_a_folder(folder)} of {what}; paths of the catalogue start from Source.root")
    files: list[str] = []
    for parent, names in files_below(folder, suffixes, skipped):
        below = os.path.relpath(parent, folder)
        files += names if below == "." else [f"{below}/{name}" for name in names]
    if not files:
        expected = USUAL_SUFFIXES if suffixes == SUFFIXES else ", ".join(suffixes)
        raise DataError(f"{folder}: no {what} in it ({expected}){skipped.described()}")
    return files


def _by_stem(folder: Path, paths: Iterable[str]) -> dict[str, str]:
    """Return name without suffix -> file, both relative to the folder."""
    files: dict[str, str] = {}
    for path in paths:
        stem = os.path.splitext(path)[0]  # noqa: PTH122 -- many files
        if stem in files:
            own = os.path.basename(stem)  # noqa: PTH119 -- many files
            raise DataError(f"{folder}: {files[stem]} and {path} have one name ({own}); images and label images are paired by it")
        files[stem] = path
    return files


def _read_names(path: Path, folders: Folders, images: Mapping[str, str]) -> list[str]:
    """Return the names without suffix of the images of a list."""
    variants = PathVariants(folders.images, folders.labels, leads=lambda name: _stem_of(name, images) in images)
    stems = [_stem_of(variants.find(line, f"{path}:{number}"), images) for number, line in read_lines(path, what="the list of names")]
    if not stems:
        raise DataError(f"{path}: the list is empty; one name of an image a line expected")
    missing = next((stem for stem in stems if stem not in images), None)
    hint = "" if missing is None else neighbour(str(folders.images / missing))
    _check_complete(stems, images, str(path), f"no image in {folders.images}{hint}")
    variants.log()
    return stems


def _stem_of(name: str, images: Mapping[str, str]) -> str:
    """Return a name of a list without its suffix; it may have the dots of one, which names of files lost."""
    return name if name in images else os.path.splitext(name)[0]  # noqa: PTH122 -- many names
