"""Data sets that pet-pack wrote: any sample by its number, from a folder or from a store of objects."""

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pet.data.catalog.source import Source
from pet.data.shards import layout
from pet.data.shards.reading import Pack
from pet.data.shards.samples import decode_sample
from pet.data.shards.values import from_json, read_whole_json
from pet.data.targets.dataset import Dataset, DatasetInfo, ImageTruth
from pet.data.targets.kinds import choose_kinds, find_kind
from petlib.data.protocols import Sample
from petlib.errors import DataError


class _Ragged(NamedTuple):
    """Values of all samples one after another, and where those of each end."""

    values: np.ndarray
    ends: np.ndarray

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]  # a table of samples, no tuple to its readers
        part: np.ndarray = self.values[int(self.ends[index]) : int(self.ends[index + 1])]
        return part


class ShardedDataset(Dataset):
    """The samples of a pack, the same as those that were packed, bit for bit.

    Args:
        place: folder of the pack, or its address in a store.
        kinds: kinds of targets that samples are to have; None: all that were packed.

    Raises:
        DataError: there is no pack, it is damaged, or lacks a kind.
        StoreError: the store does not answer.
    """

    def __init__(self, place: str | Path, *, kinds: frozenset[str] | None = None) -> None:
        self._pack = Pack(place)
        info = from_json(self._pack.head.get("info"), _no_members)
        if not isinstance(info, DatasetInfo):
            raise DataError(f"{self._pack.place}/{layout.HEAD}: it does not say what the data are; pack them anew")
        requested = choose_kinds(Path(self._pack.place), info.kinds, kinds)
        left_out = {field for kind in info.kinds - requested for field in find_kind(kind).fields}
        self._left_out = frozenset(left_out - {field for kind in requested for field in find_kind(kind).fields})
        self.info = replace(
            info,
            groups=self._pack.array(layout.GROUPS) if self._pack.has(layout.GROUPS) else None,
            surface_set=info.surface_set and replace(info.surface_set, mesh=self._pack.file(layout.MESH)),
        )

    def __len__(self) -> int:
        return len(self._pack)

    def __getitem__(self, index: int) -> Sample:
        number = range(len(self))[index]
        return decode_sample(self._pack.read(number), self._pack.name_of(number), self._is_wanted)

    def file_of(self, index: int) -> str:
        """Return the shard and the number of a sample, without reading it."""
        return self._pack.name_of(range(len(self))[index])

    def truth(self, index: int) -> ImageTruth | None:
        """Return size and objects of an image."""
        if self._truths is None:
            return None
        number = range(len(self))[index]
        truth = read_whole_json(self._truths[number].tobytes())
        if not isinstance(truth, ImageTruth):
            raise DataError(f"{self._pack.place}/{layout.TRUTHS}: no objects of sample {number} in it; pack the data anew")
        return truth

    def labels_of(self, index: int) -> np.ndarray | None:
        """Return the class of an image, or those of its objects."""
        return None if self._labels is None else np.array(self._labels[range(len(self))[index]])

    def shard_starts(self) -> np.ndarray:
        """Return the first sample of each shard."""
        return self._pack.starts[:-1]

    def fetch_ahead(self, index: int) -> None:
        """Begin to fetch the shard of a sample into the cache."""
        self._pack.fetch_ahead(index)

    def _is_wanted(self, field: str) -> bool:
        return field not in self._left_out

    @cached_property
    def _truths(self) -> _Ragged | None:
        if not self._pack.has(layout.TRUTHS):
            return None
        return _Ragged(np.memmap(self._pack.file(layout.TRUTHS), np.uint8, "r"), self._pack.array(layout.TRUTH_ENDS))

    @cached_property
    def _labels(self) -> _Ragged | None:
        if not self._pack.has(layout.LABELS):
            return None
        return _Ragged(self._pack.array(layout.LABELS), self._pack.array(layout.LABEL_ENDS))


def _no_members(name: str) -> bytes:
    raise KeyError(name)


def build_shards(source: Source) -> ShardedDataset:
    """Return the data set that was packed at ``source.path``."""
    return ShardedDataset(source.path, kinds=source.kinds)
