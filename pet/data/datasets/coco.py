"""Images with objects in the format of COCO."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from pet.data.catalog.source import Source
from pet.data.datasets.coco_objects import CocoRecord
from pet.data.datasets.coco_records import CocoHeader, read_records
from pet.data.files.allowed_paths import INSIDE, Reach
from pet.data.files.sized_images import read_sized_image
from pet.data.targets.kinds import ImageTruth
from pet.structures.masks import InstanceMasks
from petlib.data.protocols import Sample
from petlib.data.records import share_records
from petlib.errors import ConfigError


class CocoDataset:
    """A folder of images and a COCO file (https://cocodataset.org/#format-data) with boxes, masks and keypoints.

    Crowd regions (``iscrowd``) are in :meth:`truth` and not in samples. Images without objects stay. An entry ``ignore`` of an
    annotation changes nothing, as in pycocotools. Boxes of samples are clipped to the image; those of :meth:`truth` are as the
    file has them, so that metrics are those of pycocotools. Objects without area, outside of the image or, where masks are wanted,
    without a mask are left out everywhere and counted in ``skipped``. Semantic and part labels beside the file:
    :func:`pet.data.datasets.coco_extension.read_extension`.

    Args:
        images: the folder that the file names of images start from.
        annotations: the COCO file.
        classes: names of the classes in the order of their labels, objects of others are left out; None: all, by category id.
        kinds: kinds of targets of the samples; None: all that the file has.
        reach: where the names of images and of folders of label images may lead.

    Raises:
        DataError: the file cannot be used, is wrong, or lacks a wanted kind; the message names the record.
    """

    numbered = False

    def __init__(
        self,
        *,
        images: Path,
        annotations: Path,
        classes: list[str] | None = None,
        kinds: frozenset[str] | None = None,
        reach: Reach = INSIDE,
    ) -> None:
        self._images = images
        self._annotations = annotations
        self._records = share_records(lambda: read_records(annotations, classes, kinds, images=images, reach=reach))
        header = cast("CocoHeader", self._records[-1])
        self._wanted, self._labels = header.wanted, header.labels
        self.classes = header.classes
        self.category_ids: Sequence[int] = header.category_ids
        self.kinds = header.kinds
        self.keypoint_set = header.keypoint_set
        self.semseg_classes = header.labels.semseg_classes
        self.part_set = header.labels.part_set
        self.skipped = header.skipped

    def __len__(self) -> int:
        return len(self._records) - 1

    def __getitem__(self, index: int) -> Sample:
        truth, instance_ids = self._record(index)
        size = truth.height, truth.width
        path = self._images / truth.file
        chosen = np.flatnonzero(~truth.crowd)
        meta: dict[str, Any] = {"id": truth.id, "file": str(path), "size": size}
        image = read_sized_image(path, size=size, record=f"image {truth.id!r} of {self._annotations}")
        sample: Sample = {"image": image, "meta": meta}
        if "boxes" in self._wanted:
            limits = np.array([size[1], size[0]] * 2, np.float32)
            sample["boxes"] = np.clip(truth.boxes[chosen], 0, limits)
            sample["labels"] = truth.labels[chosen]
        if truth.segmentations is not None:
            sample["masks"] = InstanceMasks.from_segmentations([truth.segmentations[place] for place in chosen], size)
        if truth.keypoints is not None and self.keypoint_set is not None:
            sample["keypoints"] = truth.keypoints[chosen]
            meta["keypoint_swap"] = self.keypoint_set.swap
        if "semseg" in self._wanted:
            sample["semseg"] = self._labels.read_semseg(truth.file, size)
        if "parsing" in self._wanted and self.part_set is not None:
            sample["parsing"], sample["instances"] = self._labels.read_parsing(truth.file, size)
            sample["instance_ids"] = instance_ids[chosen]
            meta["part_swap"] = self.part_set.swap
        return sample

    def file_of(self, index: int) -> str:
        """Return the file of a sample's image, without reading it."""
        truth, _ = self._record(index)
        return str(self._images / truth.file)

    def truth(self, index: int) -> ImageTruth:
        """Return the objects of an image with its crowd regions; masks and keypoints only where they are wanted."""
        truth, _ = self._record(index)
        return truth._replace(file=str(self._images / truth.file))

    def _record(self, index: int) -> CocoRecord:
        # the header stands behind the last image
        return cast("CocoRecord", self._records[range(len(self))[index]])


def build_coco(source: Source) -> CocoDataset:
    """Return the images of ``source.path`` with the COCO file ``source.annotations``.

    Raises:
        ConfigError: the source names no COCO file.
    """
    if source.annotations is None:
        raise ConfigError(f"{source.path}: data of the type coco need annotations: the path of their JSON file")
    return CocoDataset(images=source.path, annotations=source.annotations, classes=source.classes, kinds=source.kinds, reach=source.reach)
