"""KITTI's folders and folders of one's own: what samples have, what the truth keeps, and what messages say of wrong files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pet.data.datasets.kitti import KittiDataset
from pet.data.datasets.streets3d import write_streets3d
from pet.data.datasets.streets3d_scenes import GROUND, draw_scene
from pet.data.files.kitti_text import format_calibration, format_objects, read_calibration, read_objects
from pet.data.files.point_files import read_points
from pet.data.report.display import side_by_side
from pet.data.report.examination import examine
from pet.data.targets.boxes3d import BEYOND, NO_POINTS
from pet.data.targets.dataset import Expectation
from pet.data.targets.drawing import draw_targets
from pet.data.transforms.build import build_transforms
from pet.metrics.kitti import measure
from pet.structures.boxes3d import Boxes3D
from pet.structures.calibration import Calibration
from pet.structures.rotated import rotated_iou
from petlib.errors import ConfigError, DataError

SCENES = 12
LABEL = "Car 0.00 1 2.04 334.85 178.94 624.50 372.04 1.57 1.50 3.68 -1.17 1.65 7.86 1.90"
CALIBRATION = """P0: 7.0e+02 0 6.0e+02 0 0 7.0e+02 1.7e+02 0 0 0 1 0
P2: 7.0e+02 0 6.0e+02 4.5e+01 0 7.0e+02 1.7e+02 2.0e-01 0 0 1 2.7e-03
R0_rect: 9.999e-01 9.8e-03 -7.4e-03 -9.8e-03 9.999e-01 -4.3e-03 7.4e-03 4.3e-03 9.999e-01
Tr_velo_to_cam: 7.5e-03 -9.999e-01 -6.1e-04 -4.0e-03 1.4e-02 7.2e-04 -9.998e-01 -7.6e-02 9.998e-01 7.5e-03 1.4e-02 -2.7e-01
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("streets3d") / "train"
    write_streets3d(place, split="train", count=SCENES)
    return place


def test_boxes_hold_the_points_of_their_objects(folder: Path) -> None:
    dataset = KittiDataset(folder=folder)
    assert len(dataset) == SCENES and dataset.info.classes == ["Car", "Pedestrian", "Cyclist"]
    counts, below = [], 0
    for sample in map(dataset.__getitem__, range(SCENES)):
        boxes = Boxes3D(sample["boxes3d"], "lidar").scaled(1.0)
        # two centimetres of noise
        grown = Boxes3D(boxes.values + np.array([0, 0, 0, 0.1, 0.1, 0.1, 0]), "lidar")
        counts += grown.contains(sample["points"]).sum(axis=1).tolist()
        below += int((sample["points"][:, 2] < GROUND - 0.2).sum())
        assert sample["points"].dtype == np.float32 and sample["meta"]["frame3d"] == "lidar"
        np.testing.assert_allclose(boxes.extents[:, 0], GROUND, atol=0.02)
    assert min(counts) >= 5 and np.median(counts) > 30 and below == 0


def test_images_have_boxes_before_the_camera_and_in_the_image(folder: Path) -> None:
    images, points = KittiDataset(folder=folder, of_points=False), KittiDataset(folder=folder)
    for index in range(SCENES):
        sample, truth = images[index], images.truth(index)
        assert sample["image"].shape == (375, 1242, 3) and sample["meta"]["frame3d"] == "camera"
        spatial = Boxes3D(sample["boxes3d"], "camera").to_lidar(sample["meta"]["calibration"])
        np.testing.assert_allclose(spatial.values[:, :6], points[index]["boxes3d"][:, :6], atol=1e-4)
        assert truth.objects3d is not None and len(truth.labels) == len(sample["labels3d"])
        np.testing.assert_allclose(truth.objects3d.alphas, truth.objects3d.boxes.observed_angles(), atol=0.011)
        seen = sample["meta"]["calibration"].project(spatial.to_camera(sample["meta"]["calibration"]).centres)[0]
        inside = (seen > 0).all(1) & (seen < (1242, 375)).all(1)
        middle = (sample["boxes"][:, :2] + sample["boxes"][:, 2:])[inside[: len(sample["boxes"])]] / 2
        assert np.abs(middle - seen[: len(sample["boxes"])][inside[: len(sample["boxes"])]]).max(initial=0) < 60


def test_truth_as_prediction_is_100_on_scenes(folder: Path) -> None:
    dataset = KittiDataset(folder=folder)
    truths = [dataset.truth(index).objects3d for index in range(SCENES)]
    frames = [(truth, truth[truth.types != "DontCare"]) for truth in truths if truth is not None]
    in_space = [found for found in measure(frames, ["Car"]) if found.count and found.view in ("bev", "3d")]
    assert in_space and {found.r40 for found in in_space} == {found.r11 for found in in_space} == {1.0}


def test_things_of_a_scene_do_not_touch() -> None:
    for seed in range(20):
        scene = draw_scene(np.random.default_rng(seed))
        footprints = torch.from_numpy(scene.boxes.footprints)
        assert rotated_iou(footprints, footprints).fill_diagonal_(0).max() == 0
        assert len(scene.boxes) == len(scene.labels) >= 1 and scene.owners.max() < len(scene.boxes)


def test_a_scene_depends_on_split_and_number_alone(folder: Path, tmp_path: Path) -> None:
    write_streets3d(tmp_path / "again", split="train", count=2)
    for file in sorted((tmp_path / "again" / "training").rglob("000001.*")):
        assert file.read_bytes() == (folder / "training" / file.relative_to(tmp_path / "again" / "training")).read_bytes()


def test_labels_and_calibration_are_written_as_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "calib.txt").write_text(CALIBRATION)
    calibration = read_calibration(tmp_path / "calib.txt")
    (tmp_path / "label.txt").write_text(f"{LABEL}\nDontCare -1 -1 -10 1.00 2.00 3.00 4.00 -1 -1 -1 -1000 -1000 -1000 -10\n")
    objects = read_objects(tmp_path / "label.txt", calibration)
    assert objects.boxes.values[0].tolist() == [-1.17, 1.65, 7.86, 3.68, 1.5, 1.57, 1.9]
    assert format_objects(objects, with_scores=False).splitlines()[0] == LABEL
    (tmp_path / "again.txt").write_text(format_calibration(calibration))
    again = read_calibration(tmp_path / "again.txt")
    np.testing.assert_allclose(again.lidar_to_camera, calibration.lidar_to_camera, atol=1e-9)
    np.testing.assert_allclose(again.projection, calibration.projection)


def test_results_have_scores_in_a_sixteenth_column(tmp_path: Path) -> None:
    (tmp_path / "result.txt").write_text(f"{LABEL} 0.7500\n")
    found = read_objects(tmp_path / "result.txt", Calibration.of_lidar_alone())
    assert found.scores.tolist() == [0.75] and format_objects(found, with_scores=True) == f"{LABEL} 0.7500\n"


def test_folders_without_camera_have_labels_in_the_frame_of_the_points(tmp_path: Path) -> None:
    for part in ("velodyne", "label_2"):
        (tmp_path / part).mkdir()
    for name in ("a", "b"):
        np.save(tmp_path / "velodyne" / f"{name}.npy", np.random.default_rng(0).uniform(-5, 5, (200, 4)).astype(np.float32))
        (tmp_path / "label_2" / f"{name}.txt").write_text("10.0 2.0 -1.0 4.0 1.6 1.5 0.3 forklift\n")
    dataset = KittiDataset(folder=tmp_path)
    assert dataset.info.classes == ["forklift"] and "size" not in dataset[0]["meta"]
    np.testing.assert_allclose(dataset[0]["boxes3d"], [[10, 2, -1, 4, 1.6, 1.5, 0.3]], atol=1e-6)
    truth = dataset.truth(0).objects3d
    assert truth is not None
    assert {(found.view, found.r40) for found in measure([(truth, truth)], ["forklift"]) if found.count} == {("bev", 1.0), ("3d", 1.0)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Car 1 2 3\n", "line 1: 4 columns; 15 columns expected"),
        (LABEL.replace("1.57", "x") + "\n", "line 1: could not convert string to float: 'x'"),
        (LABEL.replace("1.57", "-1") + "\n", r"edges of the box are \[-1.0, 1.5, 3.68\], metres above 0"),
        (LABEL.replace("7.86", "nan") + "\n", "line 1: a number is not finite"),
        ("1 2 3 4 5 6 7 car\n1 2 3\n", "line 2: 3 columns; 8 expected"),
    ],
)
def test_wrong_labels_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "label.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        read_objects(tmp_path / "label.txt", Calibration.of_lidar_alone())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CALIBRATION.replace("R0_rect", "R_rect"), "no R0_rect in it"),
        (CALIBRATION.replace("P2: 7.0e+02", "P2:"), "P2 has 11 numbers, 12 finite ones expected"),
        (CALIBRATION.replace("P2: 7.0e+02", "P2: x"), "P2: could not convert"),
    ],
)
def test_wrong_calibrations_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "calib.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        read_calibration(tmp_path / "calib.txt")


def test_missing_folders_lists_and_files_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither velodyne nor image_2 in it"):
        KittiDataset(folder=tmp_path)
    (tmp_path / "velodyne").mkdir()
    with pytest.raises(DataError, match="no frame in it"):
        KittiDataset(folder=tmp_path)
    (tmp_path / "ImageSets").mkdir()
    (tmp_path / "ImageSets" / "val.txt").write_text("000007\n")
    with pytest.raises(DataError, match=r"000007: there is no such file with one of the suffixes \.bin"):
        KittiDataset(folder=tmp_path, split="val")


def test_damaged_points_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"1234" * 7)
    with pytest.raises(DataError, match="7 numbers of 32 bits, a multiple of 4"):
        read_points(tmp_path / "a.bin")
    (tmp_path / "a.npy").write_bytes(b"no array")
    with pytest.raises(DataError, match="cannot be read"):
        read_points(tmp_path / "a.npy")
    (tmp_path / "a.txt").write_text("1 2 3\nnan 2 3\n")
    assert read_points(tmp_path / "a.txt").tolist() == [[1, 2, 3, 0]]


def test_what_is_odd_is_found(folder: Path) -> None:
    dataset = KittiDataset(folder=folder)
    expected = Expectation(kinds=("boxes3d",), counts={"boxes3d": 3}, inputs=("points",), channels=4, extent=(0, -40, -3, 10, 40, 1))
    seen = [examine(dataset, index, expected) for index in range(SCENES)]
    kinds = {finding.kind for own in seen for finding in own.findings}
    assert kinds == {BEYOND} and not any(finding.fatal for own in seen for finding in own.findings)
    sample = dataset[0] | {"points": np.zeros((200, 4), np.float32)}

    class OneSample(KittiDataset):
        def __getitem__(self, index: int) -> dict[str, object]:
            return sample

    assert NO_POINTS in {finding.kind for finding in examine(OneSample(folder=folder), 0, expected).findings}


def test_transforms_of_images_are_refused(folder: Path) -> None:
    transforms, _ = build_transforms(["ColorJitter"], default_size=None)
    with pytest.raises(ConfigError, match="the samples have points"):
        transforms(KittiDataset(folder=folder)[0], np.random.default_rng(0))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_boxes_of_moved_images_project_to_where_their_pixels_went(folder: Path, seed: int) -> None:
    transforms, _ = build_transforms(["RandomHorizontalFlip", {"name": "Resize", "size": [96, 310]}], default_size=None)
    sample = KittiDataset(folder=folder, of_points=False)[seed % SCENES]
    moved = transforms(sample, np.random.default_rng(seed))
    before, after = sample["meta"]["calibration"], sample["meta"]["calibration"].with_moved_image(moved["meta"]["matrix"])
    matrix = moved["meta"]["matrix"]
    expected = before.project(Boxes3D(sample["boxes3d"], "camera").centres)[0] @ matrix[:2, :2].T + matrix[:2, 2]
    found = after.project(Boxes3D(moved["boxes3d"], "camera").centres)[0]
    assert len(found) == len(expected) > 0 and np.abs(found - expected).max() < 1e-3


def test_pictures_show_boxes_in_the_image_and_from_above(folder: Path) -> None:
    for of_points in (True, False):
        sample = KittiDataset(folder=folder, of_points=of_points)[0]
        _, shown = side_by_side("a frame", sample)[0]
        plain = draw_targets({"image": shown["image"], "meta": sample["meta"]})
        drawn = draw_targets(shown)
        assert (drawn[: plain.shape[0]] != plain).any(axis=-1).sum() > 200
