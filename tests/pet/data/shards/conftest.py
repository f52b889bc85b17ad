"""What tests of shards share: a small data set with every kind of target, and a store."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from pet.data.files.images import read_image
from pet.data.files.videos import FrameArray, FrameFolder, VideoFacts, VideoFile, count_decoded
from pet.data.shards.reading import READING
from pet.data.targets.dataset import Dataset, DatasetInfo, ImageTruth
from pet.structures.boxes3d import Boxes3D
from pet.structures.calibration import Calibration
from pet.structures.masks import InstanceMasks
from pet.structures.objects3d import Objects3D
from petlib.data.protocols import Sample
from tests.object_stores import Proxy, open_store

COUNT = 12


class EveryKind(Dataset):
    """Samples with all fields that readers of Pet give; the images are JPEGs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kinds = {"boxes", "masks", "keypoints", "semseg", "parsing", "identities", "label", "multilabel", "dots", "boxes3d", "surface"}
        self.info = DatasetInfo(kinds=frozenset(kinds), classes=["cat", "dog"], semseg_classes=["ground", "sky"], skipped={"a list": 2})
        rng = np.random.default_rng(0)
        for index in range(COUNT):
            cv2.imwrite(str(folder / f"{index}.jpg"), rng.integers(0, 255, (20, 30, 3), dtype=np.uint8))
        writer = cv2.VideoWriter(str(folder / "clip.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (32, 16))
        for index in range(5):
            writer.write(np.full((16, 32, 3), index * 40, np.uint8))
        writer.release()
        self._facts: VideoFacts = count_decoded(folder / "clip.avi")

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        polygon = np.array([[1.0, 1.0], [9.0, 2.5], [4.0, 8.0]])
        rle = coco_mask.encode(np.asfortranarray(rng.integers(0, 2, (20, 30), dtype=np.uint8)))
        masks = InstanceMasks([(polygon,), rle, (), np.eye(20, 30, dtype=np.uint8)], (20, 30))
        calibration = Calibration(rng.normal(size=(3, 4)), np.eye(4))
        image = read_image(self.folder / f"{index}.jpg")
        return {
            "image": image,
            "image2": rng.integers(0, 60000, (20, 30, 3), dtype=np.uint16),
            "points": rng.normal(size=(200, 4)).astype(np.float32),
            "clip": self._clip(index),
            "boxes": rng.uniform(0, 20, (4, 4)).astype(np.float32),
            "labels": np.array([0, 1, 1, 0], np.int64),
            "masks": masks,
            "keypoints": rng.normal(size=(4, 300, 3)).astype(np.float32),
            "semseg": rng.integers(0, 2, (20, 30), dtype=np.uint8),
            "parsing": rng.integers(0, 2, (20, 30), dtype=np.uint8),
            "instances": rng.integers(0, 900, (20, 30), dtype=np.uint16),
            "instance_ids": np.arange(4),
            "identities": np.arange(4),
            "label": int(index % 2),
            "multilabel": np.array([1, 0], np.uint8),
            "dots": rng.uniform(0, 20, (0, 2)),
            "boxes3d": Boxes3D(rng.normal(size=(2, 7)), "lidar"),
            "labels3d": np.array([0, 1]),
            "surface": [rng.normal(size=(3, 5)), None],
            "surface_masks": masks.moved(np.diag([2.0, 2.0, 1.0]), (40, 60)),
            "meta": {
                "id": np.int64(index),
                "file": f"{index}.jpg",
                "size": (20, 30),
                "calibration": calibration,
                "time": float("nan"),
                7: b"\0\1",
                "place": Path("a/b"),
                "window": None,
            },
        }

    def _clip(self, index: int) -> Any:
        if index % 3 == 0:
            return VideoFile(self.folder / "clip.avi", self._facts)
        if index % 3 == 1:
            return FrameFolder(self.folder, name="{}.jpg", first=1, count=3)
        return FrameArray(np.full((2, 4, 6, 3), index, np.uint8), rate=5.0, stated=2, name="drawn")

    def truth(self, index: int) -> ImageTruth:
        empty = ImageTruth.without_objects(image_id=index, file=f"{index}.jpg", size=(20, 30))
        count = index % 3
        boxes = np.arange(4 * count, dtype=np.float32).reshape(count, 4)
        objects = Objects3D(
            types=np.array(["Car"] * count, "<U3"),
            truncated=np.zeros(count),
            occluded=np.zeros(count, np.int64),
            alphas=np.full(count, -10.0),
            boxes2d=np.zeros((count, 4)),
            boxes=Boxes3D(np.zeros((count, 7)), "camera"),
            scores=np.ones(count),
        )
        outlines = [[[1.0, 2.0, 3.0, 4.0, 5.5, 0.1]]] * count
        return empty._replace(boxes=boxes, labels=np.arange(count), crowd=np.zeros(count, bool), objects3d=objects, segmentations=outlines)


@pytest.fixture(autouse=True)
def reading(tmp_path: Path) -> Iterator[None]:
    """Keep the cache of each test apart, and its patience short."""
    READING.set(folder=str(tmp_path / "cache"), gigabytes=1.0, retry_seconds=1.0, grouped=False)
    yield
    READING.set(folder="", gigabytes=20.0, retry_seconds=60.0, grouped=False)


@pytest.fixture(scope="module")
def store() -> Iterator[Proxy]:
    """Start a store with the bucket ``data``."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as patch, open_store("data", patch.setenv) as proxy:
        yield proxy


@pytest.fixture
def every_kind(tmp_path: Path) -> EveryKind:
    (tmp_path / "files").mkdir()
    return EveryKind(tmp_path / "files")
