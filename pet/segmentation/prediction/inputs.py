"""Which image files are predicted."""

import glob
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pet.data.files.rasters import TIFF_SUFFIXES
from pet.data.files.suffixes import SUFFIXES
from petlib.errors import DataError

IMAGE_SUFFIXES = tuple(dict.fromkeys((*SUFFIXES, *TIFF_SUFFIXES)))
LISTED = 5


class ImageInput(NamedTuple):
    """An image, or the two of a pair.

    Attributes:
        paths: one file, or the earlier and the later one.
        place: what results are called, without a suffix, below the folder of results.
    """

    paths: tuple[Path, ...]
    place: str


def find_images(pattern: str, pattern2: str = "") -> list[ImageInput]:
    """Return the images of a folder and the folders in it, one file, or the files that a pattern with ``*`` names; sorted.

    Args:
        pattern: the images.
        pattern2: their partners of the later date, for change detection: two folders or patterns are paired by the names of
            the files without suffix, with the folders below; two files are a pair.

    Raises:
        DataError: there are none, or one lacks a partner.
    """
    first = _find("--images", pattern)
    if not pattern2:
        return [ImageInput((path,), place) for place, path in first.items()]
    second = _find("--images2", pattern2)
    if len(first) == len(second) == 1:
        (place, path), (partner,) = next(iter(first.items())), second.values()
        return [ImageInput((path, partner), place)]
    alone = [first[place] for place in first if place not in second] + [second[place] for place in second if place not in first]
    if alone:
        named = ", ".join(map(str, alone[:LISTED])) + (", ..." if len(alone) > LISTED else "")
        raise DataError(
            f"--images {pattern} and --images2 {pattern2}: {len(alone)} of {len(first) + len(second)} images have no partner of the same "
            f"name: {named}"
        )
    return [ImageInput((path, second[place]), place) for place, path in first.items()]


def _find(option: str, pattern: str) -> dict[str, Path]:
    """Return files by their places."""
    path = Path(pattern)
    if path.is_dir():
        files, root = sorted(path.rglob("*")), path
    elif path.is_file():
        files, root = [path], path.parent
    else:
        # patterns may start at the root and hold **, which Path.glob does not take
        files = sorted(Path(name) for name in glob.glob(pattern, recursive=True))  # noqa: PTH207
        root = _common_folder(files)
    # copies from other systems bring hidden files that are called like images
    files = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES and file.name[0] != "." and file.is_file()]
    if not files:
        found = "there are no images in it" if path.exists() or glob.has_magic(pattern) else "there is no such file or folder"
        raise DataError(f"{option} {pattern}: {found}; a folder, a file or a pattern of images ({', '.join(IMAGE_SUFFIXES)}) expected")
    return dict(zip(_places(files, root), files, strict=True))


def _places(files: Sequence[Path], root: Path) -> list[str]:
    """Return paths below the root without their suffixes; files that differ in nothing else keep them."""
    relative = [file.relative_to(root) for file in files]
    counts = Counter(place.with_suffix("") for place in relative)
    return [str(place if counts[place.with_suffix("")] > 1 else place.with_suffix("")) for place in relative]


def _common_folder(files: Sequence[Path]) -> Path:
    """Return the deepest folder that holds all files."""
    folders = [file.parent for file in files]
    if not folders:
        return Path()
    return next(parent for parent in (folders[0], *folders[0].parents) if all(parent in (folder, *folder.parents) for folder in folders))
