"""Data sets whose numbers mean what they mean to the model: a reader numbers its classes on its own, and names bring them together."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from pet.data.loading.joined import SomeSamples
from pet.data.targets.dataset import Dataset, DatasetInfo, ImageTruth
from pet.data.targets.kind import Kind
from pet.data.targets.kinds import find_kind, select_objects
from pet.data.targets.names import OTHER, Names, names_of, numbers_in, shown
from pet.data.targets.numbering import describe_difference
from petlib.data.protocols import NamedFiles, Sample
from petlib.errors import DataError
from petlib.suggest import nearest_names

OtherClasses = Literal["refuse", "skip"]
TRAINING = "the training"
OF_OTHER_CLASS = "of a class that is left out (DATA.OTHER_CLASSES)"

logger = logging.getLogger(__name__)


class Renumbered(Dataset):
    """The samples of a data set with other numbers of classes, keypoints and parts; objects of other classes are left out.

    Args:
        dataset: the data set.
        tables: kind -> for each of its numbers the new one, or ``OTHER``.
        info: what holds for the samples with the new numbers.
    """

    def __init__(self, dataset: Dataset, tables: Mapping[str, np.ndarray], info: DatasetInfo) -> None:
        self._dataset = dataset
        self._tables = [(find_kind(kind), table) for kind, table in tables.items()]
        self.info = info

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Sample:
        sample = dict(self._dataset[index])
        for kind, table in self._tables:
            fields, kept = kind.renumber(sample, table)
            sample.update(fields)
            if kept is not None:
                sample = select_objects(sample, kept, kind.name)
        return sample

    def file_of(self, index: int) -> str:
        """Return the file of a sample without reading it; empty where the data set does not know it."""
        return _file_of(self._dataset, index)

    def truth(self, index: int) -> ImageTruth | None:
        """Return size and objects of an image."""
        truth = self._dataset.truth(index)
        if truth is None:
            return None
        for kind, table in self._tables:
            fields, kept = kind.renumber(truth._asdict(), table)
            truth = truth._replace(**{name: value for name, value in fields.items() if name in truth._fields})
            truth = truth if kept is None else truth.select(kept)
        return truth

    def labels_of(self, index: int) -> np.ndarray | None:
        """Return the classes of an image or of its objects."""
        labels = self._dataset.labels_of(index)
        for kind, table in self._tables if labels is not None else ():
            labels = table[labels] if kind.classifies else labels
        return None if labels is None else labels[labels != OTHER]

    def shard_starts(self) -> np.ndarray | None:
        """Return the first sample of each shard."""
        return self._dataset.shard_starts()

    def fetch_ahead(self, index: int) -> None:
        """Begin to fetch the shard of a sample."""
        self._dataset.fetch_ahead(index)


class _Comparison(NamedTuple):
    """The names of a kind in a data set, and those that its numbers are to have.

    Attributes:
        source: what the data set is called in messages.
        kind: the kind.
        own: the names in the data set.
        wanted: the names that are to be.
        whose: whose those are, for messages.
    """

    source: str
    kind: Kind
    own: Sequence[str]
    wanted: Sequence[str]
    whose: str

    @property
    def table(self) -> np.ndarray:
        """For each number of the data set the one that it is to have, int64, or ``OTHER``."""
        return numbers_in(self.own, self.wanted)

    @property
    def lacking(self) -> list[str]:
        """The names of which the data set has nothing."""
        return [name for name in self.wanted if name not in self.own]


class _Others(NamedTuple):
    """What a data set has of other classes.

    Attributes:
        counts: class -> images or objects; 0: their number is not known before all is read.
        kept: bool (len,), the samples that are left.
        first: the file of the first of them; empty: not known.
    """

    counts: Mapping[str, int]
    kept: np.ndarray
    first: str


def with_names(
    source: str,
    dataset: Dataset,
    names: Names,
    kinds: Sequence[str],
    *,
    others: OtherClasses = "refuse",
    whose: str = TRAINING,
) -> Dataset:
    """Return a data set whose numbers are places in ``names``, by its own names; which of them it lacks is reported.

    Args:
        source: what the data set is called in messages.
        dataset: the data set.
        names: what the numbers of the model mean; a kind that is left out stays as it is, as does one without names in the data.
        kinds: the kinds of targets that are learned or evaluated.
        others: ``refuse`` raises where there is something of a class that is not among the names; ``skip`` leaves that out: images and
            objects are counted, pixels count nowhere.
        whose: whose names these are, for messages.

    Raises:
        DataError: there is something of another class, there are other keypoints or parts, or raw labels would need other numbers.
    """
    known = {kind: own for kind, own in names_of(dataset.info, kinds).items() if kind in names}
    compared = {kind: _Comparison(source, find_kind(kind), own, names[kind], whose) for kind, own in known.items()}
    skipped = dict(dataset.info.skipped)
    for comparison in compared.values():
        dataset, counts = _without_others(dataset, comparison, others)
        # what the reader left out it has counted
        skipped |= {f"{OF_OTHER_CLASS}: {other}": count for other, count in counts.items() if other not in dataset.info.left_out}
    changed = {kind: comparison for kind, comparison in compared.items() if list(comparison.own) != list(comparison.wanted)}
    if not changed:
        return dataset
    info = replace(dataset.info, skipped=skipped)
    for comparison in changed.values():
        if info.raw_labels:
            raise DataError(
                f"{source}: {describe_difference(comparison.own, comparison.wanted)}, and raw labels keep their numbers; give them the "
                f"names of {whose}, in its order: {shown(comparison.wanted)}"
            )
        info = comparison.kind.renamed(info, comparison.wanted, comparison.table)
    return Renumbered(dataset, {kind: comparison.table for kind, comparison in changed.items()}, info)


def in_order_of(names: Names, dataset: Dataset, kinds: Sequence[str]) -> Dataset:
    """Return a data set whose numbers are places in ``names`` where it has the same names in another order; else itself."""
    own = names_of(dataset.info, kinds)
    same = {kind: names[kind] for kind, found in own.items() if kind in names and sorted(found) == sorted(names[kind])}
    return dataset if dataset.info.raw_labels else with_names("", dataset, same, kinds)


def _without_others(dataset: Dataset, comparison: _Comparison, others: OtherClasses) -> tuple[Dataset, Mapping[str, int]]:
    """Return the data set without the images of other classes, and what there is of these; objects and pixels go when they are read."""
    source, kind, own, wanted, whose = comparison
    lacking = comparison.lacking
    if kind.fixed_names and sorted(own) != sorted(wanted):
        raise DataError(f"{source} has other {kind.counted} than {whose}: {describe_difference(own, wanted, what=kind.counted)}")
    found = _find_others(dataset, comparison)
    if found.counts and others == "refuse":
        raise DataError(_describe_others(comparison, found))
    if lacking:
        logger.warning("%s: nothing of %d of the %d classes of %s: %s", source, len(lacking), len(wanted), whose, shown(lacking))
    if not found.counts:
        return dataset, {}
    logger.warning("%s: left out, of other classes than those of %s: %s (with_names.others)", source, whose, _counted(found.counts))
    if not found.kept.any():
        raise DataError(f"{source}: no image is of a class of {whose} ({shown(wanted)})")
    if kind.whole_image and not any(found.counts.values()):
        raise DataError(f"{source}: images of other classes cannot be left out: its {type(dataset).__name__} has no labels_of(index)")
    return dataset if found.kept.all() else SomeSamples(dataset, np.flatnonzero(found.kept)), found.counts


def _find_others(dataset: Dataset, comparison: _Comparison) -> _Others:
    kind, own, table = comparison.kind, comparison.own, comparison.table
    beyond = [name for name, number in zip(own, table.tolist(), strict=True) if number == OTHER]
    counts = dict(dataset.info.left_out) if kind.classifies else dict.fromkeys(beyond, 0)
    kept = np.ones(len(dataset), bool)
    first = ""
    # a class of images or objects that does not occur is as good as not listed
    for index in range(len(dataset)) if beyond and kind.classifies else ():
        labels = dataset.labels_of(index)
        if labels is None:
            counts = dict.fromkeys(beyond, 0)
            break
        strange = [own[label] for label in labels.tolist() if table[label] == OTHER]
        if strange:
            counts.update({other: counts.get(other, 0) + strange.count(other) for other in set(strange)})
            kept[index] = not kind.whole_image
            first = first or _file_of(dataset, index)
    return _Others(counts, kept, first)


def _describe_others(comparison: _Comparison, found: _Others) -> str:
    source, kind, _, wanted, whose = comparison
    lacking = comparison.lacking
    close = ((known, nearest_names(known, found.counts)) for known in lacking)
    meant = next((f"; {' or '.join(map(repr, others))} may be {known!r} of {whose}" for known, others in close if others), "")
    lacks = f"; {source} has nothing of {shown(lacking)}" if lacking else ""
    first = f"; the first is in {found.first}" if found.first else ""
    return (
        f"{source} has {kind.counted} that {whose} does not know: {_counted(found.counts)}{first}{meant}\n"
        f"  {whose} has {shown(wanted)}{lacks}\n"
        "  correct the names, name all classes in Source.classes, or leave out what is of other classes with with_names.others skip"
    )


def _counted(counts: Mapping[str, int]) -> str:
    return shown([f"{name} ({count:,} times)" if count else name for name, count in sorted(counts.items())])


def _file_of(dataset: Dataset, index: int) -> str:
    return dataset.file_of(index) if isinstance(dataset, NamedFiles) else ""
