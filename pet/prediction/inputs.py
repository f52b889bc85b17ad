"""Which files are predicted: images, pairs of images, videos."""

import glob
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pet.data.files.images import read_image
from pet.data.files.listing import SUFFIXES, SYSTEM, USUAL_SUFFIXES, files_below, is_of_system, other_kind
from pet.data.files.skipped import SkipCounter
from pet.data.files.videos import VIDEO_SUFFIXES
from pet.data.targets.kinds import kinds_in
from petlib.errors import ConfigError, DataError

LISTED = 5
ALL_SUFFIXES = (*SUFFIXES, *VIDEO_SUFFIXES)
EXPECTED = f"images ({USUAL_SUFFIXES}) or videos ({', '.join(VIDEO_SUFFIXES)})"


ImageSource = Path | np.ndarray
"""An image file, or its pixels (H, W, C); RGB."""


def as_picture(image: ImageSource) -> np.ndarray:
    """Return three channels of eight bits to draw on; other depths from the least value to the greatest."""
    if not isinstance(image, np.ndarray):
        return read_image(image)
    channels = image[:, :, [0, 0, 0]] if image.shape[2] < 3 else image[:, :, :3]
    if channels.dtype == np.uint8:
        return channels
    least, greatest = float(channels.min()), float(channels.max())
    scaled: np.ndarray = ((channels - least) * (255 / max(greatest - least, 1e-9))).astype(np.uint8)
    return scaled


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
        images: images or pairs of images, or files of points.
        videos: videos.
    """

    images: list[FileInput]
    videos: list[FileInput]


def find_inputs(images: str, images2: str = "", *, suffixes: tuple[str, ...] = ()) -> Inputs:
    """Return the images and videos of a folder and the folders in it, one file, or the files that a pattern with ``*`` names; sorted.

    What is left out, files of other kinds and what the system left there, is counted in the log.

    Args:
        images: folder, file or pattern.
        images2: their partners of the later date, for change detection: images of two folders or patterns are paired by their names
            without suffix, with the folders below; two files are a pair. Videos are left out.
        suffixes: of the files, where the model looks at something else, e.g. points; they take the place of images.

    Raises:
        ConfigError: files that are no images are to have partners.
        DataError: there are none, or an image has no partner.
    """
    if suffixes:
        if images2:
            raise ConfigError(f"find_inputs.images2: {images2} given, but the model looks at {', '.join(suffixes)}; leave it out")
        files = _find("find_inputs.images", images, suffixes, f"files ({', '.join(suffixes)})")
        return Inputs([FileInput((path,), place) for place, path in files.items()], [])
    first = _find("find_inputs.images", images)
    pictures = {place: path for place, path in first.items() if path.suffix.lower() in SUFFIXES}
    if not images2:
        videos = [FileInput((path,), place) for place, path in first.items() if place not in pictures]
        return Inputs([FileInput((path,), place) for place, path in pictures.items()], videos)
    second = {place: path for place, path in _find("find_inputs.images2", images2).items() if path.suffix.lower() in SUFFIXES}
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


def find_suffixes(inputs: Sequence[str]) -> tuple[str, ...]:
    """Return how the names of the files end that a model looks at; empty: they are images and videos.

    Args:
        inputs: the kinds of pixels that it takes, see :class:`pet.data.Expectation`.
    """
    return next((kind.suffixes for kind in kinds_in(dict.fromkeys(inputs)).pixels if kind.suffixes), ())


def _find(argument: str, pattern: str, suffixes: tuple[str, ...] = ALL_SUFFIXES, expected: str = EXPECTED) -> dict[str, Path]:
    """Return files by their places."""
    path = Path(pattern)
    skipped = SkipCounter(path)
    if path.is_dir():
        files, root = sorted(Path(parent, name) for parent, names in files_below(path, suffixes, skipped) for name in names), path
    else:
        # patterns may start at the root and hold **, which Path.glob does not take
        named = [path] if path.is_file() else sorted(Path(name) for name in glob.glob(pattern, recursive=True))  # noqa: PTH207
        found = [file for file in named if file.is_file()]
        root = _common_folder(found)
        files = [file for file in found if not _leaves_out(file, root, suffixes, skipped)]
    if not files:
        raise DataError(_nothing(argument, pattern, path, expected) + skipped.described())
    skipped.log()
    return dict(zip(_places(files, root), files, strict=True))


def _leaves_out(file: Path, root: Path, suffixes: tuple[str, ...], skipped: SkipCounter) -> bool:
    """Return whether a file that a pattern names is no input, and count why."""
    reason = SYSTEM if any(map(is_of_system, file.relative_to(root).parts)) else other_kind(file.name)
    if reason != SYSTEM and file.suffix.lower() in suffixes:
        return False
    skipped.add(reason, str(file))
    return True


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


def _nothing(argument: str, pattern: str, path: Path, expected: str) -> str:
    if path.exists():
        return f"{argument}: {pattern}: there are no {expected} in it"
    if glob.has_magic(pattern):
        return f"{argument}: {pattern}: the pattern fits no {expected}"
    folder = next((parent for parent in path.parents if parent.is_dir()), Path())
    return (
        f"{argument}: {pattern}: there is no such file or folder; a folder, a file or a pattern of {expected} expected; the path exists "
        f"only up to {folder}"
    )
