"""Transforms of recipes for segmentation: painted labels, turns, random scales, crops with a cap on a class."""

from typing import Any

import cv2
import numpy as np
import pytest

from pet.data.transforms.build import build_transforms
from pet.data.transforms.geometry import RandomCrop, largest_class_share
from pet.data.transforms.label_values import InitMask
from pet.data.transforms.rotate import RandomRotate90, RandomRotation
from pet.data.transforms.scales import RandomScale, RandomScaleAspect
from pet.structures.moves import CropResize, QuarterTurns, Stay, Turn
from petlib.errors import ConfigError

RNG = np.random.default_rng(0)


def masked(labels: object, **arguments: Any) -> np.ndarray:
    found = InitMask(**arguments)({"semseg": np.array(labels, np.uint8), "meta": {}}, RNG)["semseg"]
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.uint8
    return found


def test_painted_labels_become_classes() -> None:
    assert masked([[0, 1, 128, 255]]).tolist() == [[0, 1, 1, 1]]
    assert masked([[0, 1, 128, 255]], ignore=255).tolist() == [[0, 1, 1, 255]]
    assert masked([[0, 1, 128, 255]], ignore=128).tolist() == [[0, 1, 255, 1]]


def test_one_of_three_channels_is_left() -> None:
    assert masked([[[0, 0, 0], [255, 255, 255], [0, 0, 9]]]).tolist() == [[0, 1, 1]]


def test_labels_that_are_classes_stay_and_the_given_array_too() -> None:
    labels = np.array([[0, 1]], np.uint8)
    labels.flags.writeable = False
    assert InitMask()({"semseg": labels}, RNG)["semseg"].tolist() == [[0, 1]]
    sample = {"image": labels}
    assert InitMask()(sample, RNG) is sample
    with pytest.raises(ConfigError, match="InitMask: ignore: 256 given, a label from 0 to 255"):
        InitMask(ignore=256)


def test_quarter_turns_are_those_of_numpy() -> None:
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    for count in (1, 2, 3):
        move = QuarterTurns(count)
        assert np.array_equal(move(image), np.rot90(image, count))
        assert np.array_equal(move.labels(image[..., 0], 255), np.rot90(image[..., 0], count))
        assert move.size_after((2, 4)) == np.rot90(image, count).shape[:2]
        # the middle of the pixel in row 0, column 3
        x, y, _ = move.matrix((2, 4)) @ (3.5, 0.5, 1.0)
        assert np.array_equal(move(image)[int(y), int(x)], image[0, 3])


def test_quarter_turns_are_drawn_evenly() -> None:
    moves = [RandomRotate90().decide((8, 8), np.random.default_rng(seed)) for seed in range(600)]
    counts = [sum(move == QuarterTurns(count) for move in moves) for count in (1, 2, 3)]
    assert 240 < sum(move == Stay() for move in moves) < 360
    assert all(70 < count < 130 for count in counts)


def test_a_turned_image_grows_and_has_gray_corners_without_labels() -> None:
    sample = {"image": np.zeros((40, 60, 3), np.uint8), "semseg": np.zeros((40, 60), np.uint8), "meta": {}}
    found = RandomRotation(degrees=[30.0, 30.0])(sample, np.random.default_rng(0))
    # 40 cos 30 + 60 sin 30 = 64.64 and 60 cos 30 + 40 sin 30 = 71.96
    assert found["image"].shape == (65, 72, 3)
    assert found["semseg"].shape == (65, 72)
    assert found["image"][0, 0].tolist() == [128, 128, 128]
    assert found["semseg"][0, 0] == 255
    assert found["semseg"][32, 36] == 0
    # no pixel of the label is lost
    assert (found["semseg"] == 0).sum() == pytest.approx(40 * 60, rel=0.02)


def test_labels_of_the_corners_can_be_chosen() -> None:
    sample = {"image": np.full((40, 60, 3), 9, np.uint8), "semseg": np.ones((40, 60), np.uint8), "meta": {}}
    found = RandomRotation(degrees=[10.0, 10.0], fill=3, label_fill=0, grows=False)(sample, np.random.default_rng(0))
    assert found["semseg"].shape == (40, 60)
    assert found["semseg"][0, 0] == 0
    assert found["image"][0, 0].tolist() == [3, 3, 3]


def test_angles_are_up_to_15_degrees_and_a_turn_by_nothing_adds_no_line() -> None:
    moves = [RandomRotation().decide((8, 8), np.random.default_rng(seed)) for seed in range(200)]
    angles = [move.degrees for move in moves if isinstance(move, Turn)]
    assert len(angles) == 200
    assert -15 <= min(angles) < -13.5
    assert 13.5 < max(angles) <= 15
    assert Turn(0.0, grows=True).size_after((40, 60)) == (40, 60)
    assert Turn(90.0, grows=True).size_after((40, 60)) == (60, 40)


def test_messages_name_the_transform_that_was_asked_for() -> None:
    with pytest.raises(ConfigError, match="RandomRotation: fill: 300 given, a gray value"):
        RandomRotation(fill=300)
    with pytest.raises(ConfigError, match="RandomRotation: label_fill: -1 given"):
        RandomRotation(label_fill=-1)


def test_random_sizes_are_multiples_of_the_size_and_keep_the_ratio() -> None:
    transform = RandomScale(size=[512, 1024])
    rng = np.random.default_rng(0)
    moves = [transform.decide((300, 500), rng) for _ in range(400)]
    sizes = np.array([move.size for move in moves if isinstance(move, CropResize)])
    # 300 x 500 fits into 512 x 1024 at 512 / 300
    scales = sizes[:, 0] / 512
    assert 0.5 <= scales.min() < 0.52
    assert 1.97 < scales.max() <= 2.0
    assert np.abs(sizes[:, 1] / sizes[:, 0] - 500 / 300).max() < 0.01
    assert RandomScale(size=[512, 1024], ratio=[1.0, 1.0]).decide((1024, 512), rng) == Stay()
    with pytest.raises(ConfigError, match="RandomScale: ratio"):
        RandomScale(size=64, ratio=[0.0, 1.0])


def test_random_windows_become_the_size_of_the_image() -> None:
    transform = RandomScaleAspect()
    moves = [transform.decide((60, 80), np.random.default_rng(seed)) for seed in range(400)]
    windows = [move for move in moves if isinstance(move, CropResize)]
    areas = np.array([move.height * move.width for move in windows]) / 4800
    ratios = np.array([move.width / move.height for move in windows])
    assert {move.size for move in windows} == {(60, 80)}
    # edges are rounded down
    assert 0.47 < areas.min() < 0.53
    assert 0.9 < areas.max() <= 1.0
    assert ratios.min() < 0.75
    assert ratios.max() > 2.0
    assert all(move.top + move.height <= 60 and move.left + move.width <= 80 for move in windows)


def test_an_image_into_which_no_window_fits_stays() -> None:
    # the least window has the ratio 1 and more area than the image's shorter edge allows
    assert RandomScaleAspect(aspect_ratio=1.0).decide((10, 100), np.random.default_rng(0)) == Stay()
    with pytest.raises(ConfigError, match="aspect_ratio: 0.0 given"):
        RandomScaleAspect(aspect_ratio=0.0)


def test_shares_of_classes_count_what_counts() -> None:
    assert largest_class_share(np.array([[0, 0, 0, 1, 255, 255]], np.uint8)) == 0.75
    assert largest_class_share(np.full((2, 2), 255, np.uint8)) == 1.0


def two_halves() -> dict[str, Any]:
    labels = np.zeros((64, 64), np.uint8)
    labels[:, 48:] = 1
    return {"image": np.repeat(labels[:, :, None], 3, axis=2) * 200, "semseg": labels, "meta": {}}


def test_windows_of_one_class_are_drawn_again() -> None:
    capped, free = RandomCrop(size=16, max_class_share=0.75), RandomCrop(size=16)
    shares = {
        transform: np.array([largest_class_share(transform(two_halves(), np.random.default_rng(seed))["semseg"]) for seed in range(100)])
        for transform in (capped, free)
    }
    assert (shares[free] == 1.0).mean() > 0.5
    # a window crosses the border well enough in 9 of 49 places: ten tries fail in 13 of 100 cases
    assert (shares[capped] <= 0.75).mean() > 0.7
    first, again = (capped(two_halves(), np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first["image"], again["image"])
    assert np.array_equal(first["image"][..., 0], first["semseg"] * 200)


def test_padding_of_a_crop_has_a_label_of_its_own() -> None:
    found = RandomCrop(size=80, fill=127.5, label_fill=1)(two_halves(), np.random.default_rng(0))
    assert found["semseg"][0, 0] == 1
    assert found["image"][0, 0].tolist() == [128, 128, 128]
    assert RandomCrop(size=80)(two_halves(), np.random.default_rng(0))["semseg"][0, 0] == 255
    with pytest.raises(ConfigError, match="max_class_share: 1.5 given, a share from 0 to 1"):
        RandomCrop(size=8, max_class_share=1.5)


def test_a_recipe_of_names_is_built_and_keeps_the_label_on_the_image() -> None:
    recipe = [
        "InitMask",
        "RandomHorizontalFlip",
        {"name": "RandomVerticalFlip", "probability": 0.1},
        "RandomRotation",
        "RandomScaleAspect",
        "RandomBlur",
        {"name": "Resize", "size": [48, 48]},
        {"name": "Normalize", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
    ]
    transforms, normalize = build_transforms(recipe, default_size=512)
    assert normalize is not None
    labels = np.zeros((60, 60, 3), np.uint8)
    cv2.circle(labels, (20, 36), 9, (255, 255, 255), -1)
    for seed in range(20):
        found = transforms({"image": labels, "semseg": labels, "meta": {}}, np.random.default_rng(seed))
        assert found["semseg"].shape == (48, 48)
        assert set(np.unique(found["semseg"]).tolist()) <= {0, 1, 255}
        building = found["semseg"] == 1
        assert ((found["image"][..., 0] > 200) & ~building).sum() <= 0.12 * building.sum() + 8
