"""Images with boxes, and some with label images, in the layout of Pascal VOC."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from pet.data.catalog.source import Source
from pet.data.datasets.voc_records import VOC_CLASSES, VocHeader, annotation_path, read_list, read_records
from pet.data.files.allowed_paths import INSIDE, Reach
from pet.data.files.label_images import read_checked_labels
from pet.data.files.sized_images import read_sized_image
from pet.data.targets.kinds import ImageTruth, KeypointSet, PartSet
from pet.data.targets.wanted import choose_kinds
from petlib.data.protocols import Sample
from petlib.data.records import share_records

BOXES = frozenset({"boxes"})


class VocDataset:
    """A folder with ``Annotations``, ``JPEGImages`` and ``ImageSets`` (http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc).

    Corners in the files are pixels that belong to the object, counted from 1; boxes here are edges in continuous coordinates:
    (xmin - 1, ymin - 1, xmax, ymax), clipped to the image. Objects marked as ``difficult`` are in :meth:`truth`, as crowd, and not in
    samples: libraries differ in whether they train on them, and their evaluations ignore them. Images without objects stay.

    Semantic labels (``SegmentationClass``, 255 ignored) are given only where ``kinds`` asks for them, because a part of the images has
    them: those of ``ImageSets/Segmentation`` are the samples then, else those of ``ImageSets/Main``.

    Args:
        folder: the folder, e.g. ``VOCdevkit/VOC2012``.
        split: name of the list of images, e.g. ``trainval``.
        classes: names of the classes in the order of their labels; None: the 20 of VOC where no other one occurs, else those that
            occur, sorted.
        kinds: kinds of targets of the samples; None: boxes.
        reach: where the ids of a list, which are parts of paths, may lead.

    Raises:
        DataError: a list or annotation file is missing or wrong, or a wanted kind is not there.
    """

    numbered = False
    keypoint_set: KeypointSet | None = None
    part_set: PartSet | None = None

    def __init__(
        self,
        *,
        folder: Path,
        split: str,
        classes: list[str] | None = None,
        kinds: frozenset[str] | None = None,
        reach: Reach = INSIDE,
    ) -> None:
        self.folder = folder
        has_labels = (folder / "SegmentationClass").is_dir() and (folder / "ImageSets" / "Segmentation" / f"{split}.txt").is_file()
        self.kinds: frozenset[str] = BOXES | {"semseg"} if has_labels else BOXES
        self._wanted = choose_kinds(folder, self.kinds, BOXES if kinds is None else kinds)
        list_kind = "Segmentation" if "semseg" in self._wanted else "Main"
        self._records = share_records(lambda: read_records(folder, read_list(folder, list_kind, split, reach), classes))
        header = cast("VocHeader", self._records[-1])
        self.classes = header.classes
        self.skipped = header.skipped
        self.category_ids: Sequence[int] = range(1, len(self.classes) + 1)
        self.semseg_classes: list[str] = self._name_pixels() if has_labels else []

    def __len__(self) -> int:
        return len(self._records) - 1

    def __getitem__(self, index: int) -> Sample:
        truth = self._record(index)
        size = truth.height, truth.width
        path = self.folder / truth.file
        image = read_sized_image(path, size=size, record=str(annotation_path(self.folder, str(truth.id))))
        sample: Sample = {"image": image, "meta": {"id": truth.id, "file": str(path), "size": size}}
        if "boxes" in self._wanted:
            chosen = np.flatnonzero(~truth.crowd)
            sample["boxes"] = truth.boxes[chosen]
            sample["labels"] = truth.labels[chosen]
        if "semseg" in self._wanted:
            labels = self.folder / "SegmentationClass" / f"{truth.id}.png"
            sample["semseg"] = read_checked_labels(labels, size=size, count=len(self.semseg_classes))
        return sample

    def file_of(self, index: int) -> str:
        """Return the file of a sample's image, without reading it."""
        truth = self._record(index)
        return str(self.folder / truth.file)

    def truth(self, index: int) -> ImageTruth:
        """Return the objects of an image with the difficult ones."""
        truth = self._record(index)
        return truth._replace(file=str(self.folder / truth.file))

    def _record(self, index: int) -> ImageTruth:
        # the header stands behind the last image
        return cast("ImageTruth", self._records[range(len(self))[index]])

    def _name_pixels(self) -> list[str]:
        """Return the classes of label images, whose values follow VOC's own order whatever the order of ours is."""
        return ["background", *(VOC_CLASSES if set(self.classes) == set(VOC_CLASSES) else self.classes)]


def build_voc(source: Source) -> VocDataset:
    """Return the split ``source.split`` of the folder ``source.path``."""
    return VocDataset(folder=source.path, split=source.split, classes=source.classes, kinds=source.kinds, reach=source.reach)
