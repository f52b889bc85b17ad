"""Where the images and the dots of data for counting are: the layouts in which these are published."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from pet.data.files.allowed_paths import Reach
from pet.data.files.json_files import read_json
from pet.data.files.listing import SUFFIXES, files_in
from pet.data.files.opening import read_file, read_lines
from pet.data.files.skipped import SkipCounter
from petlib.errors import DataError
from petlib.suggest import shortened

MATLAB = "the dots of an image"
EXPECTED = (
    "images/ with ground_truth/ (ShanghaiTech), gt/ (JHU-CROWD++), mats/ or jsons/ (NWPU), NAME_ann.mat or NAME.txt next to NAME.jpg "
    "(UCF-QNRF, data of one's own), Annotations/ (boxes in VOC's layout), or a list of lines 'image.jpg dots.txt'"
)


class DottedImage(NamedTuple):
    """An image file and its dots, float64 (N, 2): x, y, pixels as the file says them."""

    image: Path
    dots: np.ndarray


class _Layout(NamedTuple):
    """Folder of the dots (empty: that of the images), name of a file from the stem of its image, and what reads it."""

    folder: str
    name: str
    read: Callable[[Path], np.ndarray]


def find_dots(path: Path, split: str, reach: Reach) -> Iterator[DottedImage]:
    """Yield the images of a list or of a folder, or of the part of it that bears the name of the split, with their dots.

    Args:
        path: list ``image dots`` as P2PNet's, or a folder in one of the layouts of :data:`EXPECTED`.
        split: ``train``, ``test``, ``val``.
        reach: where the names in lists may lead.

    Raises:
        DataError: there is no such layout, an image has no dots, or a file is wrong; the message names it.
    """
    if path.is_file():
        yield from _read_pairs(path, reach)
        return
    folder = next((part for name in (split, f"{split}_data", split.capitalize()) if (part := path / name).is_dir()), path)
    layout = _find_layout(folder)
    images = folder / "images" if (folder / "images").is_dir() else folder
    listed = folder / f"{split}.txt"
    names = _read_ids(listed, images, reach) if layout.folder in ("mats", "jsons") and listed.is_file() else _images_in(images)
    for name in names:
        dots = (folder / layout.folder if layout.folder else images) / layout.name.format(Path(name).stem)
        yield DottedImage(images / name, layout.read(dots))


def _find_layout(folder: Path) -> _Layout:
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder and no such list")
    for layout in LAYOUTS:
        if layout.folder and (folder / layout.folder).is_dir():
            return layout
    images = folder / "images" if (folder / "images").is_dir() else folder
    for layout in LAYOUTS:
        if not layout.folder and any(images.glob(layout.name.format("*"))):
            return layout
    raise DataError(f"{folder}: no dots found; expected is one of: {EXPECTED}")


def _images_in(folder: Path) -> list[str]:
    skipped = SkipCounter(folder)
    names = files_in(folder, SUFFIXES, skipped)
    if not names:
        raise DataError(f"{folder}: no images in this folder{skipped.described()}")
    return names


def _read_ids(path: Path, images: Path, reach: Reach) -> Iterator[str]:
    """Yield the images of NWPU's lists, whose lines begin with an id."""
    for number, line in read_lines(path, what="the list of the split"):
        name = line.split()[0]
        reach.check(name, images, f"{path}:{number}")
        yield name if Path(name).suffix else f"{name}.jpg"


def _read_pairs(path: Path, reach: Reach) -> Iterator[DottedImage]:
    for number, line in read_lines(path, what="the list of images and dots"):
        names = line.split()
        if len(names) != 2:
            raise DataError(f"{path}:{number}: {shortened(line)!r} given, 'image.jpg dots.txt' expected")
        for name in names:
            reach.check(name, path.parent, f"{path}:{number}")
        yield DottedImage(path.parent / names[0], _read_text(path.parent / names[1]))


def _read_text(path: Path) -> np.ndarray:
    """Read lines that begin with x and y; what follows, as size and occlusion in JHU-CROWD++, is not used."""
    rows = []
    for number, line in read_lines(path, what=MATLAB):
        try:
            x, y = map(float, line.replace(",", " ").split()[:2])
        except ValueError as error:
            raise DataError(f"{path}:{number}: {shortened(line)!r} given, a line 'x y' expected") from error
        rows.append((x, y))
    return _checked(path, np.array(rows, np.float64).reshape(-1, 2))


def _read_matlab(path: Path) -> np.ndarray:
    data = read_file(path, what=MATLAB)
    try:
        content = loadmat(io.BytesIO(data))
    except NotImplementedError as error:
        raise DataError(f"{path}: a file of MATLAB 7.3; save it with -v7, or write the dots as lines 'x y' of a .txt file") from error
    except (MatReadError, ValueError, TypeError, OSError, LookupError, MemoryError, OverflowError, ArithmeticError) as error:
        raise DataError(f"{path}: no file of MATLAB: {error}") from error
    try:
        dots = content["annPoints"] if "annPoints" in content else content["image_info"][0, 0][0, 0][0]
        return _checked(path, np.asarray(dots, np.float64))
    except (LookupError, ValueError, TypeError) as error:
        raise DataError(f"{path}: neither annPoints nor image_info with a table of x and y in it; this is no file of dots") from error


def _read_json_dots(path: Path) -> np.ndarray:
    content: Any = read_json(path, what=MATLAB)
    try:
        return _checked(path, np.array(content["points"], np.float64))
    except (LookupError, ValueError, TypeError) as error:
        raise DataError(f"{path}: no list 'points' of [x, y] in it") from error


def _checked(path: Path, dots: np.ndarray) -> np.ndarray:
    """Return dots (N, 2); MATLAB writes none as (0, 0)."""
    if not dots.size:
        return np.zeros((0, 2))
    if dots.ndim != 2 or dots.shape[1] < 2 or not np.isfinite(dots[:, :2]).all():
        raise DataError(f"{path}: a table of shape {dots.shape} given, finite numbers x and y in each row expected")
    return dots[:, :2]


LAYOUTS = (
    _Layout("ground_truth", "GT_{}.mat", _read_matlab),
    _Layout("ground-truth", "GT_{}.mat", _read_matlab),
    _Layout("gt", "{}.txt", _read_text),
    _Layout("jsons", "{}.json", _read_json_dots),
    _Layout("mats", "{}.mat", _read_matlab),
    _Layout("", "{}_ann.mat", _read_matlab),
    _Layout("", "{}.txt", _read_text),
)
"""In the order in which they are looked for."""
