"""Writes a data set as a pack, see :mod:`pet.data.shards.layout`: into a folder, or into a store of objects."""

import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pet.data.files.images import encoded_images
from pet.data.files.opening import read_file
from pet.data.shards import layout
from pet.data.shards.layout import npy_bytes, shard_name, tar_bytes
from pet.data.shards.place import SHARD_BYTES, Target
from pet.data.shards.samples import encode_sample
from pet.data.shards.values import dump, to_json, whole_json
from pet.data.targets.dataset import Dataset, DatasetInfo
from pet.data.targets.kinds import kinds_in
from petlib.data.protocols import Sample
from petlib.errors import DataError
from petlib.object_store import ObjectStore


class Packed(NamedTuple):
    """What was written.

    Attributes:
        samples: their number.
        shards: their number.
        size: bytes of the shards.
    """

    samples: int
    shards: int
    size: int


class ShardFile:
    """A shard that is being written.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._rows: list[tuple[int, int, int]] = []
        self.size = self._crc = 0

    def add(self, span: bytes) -> None:
        """Append a sample."""
        self._rows.append((self.size, len(span), zlib.crc32(span)))
        self._write(span)

    def finish(self) -> tuple[int, int, int, int]:
        """Append the index, close the file, and return its row of ``SHARD_ROW``."""
        rows = np.array(self._rows, layout.SAMPLE_ROW).tobytes()
        index = self.size + layout.BLOCK
        self._write(tar_bytes(layout.INDEX_MEMBER, rows))
        self._write(bytes(2 * layout.BLOCK))
        self._file.close()
        return len(self._rows), self._crc, self.size, index

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._crc = zlib.crc32(data, self._crc)
        self.size += len(data)


class Columns:
    """What is known of all samples, in files next to the shards."""

    def __init__(self) -> None:
        self._truths: list[bytes] = []
        self._labels: list[np.ndarray] = []
        self._has_truths = self._has_labels = True

    def add(self, dataset: Dataset, index: int) -> None:
        """Take a sample of a data set."""
        if self._has_truths:
            truth = dataset.truth(index)
            self._has_truths = truth is not None
            self._truths.append(whole_json(truth, "truth") + b"\n")
        if self._has_labels:
            labels = dataset.labels_of(index)
            self._has_labels = labels is not None
            self._labels.append(np.zeros(0, np.int64) if labels is None else labels)

    def files(self) -> dict[str, bytes]:
        """Return the files by their names."""
        found: dict[str, bytes] = {}
        if self._has_truths:
            found |= {layout.TRUTHS: b"".join(self._truths), layout.TRUTH_ENDS: npy_bytes(np.cumsum([0, *map(len, self._truths)]))}
        if self._has_labels:
            found[layout.LABELS] = npy_bytes(np.concatenate(self._labels))
            found[layout.LABEL_ENDS] = npy_bytes(np.cumsum([0, *map(len, self._labels)]))
        return found


def write_pack(
    dataset: Dataset,
    place: str,
    *,
    source: dict[str, Any],
    shard_bytes: int = SHARD_BYTES,
    store: ObjectStore | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Packed:
    """Write all samples of a data set in their order.

    Args:
        dataset: the data set; its samples are read with the kinds of targets that it was opened with.
        place: a folder that is empty or missing, or the address of one in a store, ``s3://bucket/name``.
        source: the entry of the catalogue that it was opened by, for the record.
        shard_bytes: bytes of a shard, of which one sample may be more.
        store: writes into a store; None: one with the usual patience.
        progress: called after each sample.

    Raises:
        ConfigError: ``place`` is the address of something else than a store, or has no bucket.
        DataError: a sample cannot be read or written.
        OutputError: there are files at ``place`` already, or its folder cannot be made.
        StoreError: the store does not answer.
    """
    if not len(dataset):
        raise DataError("there are no samples to pack")
    target = Target(place, store or ObjectStore())
    try:
        columns, kinds = Columns(), _kinds_of(dataset[0])
        rows = _write_shards(dataset, target, shard_bytes, columns, progress)
        files = {layout.SHARDS: npy_bytes(np.array(rows, layout.SHARD_ROW)), **columns.files()}
        info = replace(dataset.info, kinds=dataset.info.kinds & kinds)
        files |= _files_of_info(info)
        sizes = {name: [len(data), zlib.crc32(data)] for name, data in files.items()}
        plain = replace(info, groups=None, surface_set=info.surface_set and replace(info.surface_set, mesh=Path(layout.MESH)))
        head = {"version": layout.VERSION, "samples": len(dataset), "source": source, "files": sizes}
        head["info"] = to_json(plain, "info", _refuse)
        for name, data in [*files.items(), (layout.HEAD, dump(head))]:
            target.path_of(name).write_bytes(data)
            target.finish(name)
    finally:
        target.close()
    return Packed(len(dataset), len(rows), sum(row[2] for row in rows))


def _write_shards(
    dataset: Dataset, target: Target, shard_bytes: int, columns: Columns, progress: Callable[[], None]
) -> list[tuple[int, int, int, int]]:
    rows: list[tuple[int, int, int, int]] = []
    shard: ShardFile | None = None
    for index in range(len(dataset)):
        with encoded_images() as seen:
            sample = dataset[index]
        span = encode_sample(sample, index, seen)
        if shard is not None and shard.size + len(span) > shard_bytes:
            _finish(shard, target, rows)
            shard = None
        if shard is None:
            shard = ShardFile(target.path_of(shard_name(len(rows))))
        shard.add(span)
        columns.add(dataset, index)
        progress()
    assert shard is not None, "there is at least one sample"
    _finish(shard, target, rows)
    return rows


def _finish(shard: ShardFile, target: Target, rows: list[tuple[int, int, int, int]]) -> None:
    rows.append(shard.finish())
    target.finish(shard_name(len(rows) - 1))


def _kinds_of(sample: Sample) -> frozenset[str]:
    return frozenset(kind.name for kind in kinds_in(sample).targets)


def _files_of_info(info: DatasetInfo) -> dict[str, bytes]:
    files = {} if info.groups is None else {layout.GROUPS: npy_bytes(info.groups)}
    if info.surface_set is not None:
        files[layout.MESH] = read_file(info.surface_set.mesh, what="the mesh of surfaces")
    return files


def _refuse(name: str, data: bytes) -> None:
    raise DataError(f"{name}: an array of {len(data)} bytes is not written into {layout.HEAD}")
