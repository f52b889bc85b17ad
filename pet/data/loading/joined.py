"""Several data sets with targets as one, and parts of one."""

from collections.abc import Sequence

import numpy as np

from pet.data.targets.kinds import IMAGE_FIELDS, ImageTruth, VisionDataset
from pet.data.targets.labelled import describe_difference
from petlib.data.concatenated import ConcatenatedDataset
from petlib.data.protocols import Sample
from petlib.errors import DataError


class JoinedVisionDataset(ConcatenatedDataset):
    """Data sets of the same classes, keypoints and parts, one after another.

    Args:
        names: what the data sets are called, for messages.
        datasets: the data sets.
        kinds: the kinds of targets that are wanted; what others are called may differ.

    Raises:
        DataError: they differ in classes, or in keypoints, parts or classes of pixels that are wanted.
    """

    def __init__(self, names: Sequence[str], datasets: Sequence[VisionDataset], kinds: Sequence[str]) -> None:
        super().__init__(datasets)
        first = datasets[0]
        self._parts = list(datasets)
        for name, dataset in zip(names, datasets, strict=True):
            _compare("classes", names[0], first.classes, name, dataset.classes)
            if "semseg" in kinds:
                _compare("classes of pixels", names[0], first.semseg_classes, name, dataset.semseg_classes)
            if "keypoints" in kinds:
                _compare("keypoints", names[0], _keypoint_names(first), name, _keypoint_names(dataset))
            if "parsing" in kinds:
                _compare("parts", names[0], _part_names(first), name, _part_names(dataset))
        self.classes = first.classes
        self.numbered = False
        self.kinds = frozenset.intersection(*(dataset.kinds for dataset in datasets))
        self.semseg_classes = first.semseg_classes
        self.keypoint_set = first.keypoint_set
        self.part_set = first.part_set
        same_ids = all(list(dataset.category_ids) == list(first.category_ids) for dataset in datasets)
        self.category_ids = first.category_ids if same_ids else range(1, len(first.classes) + 1)
        self.raw_labels = any(getattr(dataset, "raw_labels", False) for dataset in datasets)
        self.skipped = {
            f"{name}: {reason}": count for name, dataset in zip(names, datasets, strict=True) for reason, count in dataset.skipped.items()
        }

    @property
    def image_numbers(self) -> np.ndarray:
        """Number of the image that each sample is part of, int64 (len,)."""
        numbers: list[np.ndarray] = []
        for part in self._parts:
            own = getattr(part, "image_numbers", None)
            own = np.arange(len(part)) if own is None else own
            numbers.append(own + (numbers[-1].max() + 1 if numbers else 0))
        return np.concatenate(numbers)

    def truth(self, index: int) -> ImageTruth:
        """Return the objects of an image."""
        number, inside = self.locate(index)
        return self._parts[number].truth(inside)


class SomeSamples:
    """Some samples of a data set, in the order in which they are named.

    Args:
        dataset: the data set.
        indices: places there.
    """

    def __init__(self, dataset: VisionDataset, indices: np.ndarray) -> None:
        self._dataset = dataset
        self._indices = np.asarray(indices, np.int64)
        self.classes = dataset.classes
        self.numbered = dataset.numbered
        self.kinds = dataset.kinds
        self.semseg_classes = dataset.semseg_classes
        self.keypoint_set = dataset.keypoint_set
        self.part_set = dataset.part_set
        self.category_ids = dataset.category_ids
        self.skipped = dataset.skipped
        self.raw_labels = getattr(dataset, "raw_labels", False)

    @property
    def image_numbers(self) -> np.ndarray | None:
        """Number of the image that each sample is part of, int64 (len,); None: every sample is an image."""
        numbers: np.ndarray | None = getattr(self._dataset, "image_numbers", None)
        return None if numbers is None else numbers[self._indices]

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Sample:
        return self._dataset[int(self._indices[index])]

    def truth(self, index: int) -> ImageTruth:
        """Return the objects of an image."""
        return self._dataset.truth(int(self._indices[index]))


class TruthApart:
    """The samples of a data set for an evaluation: fields that a metric compares pixel by pixel get names of their own.

    ``semseg``, ``parsing``, ``instances``, ``instance_ids`` and ``labels`` become ``truth_semseg`` and so on, which no transform
    moves; targets that evaluators read through ``truth`` of the data set are left out.

    Args:
        dataset: the data set.
        kinds: the kinds of targets that are evaluated.
    """

    def __init__(self, dataset: VisionDataset, kinds: Sequence[str]) -> None:
        self._dataset = dataset
        self._fields = (("semseg",) if "semseg" in kinds else ()) + (
            ("parsing", "instances", "instance_ids", "labels") if "parsing" in kinds else ()
        )

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Sample:
        sample = self._dataset[index]
        truth = {f"truth_{field}": sample[field] for field in self._fields}
        images = {field: sample[field] for field in IMAGE_FIELDS if field in sample}
        return {**images, **truth, "meta": sample["meta"]}


def _compare(what: str, first_name: str, first: Sequence[str], name: str, other: Sequence[str]) -> None:
    if list(first) != list(other):
        hint = "; set DATA.CLASSES to the classes of all" if what == "classes" else ""
        difference = describe_difference(first, other).replace(" classes", f" {what}", 1)
        raise DataError(f"{first_name} and {name} cannot be joined: {difference}{hint}")


def _keypoint_names(dataset: VisionDataset) -> Sequence[str]:
    return dataset.keypoint_set.names if dataset.keypoint_set else ()


def _part_names(dataset: VisionDataset) -> Sequence[str]:
    return dataset.part_set.names if dataset.part_set else ()
