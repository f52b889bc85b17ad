"""Faces of many identities in a RecordIO file, as InsightFace's sets are published (MS1M, Glint360K, WebFace)."""

from pathlib import Path
from typing import Any

import numpy as np

from pet.data.catalog.source import Source
from pet.data.files.images import decode_image
from pet.data.files.opening import read_text
from pet.data.files.record_io import RecordFile
from pet.data.targets.dataset import Dataset, DatasetInfo
from petlib.errors import DataError

FILE = "train.rec"
PROPERTY = "property"


class FaceRecords(Dataset):
    """Images with the number of an identity, in a RecordIO file.

    Record 0 may describe the others: it has a list of labels, the first of which is the number of images and 1. Where an image has a list
    of labels the first is its identity. The number of identities is what the file ``property`` next to it says, else record 0, else the
    greatest label and 1.

    Args:
        path: the ``.rec`` file, or the folder of ``train.rec``.

    Raises:
        DataError: the file is missing or damaged.
    """

    def __init__(self, *, path: Path) -> None:
        self._file = RecordFile(path / FILE if path.is_dir() else path)
        if not len(self._file):
            raise DataError(f"{self._file.path}: there are no records in it")
        first = self._file.read(0)
        described = first.has_list and len(first.labels) > 1 and not first.data
        keys = self._file.keys
        self._places = np.flatnonzero((keys >= 1) & (keys < int(first.labels[0]))) if described else np.arange(len(keys))
        identities = int(first.labels[1] - first.labels[0]) if described else 0
        self.info = DatasetInfo(kinds=frozenset({"label"}), num_classes=_property(self._file.path) or identities or self._greatest() + 1)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> dict[str, Any]:
        name, record = self.file_of(index), self._file.read(int(self._places[index]))
        label = int(record.labels[0])
        if not 0 <= label < self.info.num_classes:
            raise DataError(f"{name}: the label {label} is none of 0 to {self.info.num_classes - 1}, the identities that the file says")
        return {
            "image": decode_image(record.data, name=name),
            "label": label,
            "meta": {"id": int(self._file.keys[self._places[index]]), "file": name},
        }

    def file_of(self, index: int) -> str:
        """Return file and key of a sample, without reading it."""
        return f"{self._file.path}, record {self._file.keys[self._places[index]]}"

    def labels_of(self, index: int) -> np.ndarray:
        """Return the identity of an image."""
        return self._file.read(int(self._places[index])).labels[:1].astype(np.int64)

    def _greatest(self) -> int:
        return max(int(self.labels_of(index)[0]) for index in range(len(self)))


def _property(path: Path) -> int:
    """Return the number of identities that the file ``property`` says, ``identities,height,width``; 0: there is none."""
    place = path.parent / PROPERTY
    if not place.is_file():
        return 0
    text = read_text(place, what="the properties of the RecordIO file").split(",")[0].strip()
    if not text.isdecimal():
        raise DataError(f"{place}: {text!r} given, a line 'identities,height,width' expected, e.g. 85742,112,112")
    return int(text)


def build_face_records(source: Source) -> FaceRecords:
    """Return the RecordIO file that a source names."""
    return FaceRecords(path=source.path)
