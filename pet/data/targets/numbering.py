"""What the numbers of a kind of target mean, as data sets and models say it: classes, keypoints, parts."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pet.data.targets.dataset import DatasetInfo, Expectation
from petlib.errors import DataError

MOST_NAMES = 5
"""Names that a message lists."""


class Sides(NamedTuple):
    """Left and right of the numbers of a kind.

    Attributes:
        swap: which number is which in a mirrored image.
        known: false where nothing is known of left and right although the numbers may well have sides.
    """

    swap: Sequence[int]
    known: bool = True


class Numbering:
    """The numbers of a kind, which data sets and models know by name or count; the base of :class:`pet.data.targets.kind.Kind`.

    Attributes:
        name: name of the kind, and that of the field by which a sample is known to have it.
        counted: what its numbers count, for messages, e.g. ``keypoints``; empty: nothing.
        classifies: its numbers are the classes of images or objects that :meth:`Dataset.labels_of` gives.
        has_lines: pictures join its places by lines, which only a data set knows.
        fixed_names: all data sets of a run have all of its names, in whatever order: what lacks one is something else.
    """

    name: str
    counted = ""
    classifies = False
    has_lines = False
    fixed_names = False

    def names(self, info: DatasetInfo) -> Sequence[str]:
        """Return the names of its numbers, where it counts something."""
        return ()

    def count(self, info: DatasetInfo) -> int:
        """Return how many numbers there are."""
        return len(self.names(info))

    def sides(self, info: DatasetInfo) -> Sides | None:
        """Return which of its numbers are left and right; None: it has no sides."""
        return None

    def check_info(self, info: DatasetInfo, expected: Expectation, source: str) -> None:
        """Compare what data have with what a model knows.

        Raises:
            DataError: the numbers differ; ``source`` names the data.
        """
        found, known = self.count(info), expected.counts.get(self.name)
        if self.counted and known is not None and found != known:
            raise DataError(describe_misfit(self, info, expected, source))

    def compare(self, first: DatasetInfo, second: DatasetInfo) -> str:
        """Return how the numbers of two data sets differ, in words; empty: they agree."""
        names, others = list(self.names(first)), list(self.names(second))
        return "" if names == others else describe_difference(names, others, what=self.counted)

    def renamed(self, info: DatasetInfo, names: Sequence[str], table: np.ndarray) -> DatasetInfo:
        """Return what a data set says of itself when its numbers are places in ``names``.

        Args:
            info: what it says now.
            names: the names of the new numbers.
            table: int64, for each number of now the new one, -1: none.
        """
        return info

    def renumber(self, fields: dict[str, Any], table: np.ndarray) -> tuple[dict[str, Any], np.ndarray | None]:
        """Return the fields, of a sample or of an image's truth, that have other numbers now, and bool (N,): which of its objects stay.

        None: all. ``table`` is that of :meth:`renamed`.
        """
        return {}, None

    def follow(self, fields: dict[str, Any], before: Sequence[DatasetInfo]) -> dict[str, Any]:
        """Return the fields, of a sample or of an image's truth, that change where its data set is joined behind others.

        Most numbers have names that all data sets share, and stay.
        """
        return {}


def describe_misfit(kind: Numbering, info: DatasetInfo, expected: Expectation, source: str) -> str:
    """Return that the numbers of a kind differ in data and model, and what to do."""
    found, names = kind.count(info), kind.names(info)
    shown = f" ({', '.join(names[:MOST_NAMES])}{', ...' if found > MOST_NAMES else ''})" if names or not found else ""
    hint = f": set {expected.settings[kind.name]} to {found}" if kind.name in expected.settings else ""
    return f"{source} have {found} {kind.counted}{shown}, the model has {expected.counts[kind.name]}{hint}"


def describe_difference(first: Sequence[str], second: Sequence[str], what: str = "classes") -> str:
    """Return how the names of two sources differ, in words."""
    only_first = [name for name in first if name not in second]
    only_second = [name for name in second if name not in first]
    parts = [
        f"only the {which} has {', '.join(names[:MOST_NAMES])}{', ...' if len(names) > MOST_NAMES else ''}"
        for which, names in (("first", only_first), ("second", only_second))
        if names
    ]
    return f"{len(first)} and {len(second)} {what}, " + (", ".join(parts) or "in another order")
