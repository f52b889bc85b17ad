"""Which files are predicted: images, pairs of images, videos."""

import glob
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pet.data.files.listing import SUFFIXES
from pet.data.files.rasters import TIFF_SUFFIXES
from petlib.errors import DataError

IMAGE_SUFFIXES = tuple(dict.fromkeys((*SUFFIXES, *TIFF_SUFFIXES)))
VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")
LISTED = 5
EXPECTED = f"images ({', '.join(IMAGE_SUFFIXES)}) or videos ({', '.join(VIDEO_SUFFIXES)})"


class FileInput(NamedTuple):
    """What one prediction is made of.

    Attributes:
        paths: one file, or the earlier and the later image of a pair.
        place: what results are called, without a suffix, below the folder of results.
    """

    paths: tuple[Path, ...]
    place: str


class Inputs(NamedTuple):
    """What is predicted.

    Attributes:
        images: images or pairs of images.
        videos: videos.
    """

    images: list[FileInput]
    videos: list[FileInput]


def find_inputs(images: str, images2: str = "") -> Inputs:
    """Return the images and videos of a folder and the folders in it, one file, or the files that a pattern with ``*`` names; sorted.

    Args:
        images: folder, file or pattern.
        images2: their partners of the later date, for change detection: images of two folders or patterns are paired by their names
            without suffix, with the folders below; two files are a pair. Videos are left out.

    Raises:
        DataError: there are none, or an image has no partner.
    """
    first = _find("find_inputs.images", images)
    pictures = {place: path for place, path in first.items() if path.suffix.lower() in IMAGE_SUFFIXES}
    if not images2:
        videos = [FileInput((path,), place) for place, path in first.items() if place not in pictures]
        return Inputs([FileInput((path,), place) for place, path in pictures.items()], videos)
    second = {place: path for place, path in _find("find_inputs.images2", images2).items() if path.suffix.lower() in IMAGE_SUFFIXES}
    if len(pictures) == len(second) == 1:
        (place, path), (partner,) = next(iter(pictures.items())), second.values()
        return Inputs([FileInput((path, partner), place)], [])
    alone = [pictures[place] for place in pictures if place not in second] + [second[place] for place in second if place not in pictures]
    if alone:
        named = ", ".join(map(str, alone[:LISTED])) + (", ..." if len(alone) > LISTED else "")
        raise DataError(
            f"find_inputs.images: {images} and find_inputs.images2: {images2} given, but {len(alone)} of {len(pictures) + len(second)} "
            f"images have no partner of the same name: {named}"
        )
    return Inputs([FileInput((path, second[place]), place) for place, path in pictures.items()], [])


def _find(argument: str, pattern: str) -> dict[str, Path]:
    """Return files by their places."""
    path = Path(pattern)
    if path.is_dir():
        found, root = sorted(path.rglob("*")), path
    elif path.is_file():
        found, root = [path], path.parent
    else:
        # patterns may start at the root and hold **, which Path.glob does not take
        found = sorted(Path(name) for name in glob.glob(pattern, recursive=True))  # noqa: PTH207
        root = _common_folder([file for file in found if file.is_file()])
    # copies from other systems bring hidden files that are called like images
    suffixes = (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES)
    files = [file for file in found if file.suffix.lower() in suffixes and file.name[0] != "." and file.is_file()]
    if not files:
        raise DataError(_nothing(argument, pattern, path, sum(file.is_file() for file in found)))
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


def _nothing(argument: str, pattern: str, path: Path, others: int) -> str:
    if path.exists():
        return f"{argument}: {pattern}: there are no {EXPECTED}" + (f" among its {others} files" if others > 1 else " in it")
    if glob.has_magic(pattern):
        return f"{argument}: {pattern}: the pattern fits no {EXPECTED}"
    folder = next((parent for parent in path.parents if parent.is_dir()), Path())
    return (
        f"{argument}: {pattern}: there is no such file or folder; a folder, a file or a pattern of {EXPECTED} expected; the path exists "
        f"only up to {folder}"
    )
