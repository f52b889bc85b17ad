"""A data set of label images with other names or another order of its classes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pet.data.targets.dataset import IGNORE, Dataset, ImageTruth
from petlib.data.protocols import Sample


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
