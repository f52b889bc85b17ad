"""Pairs of images of which it is known whether they show one person: lists of files, and the ``.bin`` files of InsightFace."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pet.data.catalog.source import Source
from pet.data.files.allowed_paths import INSIDE, Reach
from pet.data.files.images import decode_image, read_image
from pet.data.files.listing import SUFFIXES
from pet.data.files.opening import read_lines, read_plain_pickle
from pet.data.files.path_variants import PathVariants
from pet.data.targets.dataset import Dataset, DatasetInfo
from petlib.data.records import share_records
from petlib.errors import DataError
from petlib.suggest import shortened

SEPARATORS = re.compile(r"[\t,;]\s*|\s+")
ANSWERS = {"1": True, "true": True, "yes": True, "same": True, "0": False, "false": False, "no": False, "different": False}
FORMAT = "lines 'image image2 1' (1: the same person, 0: not), or those of LFW's pairs.txt"
HEADING_FIELDS = 3


class Pairs(NamedTuple):
    """Which images are compared.

    Attributes:
        places: int64 (P, 2), places in the data set.
        same: bool (P,), whether they show one person.
    """

    places: np.ndarray
    same: np.ndarray


class VerificationImages(Dataset):
    """Images, each once, and the pairs of them that are compared, in the order of the protocol.

    ``meta`` of a sample may have ``identity``, the name of the person, so that a check finds people that a training has too.

    Attributes:
        pairs: the pairs.
    """

    info = DatasetInfo(kinds=frozenset())
    pairs: Pairs


class ListedPairs(VerificationImages):
    """Pairs of image files in a list: lines ``image image2 1``, or the ``pairs.txt`` of LFW (http://vis-www.cs.umass.edu/lfw/).

    Fields are separated by blanks, tabs, commas or semicolons; for 1 and 0 words like ``same``, ``yes`` and ``true`` are read too, and a
    heading is skipped. LFW's list begins with a line of numbers; its lines ``name 1 4`` and ``name 1 name2 2`` mean
    ``name/name_0001`` with whatever suffix an image has. The folder of an image is taken for the name of its person.

    Args:
        path: the list.
        root: where the names of images start from.
        reach: where they may lead.

    Raises:
        DataError: list or images are missing, a line is wrong (with its number), or there are no pairs.
    """

    def __init__(self, *, path: Path, root: Path, reach: Reach = INSIDE) -> None:
        self._root = root
        lines = list(read_lines(path, what="the list of pairs", hint=f"; it has {FORMAT}"))
        is_lfw = bool(lines) and all(field.isdecimal() for field in lines[0][1].split())
        read = _LfwLines(root) if is_lfw else _PlainLines(root)
        found = [pair for number, text in lines[is_lfw:] if (pair := read(f"{path}:{number}", text)) is not None]
        if not found:
            raise DataError(f"{path}: there are no pairs in it; {FORMAT} expected")
        names = list(dict.fromkeys(name for first, second, _ in found for name in (first, second)))
        for name in names:
            reach.check(name, root, str(path))
        self._names = share_records(lambda: names)
        place = {name: number for number, name in enumerate(names)}
        self.pairs = _pairs([(place[first], place[second]) for first, second, _ in found], [same for *_, same in found])

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> dict[str, Any]:
        path, folder = self.file_of(index), Path(self._names[index]).parent.name
        return {"image": read_image(path), "meta": {"id": index, "file": path, "identity": folder}}

    def file_of(self, index: int) -> str:
        """Return the file of a sample's image, without reading it."""
        return str(self._root / self._names[index])


class PickledPairs(VerificationImages):
    """Pairs of encoded images in a pickle, ``(images, same)``: of pair i the images 2 i and 2 i + 1, as InsightFace's ``lfw.bin``.

    Args:
        path: the file.

    Raises:
        DataError: it is missing, or something else.
    """

    def __init__(self, *, path: Path) -> None:
        self.path = path
        content = read_plain_pickle(path, what="a file of verification pairs")
        if not isinstance(content, list | tuple) or len(content) != 2 or not all(isinstance(part, list) for part in content):
            raise DataError(f"{path}: (images, same) expected, two lists as in InsightFace's .bin files")
        images, same = content
        if len(images) != 2 * len(same) or not same:
            raise DataError(f"{path}: {len(images)} images and {len(same)} answers; two images for each expected")
        self._images = [_as_bytes(image, f"{path}: image {index}") for index, image in enumerate(images)]
        self.pairs = _pairs([(2 * number, 2 * number + 1) for number in range(len(same))], [bool(answer) for answer in same])

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        name = self.file_of(index)
        return {"image": decode_image(self._images[index], name=name), "meta": {"id": index, "file": name}}

    def file_of(self, index: int) -> str:
        """Return file and number of an image."""
        return f"{self.path}: image {index}"


def _as_bytes(image: Any, name: str) -> bytes:
    """Return an encoded image as bytes: an array of them, or the text that bytes of Python 2 are read as."""
    if isinstance(image, np.ndarray) and image.dtype == np.uint8:
        return image.tobytes()
    if isinstance(image, str):
        image = image.encode("latin1", errors="replace")
    if not isinstance(image, bytes | bytearray):
        raise DataError(f"{name} is a {type(image).__name__}, an encoded image expected")
    return bytes(image)


def _pairs(places: Sequence[tuple[int, int]], same: Sequence[bool]) -> Pairs:
    return Pairs(np.array(places, np.int64), np.array(same, bool))


class _PlainLines:
    """Lines ``image image2 answer``."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._variants = PathVariants(root)
        self._seen = 0

    def __call__(self, place: str, text: str) -> tuple[str, str, bool] | None:
        fields = SEPARATORS.split(text)
        self._seen += 1
        if (
            len(fields) == HEADING_FIELDS
            and self._seen == 1
            and fields[2].lower() not in ANSWERS
            and not (self._root / fields[0]).is_file()
        ):
            return None
        if len(fields) != HEADING_FIELDS or fields[2].lower() not in ANSWERS:
            raise DataError(f"{place}: {shortened(text)!r} given, {FORMAT} expected")
        first, second = (self._variants.find(field, place) for field in fields[:2])
        for name in (first, second):
            if not (self._root / name).is_file():
                raise DataError(f"{place}: {shortened(name)}: there is no such file below {self._root}")
        return first, second, ANSWERS[fields[2].lower()]


class _LfwLines:
    """Lines ``name number number2`` of one person and ``name number name2 number2`` of two."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __call__(self, place: str, text: str) -> tuple[str, str, bool]:
        fields = text.split("\t") if "\t" in text else text.split()
        if len(fields) not in (3, 4) or not all(field.isdecimal() for field in (fields[1], fields[-1])):
            raise DataError(f"{place}: {shortened(text)!r} given, 'name 1 4' or 'name 1 name2 2' expected, as in LFW's pairs.txt")
        other = fields[0] if len(fields) == 3 else fields[2]
        return self._find(place, fields[0], fields[1]), self._find(place, other, fields[-1]), len(fields) == 3

    def _find(self, place: str, name: str, number: str) -> str:
        stem = f"{name}/{name}_{int(number):04d}"
        found = next((f"{stem}{suffix}" for suffix in SUFFIXES if (self._root / f"{stem}{suffix}").is_file()), None)
        if found is None:
            raise DataError(f"{place}: there is no image {stem}.jpg, .png or the like below {self._root}")
        return found


def build_verification_pairs(source: Source) -> ListedPairs:
    """Return the pairs of the list ``source.annotations``, whose images start from ``source.path``."""
    assert source.annotations is not None, "an entry of this type has annotations"
    return ListedPairs(path=source.annotations, root=source.path, reach=source.reach)


def build_verification_bin(source: Source) -> PickledPairs:
    """Return the pairs of the ``.bin`` file that a source names."""
    return PickledPairs(path=source.path)
