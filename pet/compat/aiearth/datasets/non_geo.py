"""What all data sets of the SDK have in common: samples of Pet, and a choice of classes."""

import copy
from collections.abc import Sequence
from typing import Self

from pet.compat.aiearth.datasets.classes import Relabelled, match_classes
from pet.data.files.images import silence_opencv
from pet.data.targets.dataset import Dataset
from pet.data.targets.label_coding import filtered_classes


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
