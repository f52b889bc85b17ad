"""Pascal VOC 2012, and other data in its layout."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pet.compat.antgo.datasets.built_in import WORDS, BuiltIn
from pet.data.datasets.semseg_folder import SemsegFolder
from pet.data.datasets.voc import VocDataset
from pet.data.datasets.voc_records import VOC_CLASSES
from petlib.errors import DataError, name_in_errors

logger = logging.getLogger(__name__)

TASKS = {"SEGMENTATION": "segmentation", "DETECTION": "detection", "OBJECT-DETECTION": "detection"}
MARKS = ("JPEGImages", "ImageSets")
BELOW = ("VOCdevkit/VOC2012", "VOC2012")


class Pascal2012(BuiltIn):
    """Pascal VOC 2012 (http://host.robots.ox.ac.uk/pascal/VOC/voc2012), or another data set in its layout.

    ``dir`` is the folder VOC2012 itself, with ``JPEGImages`` and ``ImageSets``, or one above it, with ``VOCdevkit/VOC2012``.
    ``train_or_test`` is the name of a list there, e.g. ``train``, ``val`` or ``trainval``. Fields are ``image`` and, of the task,

    * SEGMENTATION: ``segments``, uint8 (H, W), 0 the background, 1 to 20 the classes, 255 what does not count;
    * DETECTION: ``bboxes``, float32 (N, 4) XYXY in continuous pixel coordinates, and ``labels``, int64 (N,), classes from 0. Objects that
      are marked as difficult are left out.

    Args:
        train_or_test: name of the list.
        dir: the folder.
        ext_params: ``task_type``: ``SEGMENTATION`` (default) or ``DETECTION``. ``aug``: train on ``trainaug``, the images with the labels
            of the Semantic Boundaries data set (https://doi.org/10.1109/ICCV.2011.6126343), where the folder has the list
            ``ImageSets/Segmentation/trainaug.txt`` and the label images ``SegmentationClassAug``; by default no. ``classes``: names in the
            order of the labels, with the background first in a segmentation; by default VOC's.

    Raises:
        ConfigError: a setting is unknown.
        DataError: a folder, a list or a file is missing or cannot be used.
    """

    params: Mapping[str, Any] = {"task_type": "SEGMENTATION", "aug": False, "classes": None}
    layout = (
        "JPEGImages, ImageSets, and SegmentationClass or Annotations (VOC2012 of the unpacked VOCtrainval_11-May-2012.tar, "
        "http://host.robots.ox.ac.uk/pascal/VOC/voc2012)"
    )

    def __init__(self, train_or_test: str = "train", dir: str | None = None, ext_params: Mapping[str, Any] | None = None) -> None:  # noqa: A002 -- antgo's name
        super().__init__(train_or_test, dir, ext_params)
        self.folder = self._find_folder()
        is_segmentation = self.choice("task_type", TASKS) == "segmentation"
        self.data = self._open_segmentation() if is_segmentation else self._open_detection()

    def _find_folder(self) -> Path:
        places = [self.folder, *(self.folder / below for below in BELOW)]
        found = next((place for place in places if all((place / mark).is_dir() for mark in MARKS)), None)
        if found is None:
            raise DataError(
                f"{self.folder}: neither it nor {' nor '.join(BELOW)} in it is a folder of Pascal VOC; Pascal2012 needs {self.layout}"
            )
        return found

    def _open_segmentation(self) -> SemsegFolder:
        lists = self.folder / "ImageSets" / "Segmentation"
        name, labels = self.train_or_test, "SegmentationClass"
        if self.ext_params["aug"] and name == "train":
            if (lists / "trainaug.txt").is_file() and (self.folder / "SegmentationClassAug").is_dir():
                name, labels = "trainaug", "SegmentationClassAug"
            else:
                logger.info("%s: no trainaug.txt and SegmentationClassAug, so aug=True takes the list train as it is", self.folder)
        self._check_complete(lists / f"{name}.txt", self.folder / labels)
        return SemsegFolder(
            images=self.folder / "JPEGImages",
            labels=self.folder / labels,
            classes=self.class_names() or ["background", *VOC_CLASSES],
            names=lists / f"{name}.txt",
        )

    def _open_detection(self) -> VocDataset:
        self._check_complete(self.folder / "ImageSets" / "Main" / f"{self.train_or_test}.txt", self.folder / "Annotations")
        with name_in_errors(WORDS):
            return VocDataset(folder=self.folder, split=self.train_or_test, classes=self.class_names(), kinds=frozenset({"boxes"}))

    def _check_complete(self, names: Path, targets: Path) -> None:
        if not names.is_file():
            lists = ", ".join(sorted(item.stem for item in names.parent.glob("*.txt"))) or "none"
            raise DataError(f"{names}: there is no such list of images (train_or_test is {self.train_or_test!r}); lists there: {lists}")
        if not targets.is_dir():
            raise self.absent(targets)
