"""Several data sets as one, and parts of one."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np

from pet.data.targets.dataset import Dataset, DatasetInfo, ImageTruth
from pet.data.targets.kind import Kind
from pet.data.targets.kinds import find_kind, kinds_in
from petlib.data.concatenated import ConcatenatedDataset
from petlib.data.protocols import NamedFiles, Sample
from petlib.errors import DataError


class JoinedDataset(ConcatenatedDataset, Dataset):
    """Data sets of the same classes, keypoints and parts, one after another.

    Args:
        names: what the data sets are called, for messages.
        datasets: the data sets.
        kinds: the kinds of targets that are learned; what other kinds count may differ.

    Raises:
        DataError: they differ in what a kind counts: classes, classes of pixels, keypoints, parts.
    """

    def __init__(self, names: Sequence[str], datasets: Sequence[Dataset], kinds: Sequence[str]) -> None:
        super().__init__(datasets)
        self._parts = list(datasets)
        infos = [dataset.info for dataset in datasets]
        for name, info in zip(names[1:], infos[1:], strict=True):
            _compare(names[0], infos[0], name, info, kinds)
        self.info = _join_infos(names, infos, [len(dataset) for dataset in datasets])
        self._before = [infos[:number] for number in range(len(infos))]
        self._following = [kind for kind in map(find_kind, kinds) if type(kind).follow is not Kind.follow]

    def __getitem__(self, index: int) -> Sample:
        number, inside = self.locate(index)
        sample = self._parts[number][inside]
        for kind in self._following:
            sample = {**sample, **kind.follow(sample, self._before[number])}
        return sample

    def truth(self, index: int) -> ImageTruth | None:
        """Return size and objects of an image."""
        number, inside = self.locate(index)
        truth = self._parts[number].truth(inside)
        if truth is None or not self._following:
            return truth
        fields = truth._asdict()
        for kind in self._following:
            fields |= kind.follow(fields, self._before[number])
        return ImageTruth(**fields)

    def labels_of(self, index: int) -> np.ndarray | None:
        """Return the classes of an image or of its objects."""
        number, inside = self.locate(index)
        return self._parts[number].labels_of(inside)

    def shard_starts(self) -> np.ndarray | None:
        """Return the first sample of each shard; data that do not lie in shards count as one."""
        found = [part.shard_starts() for part in self._parts]
        if all(starts is None for starts in found):
            return None
        begins = accumulate(map(len, self._parts[:-1]), initial=0)
        return np.concatenate([begin + (np.zeros(1, np.int64) if own is None else own) for begin, own in zip(begins, found, strict=True)])

    def fetch_ahead(self, index: int) -> None:
        """Begin to fetch the shard of a sample."""
        number, inside = self.locate(index)
        self._parts[number].fetch_ahead(inside)


class SomeSamples(Dataset):
    """Some samples of a data set, in the order in which they are named.

    Args:
        dataset: the data set.
        indices: places there.
    """

    def __init__(self, dataset: Dataset, indices: np.ndarray) -> None:
        self._dataset = dataset
        self._indices = np.asarray(indices, np.int64)
        groups = dataset.info.groups
        self.info = dataset.info if groups is None else replace(dataset.info, groups=groups[self._indices])

    def __len__(self) -> int:
        return len(self._indices)

    @property
    def num_all(self) -> int:
        """Samples of the data set that these are some of."""
        return len(self._dataset)

    def place_of(self, index: int) -> int:
        """Return the place of a sample in that data set."""
        return int(self._indices[index])

    def __getitem__(self, index: int) -> Sample:
        return self._dataset[int(self._indices[index])]

    def file_of(self, index: int) -> str:
        """Return the file of a sample without reading it; empty where the data set does not know it."""
        dataset = self._dataset
        return dataset.file_of(int(self._indices[index])) if isinstance(dataset, NamedFiles) else ""

    def truth(self, index: int) -> ImageTruth | None:
        """Return size and objects of an image."""
        return self._dataset.truth(int(self._indices[index]))

    def labels_of(self, index: int) -> np.ndarray | None:
        """Return the classes of an image or of its objects."""
        return self._dataset.labels_of(int(self._indices[index]))

    def shard_starts(self) -> np.ndarray | None:
        """Return the first sample of each shard that has some; None too where they are in another order."""
        starts = self._dataset.shard_starts()
        if starts is None or (np.diff(self._indices) < 0).any():
            return None
        firsts = np.unique(np.searchsorted(self._indices, starts))
        return firsts[firsts < len(self)]

    def fetch_ahead(self, index: int) -> None:
        """Begin to fetch the shard of a sample."""
        self._dataset.fetch_ahead(int(self._indices[index]))


class EvaluationSamples:
    """The samples of a data set for an evaluation: fields that a metric compares as the file has them, under names of their own.

    No transform moves ``truth_semseg`` and the like (:attr:`pet.data.targets.kind.Kind.truth_fields`); targets that evaluators read
    through ``truth`` of the data set are left out.

    Args:
        dataset: the data set.
        kinds: the kinds of targets that are evaluated.
    """

    def __init__(self, dataset: Dataset, kinds: Sequence[str]) -> None:
        self._dataset = dataset
        self._fields = {field: renamed for kind in kinds for field, renamed in find_kind(kind).truth_fields.items()}

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Sample:
        sample = self._dataset[index]
        pixels = {kind.name: sample[kind.name] for kind in kinds_in(sample).pixels}
        return {**pixels, **{renamed: sample[field] for field, renamed in self._fields.items()}, "meta": sample["meta"]}


def _compare(first_name: str, first: DatasetInfo, name: str, info: DatasetInfo, kinds: Sequence[str]) -> None:
    for kind in kinds:
        difference = find_kind(kind).compare(first, info)
        if difference:
            raise DataError(f"{first_name} and {name} cannot be joined: {difference}")


def _join_infos(names: Sequence[str], infos: Sequence[DatasetInfo], lengths: Sequence[int]) -> DatasetInfo:
    first = infos[0]
    numbered = all(info.numbered for info in infos)
    largest = max(infos, key=lambda info: info.num_classes) if numbered else first
    same_ids = all(list(info.category_ids) == list(first.category_ids) for info in infos)
    return replace(
        first,
        kinds=frozenset.intersection(*(info.kinds for info in infos)),
        classes=largest.classes,
        num_classes=largest.num_classes,
        numbered=numbered,
        first_label=min(info.first_label for info in infos),
        category_ids=first.category_ids if same_ids and not numbered else (),
        raw_labels=any(info.raw_labels for info in infos),
        void_is_stated=all(info.void_is_stated for info in infos),
        annotated=all(info.annotated for info in infos),
        lacking=next((info.lacking for info in infos if not info.annotated), ""),
        groups=_join_groups(infos, lengths),
        num_identities=sum(info.num_identities for info in infos),
        parts=list(zip(names, lengths, strict=True)),
        skipped={f"{name}: {reason}": count for name, info in zip(names, infos, strict=True) for reason, count in info.skipped.items()},
    )


def _join_groups(infos: Sequence[DatasetInfo], lengths: Sequence[int]) -> np.ndarray | None:
    if all(info.groups is None for info in infos):
        return None
    groups = [np.arange(length) if info.groups is None else info.groups for info, length in zip(infos, lengths, strict=True)]
    starts = [0, *accumulate(int(part.max(initial=-1)) + 1 for part in groups[:-1])]
    return np.concatenate([part + start for part, start in zip(groups, starts, strict=True)])
