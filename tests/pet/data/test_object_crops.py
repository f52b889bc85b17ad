"""Objects of images as samples of their own, cut out in one step with all of their targets."""

from typing import Any

import cv2
import numpy as np
import pytest

from pet.data.catalog.source import Source
from pet.data.datasets.coco import CocoDataset, build_coco
from pet.data.datasets.shapes_writing import write_shapes
from pet.data.objects import DETECTOR, ObjectBoxes, ObjectCrops, true_objects
from pet.data.targets.dataset import ImageTruth
from pet.data.targets.finish import FinishTargets
from pet.data.transforms.objects import CropObject, RandomCropObject
from pet.structures.affine import move_points
from petlib.errors import ConfigError, DataError

KINDS = ("boxes", "masks", "keypoints", "parsing")


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> CocoDataset:
    folder = tmp_path_factory.mktemp("shapes")
    write_shapes(folder, split="train", count=12)
    place = folder / "train"
    return build_coco(Source(place / "images", "train", ["figure"], place / "annotations.json", frozenset(KINDS)))


@pytest.fixture(scope="module")
def crops(shapes: CocoDataset) -> ObjectCrops:
    return ObjectCrops(shapes, true_objects(shapes, ["keypoints"]))


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_every_object_with_a_marked_keypoint_is_a_sample(shapes: CocoDataset, crops: ObjectCrops) -> None:
    expected = []
    for image in range(len(shapes)):
        truth = shapes.truth(image)
        assert truth.keypoints is not None
        expected += [(image, tuple(box)) for box, points in zip(truth.boxes, truth.keypoints, strict=True) if points[:, 2].any()]
    assert len(crops) == len(expected) > 5
    assert [(crops[index]["meta"]["image"], tuple(crops[index]["meta"]["box"])) for index in range(len(crops))] == expected
    assert crops.info.groups is not None
    assert crops.info.groups.tolist() == [image for image, _ in expected]


def test_a_sample_has_the_targets_of_its_object_alone(crops: ObjectCrops) -> None:
    for index in range(len(crops)):
        sample, truth = crops[index], crops.truth(index)
        assert truth is not None and truth.keypoints is not None
        assert len(sample["boxes"]) == len(sample["keypoints"]) == len(sample["masks"]) == len(sample["instance_ids"]) == 1
        assert np.array_equal(sample["keypoints"], truth.keypoints)
        assert np.array_equal(sample["meta"]["box"], truth.boxes[0])
        assert sample["image"].shape == (128, 128, 3)


def test_an_image_is_read_once_for_objects_that_follow_each_other(shapes: CocoDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    crops, read = ObjectCrops(shapes, true_objects(shapes, ["keypoints"])), []
    get = CocoDataset.__getitem__
    monkeypatch.setattr(CocoDataset, "__getitem__", lambda self, index: read.append(index) or get(self, index))
    for index in range(len(crops)):
        crops[index]
    assert read == sorted(set(crops.objects.images.tolist()))


def test_a_box_of_a_detector_has_no_targets(shapes: CocoDataset) -> None:
    boxes = ObjectBoxes(*map(np.array, ([3], [-1], [[1.0, 2.0, 30.0, 40.0]], [0], [0.5])))
    crops = ObjectCrops(shapes, boxes, boxes_from=DETECTOR)
    sample = crops[0]
    assert sorted(sample) == ["image", "meta"]
    assert sample["meta"]["boxes_from"] == DETECTOR
    assert sample["meta"]["score"] == 0.5
    assert crops.truth(0) is None


def test_data_whose_keypoints_are_all_absent_are_refused(shapes: CocoDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    truth_of = CocoDataset.truth

    def without_keypoints(self: CocoDataset, index: int) -> ImageTruth:
        truth = truth_of(self, index)
        assert truth.keypoints is not None
        return truth._replace(keypoints=np.zeros_like(truth.keypoints))

    monkeypatch.setattr(CocoDataset, "truth", without_keypoints)
    with pytest.raises(DataError, match=r"TRAIN\.DATASETS: none of the \d+ objects has keypoints"):
        true_objects(shapes, ["keypoints"], source="TRAIN.DATASETS")


def test_the_crop_holds_the_box_in_the_middle(crops: ObjectCrops) -> None:
    transform = CropObject(size=[64, 96], padding=1.25)
    for index in range(len(crops)):
        sample = transform(crops[index], rng())
        assert sample["image"].shape == (64, 96, 3)
        left, top, right, bottom = move_points(sample["meta"]["box"].reshape(2, 2), sample["meta"]["matrix"]).ravel()
        assert (left + right) / 2 == pytest.approx(48, abs=1e-3)
        assert (top + bottom) / 2 == pytest.approx(32, abs=1e-3)
        # one of its edges fills the crop but for the margin
        assert max((right - left) / 96, (bottom - top) / 64) == pytest.approx(1 / 1.25, abs=1e-4)
        scales = np.linalg.norm(sample["meta"]["matrix"][:2, :2], axis=0)
        assert scales[0] == pytest.approx(scales[1])


def published_matrix(convention: str, box: np.ndarray, size: tuple[int, int], padding: float) -> np.ndarray:
    """Return the matrix of OpenCV, whose whole numbers are centres of pixels, by the formulas of the published code.

    msra: three corners of the padded box to those of the crop, the middle to (w / 2, h / 2). udp: lengths of the crop are w - 1 and h - 1.
    """
    (left, top, right, bottom), (height, width) = box.astype(np.float64), size
    middle = np.array([(left + right) / 2, (top + bottom) / 2])
    extent = np.array([max(right - left, (bottom - top) * width / height), max(bottom - top, (right - left) * height / width)]) * padding
    target = np.array([width, height], np.float64) - (1.0 if convention == "udp" else 0.0)
    corners = np.array([[0.0, 0.0], [-0.5, 0.0], [0.0, -0.5]])
    source, destination = middle + corners * extent, target / 2 + corners * target
    return cv2.getAffineTransform(source.astype(np.float32), destination.astype(np.float32))


@pytest.mark.parametrize("convention", ["msra", "udp"])
def test_crops_and_keypoints_are_those_of_the_published_code(crops: ObjectCrops, convention: str) -> None:
    size = (64, 48)
    for index in range(4):
        sample = crops[index]
        matrix = published_matrix(convention, sample["meta"]["box"], size, 1.25)
        found = CropObject(size=list(size), convention=convention)(sample, rng())
        expected = cv2.warpAffine(sample["image"], matrix, size[::-1], flags=cv2.INTER_LINEAR)
        # its coefficients are rounded to a 32nd of a pixel
        assert np.abs(found["image"].astype(int) - expected.astype(int)).mean() < 1.0
        points = sample["keypoints"][0]
        places = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        kept = (points[:, 2] > 0) & (found["keypoints"][0, :, 2] > 0)
        assert kept.any()
        # in Pet the centre of the first pixel is 0.5, in the published code it is 0
        assert np.abs(found["keypoints"][0, kept, :2] - 0.5 - places[kept]).max() < 1e-3


@pytest.mark.parametrize("convention", ["pet", "msra", "udp"])
def test_mirroring_turns_the_crop_around_its_middle(crops: ObjectCrops, convention: str) -> None:
    sample = crops[0]
    values = {"size": [64, 48], "convention": convention}
    straight = CropObject(**values)(sample, rng())["meta"]["matrix"]
    mirrored = RandomCropObject(**values, scale=0.0, rotation=0.0, flip=1.0)(sample, rng())["meta"]["matrix"]
    middle = {"pet": 24.0, "msra": 24.5, "udp": 24.0}[convention]
    points = np.array([[5.0, 7.0], [60.0, 90.0]])
    first, second = move_points(points, straight), move_points(points, mirrored)
    assert second[:, 0] == pytest.approx(2 * middle - first[:, 0])
    assert second[:, 1] == pytest.approx(first[:, 1])


def random_crops(crops: ObjectCrops, **values: Any) -> list[dict[str, Any]]:
    transform = RandomCropObject(size=[96, 64], **values)
    return [transform(crops[index % len(crops)], np.random.default_rng(index)) for index in range(60)]


def test_targets_go_where_the_pixels_go(crops: ObjectCrops) -> None:
    finish = FinishTargets(KINDS)
    shares = []
    for index, sample in enumerate(random_crops(crops)):
        original = crops[index % len(crops)]
        points, matrix = original["keypoints"][0], sample["meta"]["matrix"]
        moved = move_points(points[:, :2], matrix)
        if np.linalg.det(matrix[:2, :2]) < 0:
            moved, points = moved[list(original["meta"]["keypoint_swap"])], points[list(original["meta"]["keypoint_swap"])]
        present = (points[:, 2] > 0) & (moved >= 0).all(axis=1) & (moved <= (64, 96)).all(axis=1)
        assert np.array_equal(sample["keypoints"][0, :, 2] > 0, present)
        assert np.abs(sample["keypoints"][0, present, :2] - moved[present]).max(initial=0) < 1e-3
        finished = finish(sample, rng())
        if len(finished["masks"]):
            mask, parts = finished["masks"][0] > 0, (finished["parsing"] > 0) & (finished["parsing"] < 255)
            own = finished["instances"] == finished["instance_ids"][0]
            # a part lies in the outline of its object, but for pixels at the edge
            shares.append((mask & own & parts).sum() / max((own & parts).sum(), 1))
    assert np.mean(shares) > 0.93


def test_what_is_random_keeps_to_its_bounds(crops: ObjectCrops) -> None:
    plain = CropObject(size=[96, 64])
    factors, angles, mirrored = [], [], []
    for index, sample in enumerate(random_crops(crops, scale=0.2, rotation=20.0)):
        forward = sample["meta"]["matrix"] @ np.linalg.inv(plain(crops[index % len(crops)], rng())["meta"]["matrix"])
        mirrored.append(np.linalg.det(forward[:2, :2]) < 0)
        factors.append(1 / np.sqrt(abs(np.linalg.det(forward[:2, :2]))))
        first = forward[:2, 0] * (-1 if mirrored[-1] else 1, 1)
        angles.append(np.degrees(np.arctan2(first[1], first[0])))
    assert 0.8 - 1e-6 <= min(factors) < 0.9
    assert 1.1 < max(factors) <= 1.2 + 1e-6
    assert -40 - 1e-6 <= min(angles) < -10
    assert 10 < max(angles) <= 40 + 1e-6
    assert sum(abs(angle) < 1e-6 for angle in angles) in range(12, 37)
    assert sum(mirrored) in range(18, 43)


def test_half_bodies_are_cut_out_around_their_keypoints(crops: ObjectCrops) -> None:
    full = next(index for index in range(len(crops)) if (crops[index]["keypoints"][0, :, 2] > 0).all())
    transform = RandomCropObject(size=64, half_body=1.0, upper_body=[0, 1, 2], half_body_from=4, scale=0.0, rotation=0.0, flip=0.0)
    points = crops[full]["keypoints"][0, :, :2]
    sample = transform(crops[full], rng())
    middle = move_points(points[:3].mean(axis=0), sample["meta"]["matrix"])
    assert middle == pytest.approx([32, 32], abs=1e-3)
    extent = np.ptp(points[:3], axis=0).max()
    assert np.linalg.norm(sample["meta"]["matrix"][:2, 0]) == pytest.approx(64 / (1.5 * extent), rel=1e-5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 64, "padding": 0}, "padding: 0 given, a number above 0 expected"),
        ({"size": 64, "scale": 1.0}, "scale: 1 given, a share from 0 to below 1"),
        ({"size": 64, "rotation": 120}, "rotation: 120 given, degrees from 0 to 90"),
        ({"size": 64, "half_body": 0.3}, "half_body: 0.3 given, but upper_body names no keypoints"),
        ({"size": 64, "convention": "mmpose"}, "convention: 'mmpose' given, one of pet, msra, udp expected"),
        ({"size": 64, "interpolation": "area"}, "'area' given, one of linear, cubic, nearest"),
    ],
)
def test_wrong_arguments_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RandomCropObject(**values)


def test_an_image_without_a_box_is_the_object() -> None:
    image = np.zeros((40, 80, 3), np.uint8)
    sample = CropObject(size=[64, 64], padding=1.0)({"image": image, "meta": {}}, rng())
    assert move_points(np.array([[0.0, 0.0], [80.0, 40.0]]), sample["meta"]["matrix"]).tolist() == [[0.0, 16.0], [64.0, 48.0]]
