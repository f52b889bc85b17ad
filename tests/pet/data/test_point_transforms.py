"""Moves of points: boxes, points and calibration go together, and objects are pasted where there is room."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pet.data.datasets.kitti import KittiDataset
from pet.data.datasets.streets3d import write_streets3d
from pet.data.transforms.build import build_transforms
from pet.data.transforms.points import PasteObjects, PointsInImage
from pet.structures.boxes3d import Boxes3D
from petlib.errors import ConfigError

MOVES = ["RandomMirrorPoints", "RandomTurnPoints", {"name": "RandomScalePoints", "scale": [0.8, 1.2]}]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> KittiDataset:
    place = tmp_path_factory.mktemp("streets3d") / "train"
    write_streets3d(place, split="train", count=6)
    return KittiDataset(folder=place)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_moved_boxes_hold_the_same_points_and_project_to_the_same_pixels(dataset: KittiDataset, seed: int) -> None:
    transforms, _ = build_transforms(MOVES, default_size=None)
    sample = dataset[seed % len(dataset)]
    moved = transforms(sample, np.random.default_rng(seed))
    before, after = Boxes3D(sample["boxes3d"], "lidar"), Boxes3D(moved["boxes3d"], "lidar")
    old, new = before.contains(sample["points"]), after.contains(moved["points"])
    # float32 at the faces of boxes
    assert (old != new).mean() < 1e-3 and old.sum() > 0
    first = sample["meta"]["calibration"].project_points(before.centres)[0]
    second = moved["meta"]["calibration"].project_points(after.centres)[0]
    assert np.nanmax(np.abs(first - second)) < 1e-3
    assert (sample["points"][:, 3] == moved["points"][:, 3]).all()


def test_points_in_the_image_are_those_that_project_into_it(dataset: KittiDataset) -> None:
    sample = dataset[0]
    kept = PointsInImage()(sample, np.random.default_rng(0))["points"]
    assert 0 < len(kept) < len(sample["points"])
    pixels, depths = sample["meta"]["calibration"].project_points(kept[:, :3].astype(np.float64))
    assert (depths > 0).all() and (pixels >= 0).all() and (pixels < (1242, 375)).all()
    without = {**sample, "meta": {name: value for name, value in sample["meta"].items() if name != "size"}}
    assert PointsInImage()(without, np.random.default_rng(0)) is without


def test_pasted_objects_bring_their_points_and_touch_nothing(dataset: KittiDataset) -> None:
    sample, added = dataset[0], 0
    for seed in range(5):
        pasted = PasteObjects(dataset=dataset)(sample, np.random.default_rng(seed))
        boxes = Boxes3D(pasted["boxes3d"], "lidar")
        assert len(boxes) == len(pasted["labels3d"])
        counts = boxes.contains(pasted["points"])
        assert (counts.sum(axis=1)[len(sample["boxes3d"]) :] >= 5).all() and counts.sum(axis=0).max() == 1
        added += len(boxes) - len(sample["boxes3d"])
    assert added > 3


def test_wrong_settings_and_samples_are_refused(dataset: KittiDataset) -> None:
    with pytest.raises(ConfigError, match="RandomScalePoints: scale"):
        build_transforms([{"name": "RandomScalePoints", "scale": [2.0, 1.0]}], default_size=None)
    with pytest.raises(ConfigError, match="numbers from 1 on expected"):
        PasteObjects(dataset=dataset, frames=0)
    transforms, _ = build_transforms(["RandomMirrorPoints"], default_size=None)
    with pytest.raises(ConfigError, match="the samples have none"):
        transforms({"image": np.zeros((4, 4, 3), np.uint8), "meta": {}}, np.random.default_rng(0))
