"""Which classes of a data set the class names of a job mean, and samples whose labels have the numbers of the job."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pet.data.datasets.public_set import BACKGROUNDS
from pet.data.targets.dataset import IGNORE, Dataset, ImageTruth
from petlib.data.protocols import Sample
from petlib.errors import ConfigError


def match_classes(own: Sequence[str], wanted: Sequence[str], *, name: str) -> list[int]:
    """Return for each class of a data set the place of its name among the classes of a job.

    Names decide, whatever their order and their case; all names of the background are the same. Where there are two classes, one whose
    name the other side does not know is the one that is left: what one calls ``target`` another calls ``water``.

    Args:
        own: the classes of the data set.
        wanted: the classes of the job.
        name: what the data set is called in messages.

    Raises:
        ConfigError: the classes are not the same.
    """
    theirs, ours = [_plain(label) for label in own], [_plain(label) for label in wanted]
    if sorted(theirs) == sorted(ours):
        return [ours.index(label) for label in theirs]
    if len(theirs) == len(ours) == 2:
        return [1, 0] if theirs[0] == ours[1] or theirs[1] == ours[0] else [0, 1]
    raise ConfigError(
        f"{name} has {len(own)} classes and the job {len(wanted)}; {_only(own, ours, 'the data')}{_only(wanted, theirs, 'the job')}"
        f"set classes of the job to {list(own)}, in any order, or choose some of them with classes_filter"
    )


def _plain(label: str) -> str:
    label = label.strip().lower()
    return BACKGROUNDS[0] if label in BACKGROUNDS else label


def _only(labels: Sequence[str], others: Sequence[str], where: str) -> str:
    alone = [label for label in labels if _plain(label) not in others]
    return f"only {where} {'has' if where == 'the job' else 'have'} {', '.join(alone)}; " if alone else ""


class Relabelled(Dataset):
    """The samples of a data set whose label images have other numbers.

    Args:
        dataset: the data set.
        classes: the new names of the classes.
        numbers: for each class of ``dataset`` its new number.
    """

    def __init__(self, dataset: Dataset, *, classes: Sequence[str], numbers: Sequence[int]) -> None:
        known = len(dataset.info.semseg_classes)
        assert len(numbers) == known, f"{len(numbers)} numbers for {known} classes"
        self.info = replace(
            dataset.info, classes=classes, num_classes=0, semseg_classes=classes, category_ids=range(len(classes)), raw_labels=False
        )
        self._dataset = dataset
        self._table = np.full(256, IGNORE, np.uint8)
        self._table[: len(numbers)] = numbers

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Sample:
        sample = self._dataset[index]
        return {**sample, "semseg": self._table[sample["semseg"]]}

    def truth(self, index: int) -> ImageTruth | None:
        """Return the size of an image; there are no objects."""
        return self._dataset.truth(index)
