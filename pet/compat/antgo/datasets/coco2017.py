"""COCO 2017, and other data in its format."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pet.compat.antgo.datasets.built_in import WORDS, BuiltIn
from pet.data.datasets.coco import CocoDataset
from pet.data.files.allowed_paths import Reach
from petlib.data.protocols import Sample
from petlib.errors import ConfigError, DataError, name_in_errors

TASKS = {"DETECTION": "boxes", "OBJECT-DETECTION": "boxes", "KEYPOINTS": "keypoints", "LANDMARK": "keypoints"}
FILES = {"boxes": "instances", "keypoints": "person_keypoints"}


class COCO2017(BuiltIn):
    """COCO 2017 (https://cocodataset.org), or another data set with a file in its format.

    ``dir`` has ``annotations/instances_train2017.json`` or ``annotations/person_keypoints_train2017.json``, and the folder of images
    ``train2017``; likewise for ``val``. Fields are ``image``, ``bboxes``, float32 (N, 4) XYXY in pixels, ``labels``, int64 (N,), classes
    from 0 in the order of the category ids, and ``area``, float32 (N,), square pixels as the file says them; with KEYPOINTS also
    ``joints2d``, float32 (N, K, 3): x, y, visibility (0 absent, 1 hidden, 2 visible). Crowd regions are left out.

    Args:
        train_or_test: ``train`` or ``val``; part of the names of file and folder.
        dir: the folder.
        ext_params: ``task_type``: ``DETECTION`` (default) or ``KEYPOINTS``. ``annotations`` and ``images``: paths below ``dir`` of the file
            and of the folder of images, where they are called differently. ``classes``: names of the categories in the order of their
            labels, others are left out; by default all.

    Raises:
        ConfigError: a setting is unknown.
        DataError: a file is missing or cannot be used.
    """

    data: CocoDataset
    params: Mapping[str, Any] = {"task_type": "DETECTION", "annotations": None, "images": None, "classes": None}
    layout = "annotations/instances_train2017.json (or person_keypoints_...) and the images train2017, likewise for val (https://cocodataset.org)"

    def __init__(self, train_or_test: str = "train", dir: str | None = None, ext_params: Mapping[str, Any] | None = None) -> None:  # noqa: A002 -- antgo's name
        super().__init__(train_or_test, dir, ext_params)
        kind = self.choice("task_type", TASKS)
        annotations = self._path("annotations", f"annotations/{FILES[kind]}_{train_or_test}2017.json")
        images = self._path("images", f"{train_or_test}2017")
        if not annotations.is_file() or not images.is_dir():
            missing = annotations if not annotations.is_file() else images
            raise DataError(
                f"{missing}: it is missing; COCO2017 needs dir to be a folder with {self.layout}; "
                "files of other names are named by ext_params.annotations and ext_params.images"
            )
        with name_in_errors(WORDS):
            self.data = CocoDataset(
                images=images,
                annotations=annotations,
                classes=self.class_names(),
                kinds=frozenset({"boxes", kind}),
                reach=Reach(root=self.folder),
            )

    def read(self, index: int) -> Sample:
        """Return a sample in Pet's words, and ``area``."""
        truth = self.data.truth(index)
        return {**self.data[index], "area": truth.areas[np.flatnonzero(~truth.crowd)]}

    def _path(self, key: str, default: str) -> Path:
        given = self.ext_params[key]
        if given is not None and not isinstance(given, str):
            raise ConfigError(f"COCO2017: ext_params.{key}: {given!r} given; a path below dir expected")
        return self.folder / (given or default)
