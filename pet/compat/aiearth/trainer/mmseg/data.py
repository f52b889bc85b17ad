"""The data sets of a training as one for each part, with the classes that decide on the head."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pet.compat.aiearth.datasets.non_geo import NonGeoDataset
from pet.data.loading.joined import JoinedDataset
from pet.data.targets.dataset import Dataset
from petlib.errors import ConfigError, DataError
from petlib.suggest import did_you_mean

PARTS = ("train", "val", "test")
KINDS = {1: "single images", 2: "pairs of dates"}


class TrainerData(NamedTuple):
    """Lists of data sets under ``train``, ``val`` and ``test``.

    Attributes:
        datasets: the lists.
        classes: names of the classes in the order of their labels; None: those of the first data set.
        owner: what has them, for messages.
        advice: how a data set is added to ``{part}``, for messages.
    """

    datasets: Mapping[str, Sequence[NonGeoDataset]]
    classes: Sequence[str] | None
    owner: str
    advice: str

    def check(self, trainer: str, num_images: int) -> None:
        """Check names and kinds.

        Args:
            trainer: its class, for messages.
            num_images: that the network takes at once.

        Raises:
            ConfigError: a part has another name.
            DataError: something is no data set, or has another number of images.
        """
        unknown = [part for part in self.datasets if part not in PARTS]
        if unknown:
            raise ConfigError(f"{self.owner}.datasets: unknown part {unknown[0]!r}{did_you_mean(unknown[0], PARTS)}")
        for part in PARTS:
            for dataset in self.datasets.get(part, []):
                check_dataset(dataset, f'{self.owner}.datasets["{part}"]', trainer, num_images)

    @property
    def class_names(self) -> list[str]:
        """Names of the classes.

        Raises:
            DataError: neither classes nor data are given.
        """
        if self.classes is not None:
            return list(self.classes)
        first = next((dataset for part in PARTS for dataset in self.datasets.get(part, [])), None)
        if first is None:
            raise DataError(f"{self.owner}: neither classes nor data are given; set classes, and {self.advice.format(part='train')}")
        return first.classes

    def joined(self, part: str) -> Dataset | None:
        """Return the data of a part as one data set; None: there are none."""
        datasets = self.datasets.get(part, [])
        samples = [dataset.samples(self.class_names) for dataset in datasets]
        if len(samples) > 1:
            return JoinedDataset([dataset.name for dataset in datasets], samples, ("semseg",))
        return samples[0] if samples else None

    def required(self, *parts: str, purpose: str) -> Dataset:
        """Return the data of the first of some parts that has any.

        Raises:
            DataError: none has.
        """
        for part in parts:
            if (data := self.joined(part)) is not None:
                return data
        raise DataError(f"{self.owner}: there are no {purpose} data; {self.advice.format(part=parts[0])}")


def check_dataset(dataset: Any, place: str, trainer: str, num_images: int) -> None:
    """Check that something is a data set of images that a network takes.

    Raises:
        DataError: it is not.
    """
    if not isinstance(dataset, NonGeoDataset):
        raise DataError(
            f"{place}: {dataset!r} given, a data set of pet.compat.aiearth.datasets or pet.compat.aiearth.cloud.datasets expected"
        )
    if dataset.num_images != num_images:
        raise DataError(f"{place}: {dataset.name} has {KINDS[dataset.num_images]}, but {trainer} learns from {KINDS[num_images]}")
