"""Faces in templates, several images or videos of a person each, with the protocols and the files of IJB-B and IJB-C."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pet.data.alignment import align_face
from pet.data.catalog.source import Source
from pet.data.files.allowed_paths import INSIDE, Reach
from pet.data.files.images import read_image
from pet.data.files.opening import read_lines, read_text
from pet.data.targets.dataset import Dataset, DatasetInfo
from petlib.data.records import share_records
from petlib.errors import DataError
from petlib.suggest import counted, shortened

CROPS, META = "loose_crop", "meta"
IMAGES, PAIRS, POINTS = "*_face_tid_mid.txt", "*_template_pair_label.txt", "*_name_5pts_score.txt"
GALLERIES, PROBES = "*_1N_gallery_*.csv", "*_1N_probe_mixed.csv"
NUMBERS = 11
"""Of a line of the list of points: x and y of five, and the score of the detector."""
HALF = 0.5
"""From coordinates in which whole numbers are centres of pixels to those in which pixel i covers [i, i + 1)."""
COLUMNS = ("TEMPLATE_ID", "SUBJECT_ID")


class TemplatePairs(NamedTuple):
    """Which templates are compared.

    Attributes:
        templates: int64 (P, 2), their ids.
        same: bool (P,), whether they show one person.
    """

    templates: np.ndarray
    same: np.ndarray


class Enrolled(NamedTuple):
    """Templates of whom it is known whom they show.

    Attributes:
        templates: int64 (T,), their ids, each once.
        subjects: int64 (T,), the person.
    """

    templates: np.ndarray
    subjects: np.ndarray


class FaceTemplates(Dataset):
    """The images of templates, aligned by their five points, and what is compared.

    In the folder are ``loose_crop`` with the images, and ``meta``, whose files begin with the name of the set, e.g. ``ijbc``:
    ``ijbc_face_tid_mid.txt``, lines of an image, its template and its medium; ``ijbc_template_pair_label.txt``, lines of two templates and
    1 (one person) or 0; ``ijbc_name_5pts_score.txt``, lines of an image, x and y of five points, and the score of the detector. Without
    the last the images are aligned ones. For identification there are also ``ijbc_1N_gallery_G1.csv``, ``..._G2.csv`` and
    ``ijbc_1N_probe_mixed.csv``, with the columns ``TEMPLATE_ID`` and ``SUBJECT_ID``.

    Args:
        path: the folder.
        reach: where the names of images may lead.

    Attributes:
        templates: int64 (N,), of each image.
        media: int64 (N,), of each image.
        scores: float32 (N,), of the detector; 1 where there are none.
        pairs: of templates that are compared.
        galleries: templates of known people, by the name of the gallery, e.g. ``G1``; none: there is no identification.
        probes: templates that are looked for in each gallery.

    Raises:
        DataError: a file is missing, or a line is wrong (with its number).
    """

    info = DatasetInfo(kinds=frozenset())

    def __init__(self, *, path: Path, reach: Reach = INSIDE) -> None:
        self._crops = path / CROPS
        names, self.templates, self.media = _read_images(_only(path, IMAGES))
        for name in names:
            reach.check(name, self._crops, str(path))
        self._names = share_records(lambda: names)
        self._points: np.ndarray | None = None
        self.scores = np.ones(len(names), np.float32)
        points = sorted((path / META).glob(POINTS))
        if points:
            self._points, self.scores = _read_points(points[0], names)
        self.pairs = _read_pairs(_only(path, PAIRS), self.templates)
        galleries = sorted((path / META).glob(GALLERIES))
        self.galleries = {file.stem.rpartition("_")[2]: _read_enrolled(file, self.templates) for file in galleries}
        self.probes = _read_enrolled(_only(path, PROBES), self.templates) if galleries else None

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> dict[str, Any]:
        file = self.file_of(index)
        image = read_image(Path(file))
        if self._points is not None:
            image = align_face(image, self._points[index] + HALF)
        return {"image": image, "meta": {"id": index, "file": file}}

    def file_of(self, index: int) -> str:
        """Return the file of a sample's image, without reading it."""
        return str(self._crops / self._names[index])


def _only(folder: Path, pattern: str) -> Path:
    found = sorted((folder / META).glob(pattern))
    if len(found) != 1:
        what = ", ".join(file.name for file in found) or "none"
        raise DataError(
            f"{folder / META}: one file {pattern} expected as in IJB-B and IJB-C, e.g. {pattern.replace('*', 'ijbc')}; there is {what}"
        )
    return found[0]


def _read_images(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    names, numbers = [], []
    for number, text in read_lines(path, what="the list of images", hint="; its lines are an image, its template and its medium"):
        fields = text.split()
        if len(fields) != 3 or not all(field.isdecimal() for field in fields[1:]):
            raise DataError(f"{path}:{number}: {shortened(text)!r} given, an image and the numbers of its template and its medium expected")
        names.append(fields[0])
        numbers.append((int(fields[1]), int(fields[2])))
    if not names:
        raise DataError(f"{path}: there are no images in it")
    templates, media = np.array(numbers, np.int64).T
    return names, templates, media


def _read_points(path: Path, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return points, float64 (N, 5, 2), in which whole numbers are centres of pixels, and scores, float32 (N,), of images."""
    found: dict[str, np.ndarray] = {}
    for number, text in read_lines(path, what="the list of points"):
        name, *fields = text.split()
        try:
            values = np.array([float(field) for field in fields])
        except ValueError:
            values = np.zeros(0)
        if len(values) != NUMBERS or not np.isfinite(values).all():
            raise DataError(f"{path}:{number}: {shortened(text)!r} given, an image, x and y of five points, and a score expected")
        found[name] = values
    for name in names:
        if name not in found:
            raise DataError(f"{path}: it has no points of {shortened(name)}")
    values = np.stack([found[name] for name in names])
    return values[:, : NUMBERS - 1].reshape(-1, 5, 2), values[:, -1].astype(np.float32)


def _read_pairs(path: Path, templates: np.ndarray) -> TemplatePairs:
    try:
        # 16 million lines in IJB-C
        table = np.loadtxt(path, np.int64, ndmin=2) if path.stat().st_size else np.zeros((0, 3), np.int64)
    except ValueError as error:
        raise DataError(f"{path}: lines of two templates and 1 (one person) or 0 expected: {error}") from error
    if table.shape[1] != 3 or not len(table) or not np.isin(table[:, 2], (0, 1)).all():
        given = f"{counted(len(table), 'line')} of {table.shape[1]} numbers"
        raise DataError(f"{path}: {given}; lines of two templates and 1 (one person) or 0 expected, and no other answer")
    _check_known(path, table[:, :2], templates)
    return TemplatePairs(table[:, :2], table[:, 2].astype(bool))


def _read_enrolled(path: Path, templates: np.ndarray) -> Enrolled:
    rows = csv.DictReader(read_text(path, what="the list of templates and their people").splitlines())
    if not set(COLUMNS) <= set(rows.fieldnames or ()):
        raise DataError(f"{path}: the columns {' and '.join(COLUMNS)} expected; there are {', '.join(rows.fieldnames or ()) or 'none'}")
    subjects: dict[int, int] = {}
    for row in rows:
        try:
            template, subject = (int(row[name]) for name in COLUMNS)
        except (TypeError, ValueError) as error:
            raise DataError(f"{path}:{rows.line_num}: whole numbers expected in {' and '.join(COLUMNS)}: {error}") from error
        subjects[template] = subject
    if not subjects:
        raise DataError(f"{path}: there are no templates in it")
    found = Enrolled(np.array(list(subjects), np.int64), np.array(list(subjects.values()), np.int64))
    _check_known(path, found.templates, templates)
    return found


def _check_known(path: Path, wanted: np.ndarray, templates: np.ndarray) -> None:
    unknown = np.setdiff1d(wanted, templates)
    if len(unknown):
        raise DataError(f"{path}: the template {unknown[0]} has no image in the list of images, nor have {len(unknown) - 1} others")


def build_face_templates(source: Source) -> FaceTemplates:
    """Return the templates in the folder that a source names."""
    return FaceTemplates(path=source.path, reach=source.reach)
