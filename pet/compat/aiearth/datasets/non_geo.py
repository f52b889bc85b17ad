"""What all data sets of the SDK have in common: samples of Pet, and a choice of classes."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np

from pet.compat.shared.running import begin_script
from pet.data.datasets.public_set import BACKGROUNDS
from pet.data.files.images import silence_opencv
from pet.data.targets.dataset import IGNORE, Dataset, ImageTruth
from pet.data.targets.label_coding import filtered_classes
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


class NonGeoDataset:
    """Images, or pairs of dates, with label images, under the names of AI Earth's SDK.

    Args:
        samples: the samples, with all classes.
        name: what the data are called in messages.
        num_images: images of a sample: 2 for pairs of dates.
        classes_filter: classes that become 1, 2, ...; all others become the background, 0. Empty: all classes stay.

    Raises:
        ConfigError: a name of ``classes_filter`` is no class.
    """

    def __init__(self, samples: Dataset, *, name: str, num_images: int, classes_filter: Sequence[str] = ()) -> None:
        begin_script()
        silence_opencv()
        self.name = name
        self.num_images = num_images
        self.classes_filter: list[str] = []
        self._samples = samples
        self.set_classes_filter(classes_filter)

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def classes(self) -> list[str]:
        """Names of the classes in the order of their numbers, after the filter."""
        return filtered_classes(self._samples.info.semseg_classes, self.classes_filter)[0]

    @property
    def img_shape(self) -> tuple[int, ...]:
        """Shape of the first image: rows, columns, channels."""
        return tuple(self._samples[0]["image"].shape)

    @property
    def ann_shape(self) -> tuple[int, ...]:
        """Shape of the first label image: rows, columns, 1."""
        return (*self._samples[0]["semseg"].shape, 1)

    def set_classes_filter(self, classes_filter: Sequence[str]) -> None:
        """Keep these classes as 1, 2, ...; all others become the background.

        Raises:
            ConfigError: a name is no class.
        """
        filtered_classes(self._samples.info.semseg_classes, classes_filter)
        self.classes_filter = list(classes_filter)

    def restore_classes(self) -> None:
        """Keep all classes again."""
        self.classes_filter = []

    def samples(self, classes: Sequence[str] = ()) -> Dataset:
        """Return the samples as Pet trains on them.

        Args:
            classes: the classes of a job, whose order the labels follow; empty: those of the data set.

        Raises:
            ConfigError: these are not the classes of the data set.
        """
        kept, numbers = filtered_classes(self._samples.info.semseg_classes, self.classes_filter)
        places = match_classes(kept, classes or kept, name=self.name)
        return Relabelled(self._samples, classes=classes or kept, numbers=[places[number] for number in numbers])

    @property
    def all_samples(self) -> Dataset:
        """The samples with all classes, whatever the filter."""
        return self._samples

    def part(self, samples: Dataset) -> Self:
        """Return the same data set with some of its samples."""
        part = copy.copy(self)
        part.classes_filter = list(self.classes_filter)
        part._samples = samples
        return part
