"""Files of two folders that belong together by their paths without suffix."""

from pathlib import Path
from typing import NamedTuple

from pet.data.files.listing import SUFFIXES, USUAL_SUFFIXES, files_below
from pet.data.files.skipped import SkipCounter
from petlib.errors import DataError
from petlib.files import not_a_folder
from petlib.suggest import shortened

MOST_SHOWN = 10


class StemFiles(NamedTuple):
    """An image and its label image."""

    image: Path
    label: Path


def pair_stems(images: Path, labels: Path) -> dict[str, StemFiles]:
    """Return the image and the label image of each stem, sorted by it.

    A stem is the path below the folder without suffix. Label images that have no image are left out.

    Raises:
        DataError: a folder is missing or has no images, two files of a folder have one stem, or images have no label image.
    """
    image_files, label_files = files_by_stem(images), files_by_stem(labels)
    lacking = [stem for stem in image_files if stem not in label_files]
    if lacking:
        raise DataError(f"{labels}: no label image for {shown(lacking)} of {images}; add them, or take the images away")
    return {stem: StemFiles(path, label_files[stem]) for stem, path in image_files.items()}


def files_by_stem(folder: Path) -> dict[str, Path]:
    """Return the image files at any depth below a folder by their stems and sorted by them; others are counted in the log.

    Raises:
        DataError: the folder is missing or has no images, or two files have one stem.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: {not_a_folder(folder)}")
    found: dict[str, Path] = {}
    skipped = SkipCounter(folder)
    for parent, names in files_below(folder, SUFFIXES, skipped):
        for name in names:
            path = Path(parent, name)
            stem = path.relative_to(folder).with_suffix("").as_posix()
            if stem in found:
                raise DataError(f"{path} and {found[stem].name} have the name {stem!r} both; a name without suffix must belong to one file")
            found[stem] = path
    if not found:
        raise DataError(f"{folder}: no images in this folder ({USUAL_SUFFIXES}){skipped.described()}")
    skipped.log()
    return dict(sorted(found.items()))


def shown(names: list[str]) -> str:
    """Return the first names of a list, and how many more there are."""
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(shortened(name, 600) for name in names[:MOST_SHOWN]) + more
