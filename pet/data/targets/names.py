"""What the numbers in targets and predictions are called, by kind: names decide which class a number means, in every data set of a run."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from pet.data.targets.dataset import DatasetInfo
from pet.data.targets.kind import Kind
from pet.data.targets.kinds import find_kind
from pet.data.targets.numbering import MOST_NAMES

Names = Mapping[str, Sequence[str]]
"""Kind -> the names of its numbers, from 0 on; a kind whose numbers have no names is left out."""

NO_NAMES: Names = MappingProxyType({})

OTHER = -1
"""In a table of numbers: what is none of the names."""


def names_of(info: DatasetInfo, kinds: Iterable[str]) -> dict[str, list[str]]:
    """Return what the numbers of a data set are called; bare numbers are no names."""
    found = {kind: list(find_kind(kind).names(info)) for kind in kinds}
    return {kind: names for kind, names in found.items() if names and not _are_numbers(names, find_kind(kind), info)}


def _are_numbers(names: Sequence[str], kind: Kind, info: DatasetInfo) -> bool:
    """Return whether the data number what they do not name: the labels of a list, the keypoints of a category."""
    if kind.fixed_names:
        return list(names) == list(map(str, range(len(names))))
    return info.numbered and list(names) == list(info.classes)


def numbers_in(names: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """Return for each name its place in ``wanted``, int64, ``OTHER`` where it is not there."""
    places = {name: place for place, name in enumerate(wanted)}
    return np.array([places.get(name, OTHER) for name in names], np.int64)


def info_of(names: Names) -> DatasetInfo:
    """Return what a data set with these names would say of itself."""
    info = DatasetInfo(frozenset(names))
    for kind, own in names.items():
        # there are no numbers yet that could get other ones
        info = find_kind(kind).renamed(info, own, np.zeros(0, np.int64))
    return info


def shown(names: Sequence[str]) -> str:
    """Return the first names, as messages list them."""
    return ", ".join(names[:MOST_NAMES]) + (", ..." if len(names) > MOST_NAMES else "")
