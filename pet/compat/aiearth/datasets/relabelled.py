"""A data set of label images with other names or another order of its classes."""

from collections.abc import Sequence

import numpy as np

from pet.data.targets.kinds import IGNORE, ImageTruth, VisionDataset
from petlib.data.protocols import Sample


class Relabelled:
    """The samples of a data set whose label images have other numbers.

    Args:
        dataset: the data set.
        classes: the new names of the classes.
        numbers: for each class of ``dataset`` its new number.
    """

    numbered = False
    kinds = frozenset({"semseg"})
    keypoint_set = None
    part_set = None

    def __init__(self, dataset: VisionDataset, *, classes: Sequence[str], numbers: Sequence[int]) -> None:
        assert len(numbers) == len(dataset.semseg_classes), f"{len(numbers)} numbers for {len(dataset.semseg_classes)} classes"
        self.classes = list(classes)
        self.semseg_classes = self.classes
        self.category_ids = range(len(self.classes))
        self.skipped = dataset.skipped
        self._dataset = dataset
        self._table = np.full(256, IGNORE, np.uint8)
        self._table[: len(numbers)] = numbers

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Sample:
        sample = self._dataset[index]
        return {**sample, "semseg": self._table[sample["semseg"]]}

    def truth(self, index: int) -> ImageTruth:
        """Return the size of an image; there are no objects."""
        return self._dataset.truth(index)
