"""The built-in steps of pipelines, and the document's own example of a user's step."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from pet.compat.antgo.framework.helper.dataset.builder import PIPELINES
from petlib.errors import ConfigError, DataError

PICTURE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
SEGMENTS = np.arange(24, dtype=np.uint8).reshape(4, 6)


def step(**entry: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    built: Callable[[dict[str, Any]], dict[str, Any]] = PIPELINES.build(entry)
    return built


def flip(**entry: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return step(type="RandomFlipImage", prob=1.0, **entry)


def test_the_image_and_all_targets_are_mirrored() -> None:
    sample = {
        "image": PICTURE,
        "segments": SEGMENTS,
        "bboxes": np.array([[1, 0, 3, 2]], np.float32),
        "labels": np.array([4]),
        "joints2d": np.array([[0.5, 1.0, 2.0], [5.0, 3.0, 1.0]]),
    }
    flipped = flip()(sample)
    assert np.array_equal(flipped["image"], PICTURE[:, ::-1])
    assert np.array_equal(flipped["segments"], SEGMENTS[:, ::-1])
    assert flipped["bboxes"].tolist() == [[3, 0, 5, 2]]
    assert flipped["labels"].tolist() == [4]
    assert flipped["joints2d"].tolist() == [[5.5, 1.0, 2.0], [1.0, 3.0, 1.0]]
    assert np.array_equal(sample["image"], np.arange(72, dtype=np.uint8).reshape(4, 6, 3)), "what a step is given stays as it is"


def test_a_share_of_the_samples_is_mirrored() -> None:
    np.random.seed(0)
    half = step(type="RandomFlipImage")
    count = sum(half({"image": PICTURE})["image"][0, 0, 0] != 0 for _ in range(200))
    assert 70 < count < 130
    assert step(type="RandomFlipImage", prob=0.0)({"image": PICTURE})["image"] is PICTURE


def test_joints_and_labels_of_the_two_sides_change_places() -> None:
    sample = {
        "image": PICTURE,
        "bboxes": np.array([[0, 0, 6, 4], [0, 0, 3, 4]], np.float32),
        "labels": np.array([0, 1]),
        "joints2d": np.array([[[1, 1], [2, 2], [3, 3]], [[1, 0], [2, 0], [3, 0]]], np.float32),
        "joints_vis": np.array([[1, 0, 1], [1, 1, 1]]),
    }
    flipped = flip(swap_ids=[[0], [1]], swap_labels=[[0, 1], [1, 0]])(sample)
    assert flipped["labels"].tolist() == [1, 0]
    # joint 1 of the first object is not visible, and it now is joint 0
    assert flipped["joints2d"].tolist() == [[[0, 0], [5, 1], [3, 3]], [[4, 0], [5, 0], [3, 0]]]
    assert flipped["joints_vis"].tolist() == [[0, 1, 1], [1, 1, 1]]


def test_the_target_size_is_width_and_height() -> None:
    sample = {
        "image": PICTURE,
        "segments": SEGMENTS.astype(np.int64),
        "bboxes": np.array([[0, 0, 3, 2]], np.float32),
        "area": np.array([5.0]),
        "joints2d": np.array([[3.0, 2.0]]),
    }
    resized = step(type="ResizeS", target_dim=(12, 8))(sample)
    assert resized["image"].shape == (8, 12, 3)
    assert resized["segments"].dtype == np.int64
    assert np.array_equal(resized["segments"], SEGMENTS.repeat(2, axis=0).repeat(2, axis=1))
    assert resized["bboxes"].tolist() == [[0, 0, 6, 4]]
    assert resized["area"].tolist() == [20.0]
    assert resized["joints2d"].tolist() == [[6.0, 4.0]]
    assert step(type="ResizeS", target_dim=5)({"image": PICTURE[:, :, 0]})["image"].shape == (5, 5)


@pytest.mark.parametrize("dtype", [bool, np.uint16, np.int32, np.int64])
def test_label_images_of_any_whole_numbers_are_turned(dtype: Any) -> None:
    labels = np.zeros((8, 8), dtype)
    labels[2:6, 2:6] = 1
    np.random.seed(1)
    turned = step(type="Rotation", degree=45, prob=1.0)({"image": np.zeros((8, 8, 3), np.uint8), "segments": labels})["segments"]
    assert turned.dtype == dtype
    assert turned[3:5, 3:5].all()


def test_corners_that_come_in_by_a_turn_do_not_count() -> None:
    np.random.seed(0)
    sample = {"image": np.ones((32, 32, 3), np.uint8), "segments": np.ones((32, 32), np.uint8)}
    rotate = step(type="Rotation", degree=90, prob=1.0, border_value=[9, 9, 9], label_border_value=7)
    results = [rotate(sample) for _ in range(10)]
    assert any(turned["segments"][0, 0] == 7 for turned in results)
    assert any(turned["image"][0, 0].tolist() == [9, 9, 9] for turned in results)
    for turned in results:
        assert set(np.unique(turned["segments"])) <= {1, 7}
        assert turned["segments"][16, 16] == turned["image"][16, 16, 0] == 1


def test_objects_that_a_turn_moves_out_of_the_image_are_dropped() -> None:
    np.random.seed(0)
    sample = {
        "image": np.zeros((100, 400, 3), np.uint8),
        "bboxes": np.array([[190, 40, 210, 60], [0, 0, 10, 10]], np.float32),
        "labels": np.array([1, 2]),
        "area": np.array([400.0, 100.0]),
        "joints2d": np.array([[[200.0, 50.0, 2.0]], [[5.0, 5.0, 2.0]]]),
    }
    angles = [step(type="Rotation", degree=45, prob=1.0)(sample) for _ in range(30)]
    lost = [turned for turned in angles if len(turned["bboxes"]) == 1]
    assert lost, "a corner of a wide image leaves it in some of the turns"
    for turned in lost:
        assert turned["labels"].tolist() == [1]
        assert turned["area"].tolist() == [400.0]
        assert turned["joints2d"][0, 0, :2] == pytest.approx([200, 50], abs=1e-3)


def test_colours_change_and_shapes_stay() -> None:
    np.random.seed(0)
    distort = step(type="ColorDistort")
    results = [distort({"image": PICTURE, "segments": SEGMENTS}) for _ in range(20)]
    assert {result["image"].shape for result in results} == {PICTURE.shape}
    assert sum(not np.array_equal(result["image"], PICTURE) for result in results) > 10
    never = {name: [0.5, 1.5, 0.0] for name in ("hue", "saturation", "contrast", "brightness")}
    assert np.array_equal(step(type="ColorDistort", **never)({"image": PICTURE})["image"], PICTURE)


def test_each_setting_of_the_colours_does_what_it_says() -> None:
    image = np.full((2, 2, 3), (100, 50, 20), np.uint8)
    never = {name: [1.0, 1.0, 0.0] for name in ("hue", "saturation", "contrast", "brightness")}
    darker = step(type="ColorDistort", **{**never, "brightness": [0.5, 0.5, 1.0]})({"image": image})["image"]
    gray = step(type="ColorDistort", **{**never, "saturation": [0.0, 0.0, 1.0]})({"image": image})["image"]
    assert darker[0, 0].tolist() == [50, 25, 10]
    assert len(set(gray[0, 0].tolist())) == 1


def test_the_samples_of_the_document_become_what_its_network_takes() -> None:
    mean, std = (0.491400, 0.482158, 0.4465231), (0.247032, 0.243485, 0.2615877)
    sample = {"image": PICTURE, "segments": SEGMENTS}
    for entry in (
        {"type": "ToTensor", "keys": ["image"]},
        {"type": "Normalize", "mean": mean, "std": std, "keys": ["image"]},
        {"type": "UnSqueeze", "axis": 0, "keys": ["segments"]},
    ):
        sample = step(**entry)(sample)
    image = sample["image"]
    assert isinstance(image, torch.Tensor)
    assert image.shape == (3, 4, 6) and image.dtype == torch.float32
    assert image[1, 2, 3].item() == pytest.approx((PICTURE[2, 3, 1] / 255 - mean[1]) / std[1], abs=1e-5)
    assert sample["segments"].shape == (1, 4, 6)


def test_arrays_of_whole_numbers_are_normalized_in_the_unit_of_the_mean() -> None:
    image = np.full((2, 2, 3), 51, np.uint8)
    shares = step(type="Normalize", mean=[0.1, 0.2, 0.3], std=[0.5, 0.5, 0.5])({"image": image})["image"]
    grays = step(type="Normalize", mean=[50.0], std=[2.0])({"image": image})["image"]
    floats = step(type="Normalize", mean=[0.5], std=[0.5])({"image": image / 255})["image"]
    assert shares.shape == (2, 2, 3) and shares.dtype == np.float32
    assert shares[0, 0] == pytest.approx([0.2, 0.0, -0.2], abs=1e-6)
    assert grays[0, 0] == pytest.approx([0.5, 0.5, 0.5])
    assert floats[0, 0] == pytest.approx([-0.6, -0.6, -0.6])


def test_a_picture_is_the_same_in_8_and_in_16_bits() -> None:
    deep = PICTURE.astype(np.uint16) * 257
    for entry in ({"type": "ToTensor"}, {"type": "Normalize", "mean": [0.5], "std": [0.5]}):
        shallow_result, deep_result = (np.asarray(step(**entry)({"image": image})["image"]) for image in (PICTURE, deep))
        np.testing.assert_allclose(deep_result, shallow_result, atol=1e-6)
    normalize = step(type="Normalize", mean=[0.5], std=[0.5])
    planes = normalize({"image": torch.from_numpy(deep.transpose(2, 0, 1).copy())})["image"]
    np.testing.assert_allclose(planes.numpy().transpose(1, 2, 0), normalize({"image": PICTURE})["image"], atol=1e-6)


def test_only_pictures_are_turned_into_planes() -> None:
    sample = {"image": PICTURE, "segments": SEGMENTS[None], "labels": [1, 2], "label": 3, "depth": np.ones((4, 6, 1), np.float32) * 7}
    tensors = step(type="ToTensor", keys=list(sample))(sample)
    assert tensors["image"].max().item() == pytest.approx(PICTURE.max() / 255)
    assert tensors["segments"].shape == (1, 4, 6) and tensors["segments"].dtype == torch.uint8
    assert tensors["labels"].tolist() == [1, 2] and tensors["label"].item() == 3
    assert tensors["depth"].shape == (1, 4, 6) and tensors["depth"].max().item() == 7
    assert step(type="ToTensor")({"image": SEGMENTS})["image"].shape == (1, 4, 6)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"type": "ResizeS", "target_dim": (0, 5)}, "target_dim: [0, 5] given; (width, height)"),
        ({"type": "ResizeS", "target_dim": 5, "interp": "linear"}, "interp: 'linear' given, one of NEAREST, LINEAR"),
        ({"type": "ResizeS"}, "target_dim missing"),
        ({"type": "Rotation", "degrees": 5}, "unknown argument 'degrees'; did you mean degree?"),
        ({"type": "Rotation", "border_value": [1, 2, 3]}, "one gray value"),
        ({"type": "RandomFlipImage", "swap_ids": [[1, 2], [1, 3]]}, "two lists of equal length"),
        ({"type": "RandomFlipImage", "swap_labels": [[1]]}, "pairs [label, label after]"),
        ({"type": "ColorDistort", "hue": [1, 2]}, "[least, greatest, share of the samples] expected"),
        ({"type": "ToTensor", "keys": "image"}, "ToTensor: keys: 'image' given, list[str] expected"),
        ({"type": "Normalize", "mean": [0.5, 0.5], "std": [0.5]}, "a number for each channel"),
        ({"type": "Normalize", "mean": [0.5], "std": [0.0]}, "std above 0"),
    ],
)
def test_wrong_arguments_are_reported(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PIPELINES.build(entry)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "sample", "message"),
    [
        ({"type": "ResizeS", "target_dim": 5}, {"image": torch.zeros(3, 4, 6)}, "It belongs before ToTensor"),
        ({"type": "ResizeS", "target_dim": 5}, {"picture": PICTURE}, "there is no field 'image' in the sample (it has picture)"),
        ({"type": "ResizeS", "target_dim": 5}, {"image": PICTURE, "segments": SEGMENTS[None]}, "Steps like UnSqueeze belong behind it"),
        (
            {"type": "ResizeS", "target_dim": 5},
            {"image": PICTURE, "bboxes": np.zeros((1, 4)), "labels": np.zeros(2)},
            "labels has 2 elements",
        ),
        (
            {"type": "ResizeS", "target_dim": 5},
            {"image": PICTURE, "segments": SEGMENTS.astype(np.int64) * 10000},
            "segments has labels from 0 to",
        ),
        ({"type": "ResizeS", "target_dim": 5}, {"image": PICTURE, "joints2d": np.zeros((2, 4))}, "the field 'joints2d' is an array (2, 4)"),
        (
            {"type": "RandomFlipImage", "prob": 1.0, "swap_ids": [[0], [7]]},
            {"image": PICTURE, "joints2d": np.zeros((2, 2))},
            "names joint 7",
        ),
        ({"type": "ColorDistort"}, {"image": PICTURE[:, :, :2]}, "three channels of uint8 expected"),
        ({"type": "Normalize", "mean": [0.5] * 4, "std": [0.5] * 4}, {"image": PICTURE}, "give 3 of each"),
        ({"type": "Normalize", "mean": [0.5], "std": [0.5]}, {"image": SEGMENTS}, "a tensor (C, H, W) or an array (H, W, C)"),
        ({"type": "UnSqueeze", "keys": ["segment"]}, {"segments": SEGMENTS}, "no field 'segment' in the sample; did you mean segments?"),
        ({"type": "UnSqueeze", "axis": 5}, {"image": PICTURE}, "axis: 5 given and the field 'image' has 3 dimensions"),
        ({"type": "ToTensor", "keys": ["image_meta"]}, {"image_meta": {}}, "numbers expected"),
    ],
)
def test_samples_that_do_not_fit_are_reported(entry: dict[str, Any], sample: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        PIPELINES.build(entry)(sample)
    assert message in str(caught.value)
