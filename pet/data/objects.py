"""The objects of images as samples of their own: what a network that looks at one object at a time is trained and measured on."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from pet.data.targets.dataset import Dataset, ImageTruth, read_truths
from pet.data.targets.kinds import find_kind, kinds_in, select_objects
from petlib.data.protocols import NamedFiles, Sample
from petlib.errors import DataError

TRUTH, DETECTOR = "truth", "detector"
"""Where boxes come from, as ``meta["boxes_from"]`` says."""

OBJECTS = "boxes"
"""The kind that leads the list of the objects."""


class ObjectBoxes(NamedTuple):
    """N boxes in images of a data set.

    Attributes:
        images: int64 (N,), place of the image in the data set.
        places: int64 (N,), place among the objects of the image's sample; -1: found by a detector, without targets.
        boxes: float32 (N, 4), XYXY in pixels of the file, not clipped to the image.
        labels: int64 (N,), classes from 0.
        scores: float32 (N,), how sure the detector was; 1 of the truth.
    """

    images: np.ndarray
    places: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


class ObjectCrops(Dataset):
    """A sample for each box: its image with the targets of that one object.

    ``meta`` has the ``box`` (4,), its ``label`` and ``score``, the place ``image`` of the image in the data set, the place ``object`` there
    (see :class:`ObjectBoxes`), and ``boxes_from``, :data:`TRUTH` or :data:`DETECTOR`. The transforms ``CropObject`` and
    ``RandomCropObject`` cut the object out. Boxes of one image that follow each other read it once.

    Args:
        dataset: the images.
        objects: the boxes, see :func:`true_objects`.
        boxes_from: where they come from.
    """

    def __init__(self, dataset: Dataset, objects: ObjectBoxes, *, boxes_from: str = TRUTH) -> None:
        self.dataset = dataset
        self.objects = objects
        self.boxes_from = boxes_from
        self.info = replace(dataset.info, groups=objects.images, parts=())
        self._last: tuple[int, Sample] | None = None

    def __len__(self) -> int:
        return len(self.objects.images)

    def __getitem__(self, index: int) -> Sample:
        objects, image, place = self.objects, int(self.objects.images[index]), int(self.objects.places[index])
        sample = self._read(image)
        meta = {
            **sample["meta"],
            "box": objects.boxes[index],
            "label": int(objects.labels[index]),
            "score": float(objects.scores[index]),
            "image": image,
            "object": place,
            "boxes_from": self.boxes_from,
        }
        if place < 0:
            return {**{kind.name: sample[kind.name] for kind in kinds_in(sample).pixels}, "meta": meta}
        kept = np.arange(len(sample[OBJECTS])) == place
        return {**select_objects(sample, kept, OBJECTS), "meta": meta}

    def file_of(self, index: int) -> str:
        """Return the file of an object's image without reading it; empty where the data set does not know it."""
        dataset = self.dataset
        return dataset.file_of(int(self.objects.images[index])) if isinstance(dataset, NamedFiles) else ""

    def truth(self, index: int) -> ImageTruth | None:
        """Return the object, without others of its image; None: it was found by a detector."""
        place, truth = int(self.objects.places[index]), self.dataset.truth(int(self.objects.images[index]))
        if place < 0 or truth is None:
            return None
        kept = np.zeros(len(truth.labels), bool)
        kept[np.flatnonzero(~truth.crowd)[place]] = True
        return truth.select(kept)

    def _read(self, image: int) -> Sample:
        if self._last is None or self._last[0] != image:
            self._last = image, self.dataset[image]
        return self._last[1]


def true_objects(dataset: Dataset, kinds: Sequence[str], *, source: str = "the data") -> ObjectBoxes:
    """Return the objects that have a target of one of some kinds, crowd regions left out, in the order of the images.

    Args:
        dataset: the images; their objects are known without reading them, and samples have those that are no crowd regions.
        kinds: the kinds of targets that a network learns, e.g. ``keypoints``: an object none of whose keypoints is marked is left out.
        source: what the data are called in messages.

    Raises:
        DataError: there is no such object, or the data do not say which objects an image has.
    """
    parts: list[ObjectBoxes] = []
    count = 0
    for image, truth in enumerate(read_truths(dataset)):
        own = truth.select(~truth.crowd)
        count += len(own.labels)
        places = np.flatnonzero(np.any([find_kind(kind).has_target(own) for kind in kinds], axis=0))
        full = np.full(len(places), image)
        parts.append(ObjectBoxes(full, places, own.boxes[places], own.labels[places], np.ones(len(places), np.float32)))
    if not any(len(part.images) for part in parts):
        wanted = " or ".join(kinds)
        raise DataError(
            f"{source}: none of the {count} objects has {wanted}: nothing can be learned from them or measured. Of keypoints the third "
            "number says whether they are marked: 0 is absent, 1 hidden, 2 visible"
        )
    return ObjectBoxes(*(np.concatenate([part[column] for part in parts]) for column in range(len(ObjectBoxes._fields))))
