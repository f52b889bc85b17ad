"""Data sets whose samples have classes."""

from collections.abc import Sequence
from typing import Protocol

from petlib.data.concatenated import ConcatenatedDataset
from petlib.data.protocols import Sample
from petlib.errors import DataError


class LabelledDataset(Protocol):
    """Samples with an ``image`` and a ``label``, which counts in ``classes``.

    Attributes:
        classes: names of the classes in the order of their labels.
        numbered: the labels are bare numbers, so that ``classes`` ends with the greatest one that occurs.
    """

    classes: list[str]
    numbered: bool

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample: ...


class JoinedDataset(ConcatenatedDataset):
    """Several labelled data sets of the same classes, one after another.

    Args:
        names: what the data sets are called, for messages.
        datasets: the data sets.

    Raises:
        DataError: their classes differ.
    """

    def __init__(self, names: Sequence[str], datasets: Sequence[LabelledDataset]) -> None:
        super().__init__(datasets)
        self.numbered = all(dataset.numbered for dataset in datasets)
        self.classes = max((dataset.classes for dataset in datasets), key=len) if self.numbered else datasets[0].classes
        for name, dataset in zip(names, datasets, strict=True):
            if not self.numbered and dataset.classes != self.classes:
                raise DataError(
                    f"{names[0]} and {name} cannot be joined: {describe_difference(self.classes, dataset.classes)}; "
                    "set DATA.CLASSES to the classes of all"
                )


def describe_difference(first: Sequence[str], second: Sequence[str]) -> str:
    """Return how the classes of two sources differ, in words."""
    only_first = [name for name in first if name not in second]
    only_second = [name for name in second if name not in first]
    parts = [
        f"only the {which} has {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"
        for which, names in (("first", only_first), ("second", only_second))
        if names
    ]
    return f"{len(first)} and {len(second)} classes, " + (", ".join(parts) or "in another order")
