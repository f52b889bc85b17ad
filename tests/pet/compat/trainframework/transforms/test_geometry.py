"""Flips, sizes and crops of what a data set hands to its transforms."""

from typing import Any

import cv2
import numpy as np
import pytest

from pet.compat.trainframework.transforms import CenterCrop, Pad, RandomCrop, RandomFlip, Resize
from petlib.errors import ConfigError, DataError

IMAGE = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)


def results(**fields: Any) -> dict[str, Any]:
    return {
        "img": IMAGE,
        "img_shape": IMAGE.shape[:2],
        "ori_shape": IMAGE.shape[:2],
        "img_fields": ["img"],
        "color_fields": ["img"],
        **fields,
    }


@pytest.mark.parametrize(
    ("direction", "expected"),
    [("horizontal", IMAGE[:, ::-1]), ("vertical", IMAGE[::-1]), ("diagonal", IMAGE[::-1, ::-1])],
)
def test_a_flip_mirrors_as_its_direction_says(direction: str, expected: np.ndarray) -> None:
    flipped = RandomFlip(direction, p=1.0)(results())
    np.testing.assert_array_equal(flipped["img"], expected)
    assert flipped["img_shape"] == (4, 6)


def test_flips_happen_in_a_share_of_the_samples_and_all_directions_in_the_same_way() -> None:
    np.random.seed(0)
    flip = RandomFlip(["horizontal", "vertical", "diagonal"], p=0.6)
    outcomes = {"none": IMAGE, "horizontal": IMAGE[:, ::-1], "vertical": IMAGE[::-1], "diagonal": IMAGE[::-1, ::-1]}
    counts = dict.fromkeys(outcomes, 0)
    for _ in range(1000):
        image = flip(results())["img"]
        counts[next(name for name, expected in outcomes.items() if np.array_equal(image, expected))] += 1
    assert 350 < counts["none"] < 450
    assert all(150 < counts[name] < 250 for name in ("horizontal", "vertical", "diagonal"))


def test_an_image_may_have_an_interpolation_of_its_own() -> None:
    labels = np.array([[0, 9], [9, 0]], np.uint8)
    fields = {"img_fields": ["img", "gt"], "img": IMAGE[:2, :2], "gt": labels}
    moved = Resize(6)(results(**fields, interpolation={"gt": "INTER_NEAREST"}))
    assert set(np.unique(moved["gt"])) == {0, 9}
    np.testing.assert_array_equal(moved["img"], Resize(6)(results(img=IMAGE[:2, :2]))["img"])
    assert set(np.unique(Resize(6)(results(**fields, interpolation="INTER_NEAREST"))["gt"])) == {0, 9}
    with pytest.raises(DataError, match=r"Resize: interpolation has 'mask', which is not among img_fields \(img, gt\)"):
        Resize(6)(results(**fields, interpolation={"mask": "INTER_NEAREST"}))
    with pytest.raises(DataError, match=r"Resize: results\['interpolation'\].*'INTER_NEARST'"):
        Resize(6)(results(**fields, interpolation={"gt": "INTER_NEARST"}))


def test_all_fields_with_a_place_move_along() -> None:
    mask = np.arange(24, dtype=np.uint8).reshape(4, 6)
    gray = IMAGE[:, :, 0]
    points = np.array([[[0.0, 0.0, 2.0], [1.0, 3.0, 1.0]]])
    sample = results(
        target=gray,
        img_fields=["img", "target"],
        mask=mask,
        mask_fields=["mask"],
        boxes=np.array([[1.0, 0.0, 3.0, 2.0]]),
        bbox_fields=["boxes"],
        points=points,
        keypoint_fields=["points"],
        keypoint_swap=[1, 0],
        other="stays",
    )
    flipped = RandomFlip("horizontal", p=1.0)(sample)
    np.testing.assert_array_equal(flipped["target"], gray[:, ::-1])
    np.testing.assert_array_equal(flipped["mask"], mask[:, ::-1])
    np.testing.assert_array_equal(flipped["boxes"], [[3.0, 0.0, 5.0, 2.0]])
    np.testing.assert_array_equal(flipped["points"], [[[5.0, 3.0, 1.0], [6.0, 0.0, 2.0]]])
    assert flipped["other"] == "stays"
    turned = RandomFlip("diagonal", p=1.0)(sample)
    np.testing.assert_array_equal(turned["points"], [[[6.0, 4.0, 2.0], [5.0, 1.0, 1.0]]])  # left stays left
    np.testing.assert_array_equal(sample["img"], IMAGE)


def test_resize_takes_opencvs_names() -> None:
    resized = Resize(target_size=[8, 3], interpolation="INTER_CUBIC")(results())
    np.testing.assert_array_equal(resized["img"], cv2.resize(IMAGE, (3, 8), interpolation=cv2.INTER_CUBIC))
    assert resized["img_shape"] == (8, 3)
    assert resized["ori_shape"] == (4, 6)
    assert Resize(5)(results())["img"].shape == (5, 5, 3)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_resize_keeps_the_dtype(dtype: str) -> None:
    image = np.full((4, 4), 7, dtype)
    resized = Resize(9)(results(img=image))["img"]
    assert resized.dtype == image.dtype
    np.testing.assert_allclose(resized, np.full((9, 9), 7))


def test_resize_with_its_ratio_just_fits() -> None:
    assert Resize(12, keep_ratio=True)(results())["img"].shape == (8, 12, 3)
    assert Resize((4, 100), keep_ratio=True)(results())["img"].shape == (4, 6, 3)


def test_clip_border_cuts_boxes_off_at_the_new_edges() -> None:
    sample = results(boxes=np.array([[-1.0, 1.0, 7.0, 5.0]]), bbox_fields=["boxes"])
    np.testing.assert_array_equal(Resize([8, 12])(sample)["boxes"], [[0.0, 2.0, 12.0, 8.0]])
    np.testing.assert_array_equal(Resize([8, 12], clip_border=False)(sample)["boxes"], [[-2.0, 2.0, 14.0, 10.0]])


def test_a_crop_in_the_middle_keeps_every_box_and_hides_points_outside() -> None:
    sample = results(
        boxes=np.array([[0.0, 0.0, 1.0, 1.0], [2.0, 1.0, 6.0, 4.0]]),
        bbox_fields=["boxes"],
        points=np.array([[0.5, 0.5, 2.0], [3.0, 2.0, 2.0]]),
        keypoint_fields=["points"],
    )
    cropped = CenterCrop(2)(sample)
    np.testing.assert_array_equal(cropped["img"], IMAGE[1:3, 2:4])
    np.testing.assert_array_equal(cropped["boxes"], [[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 2.0, 2.0]])
    np.testing.assert_array_equal(cropped["points"], [[-1.5, -0.5, 0.0], [1.0, 1.0, 2.0]])


def test_a_random_crop_is_a_window_of_the_image() -> None:
    np.random.seed(3)
    crop = RandomCrop((2, 3))
    windows = [IMAGE[top : top + 2, left : left + 3] for top in range(3) for left in range(4)]
    images = [crop(results())["img"] for _ in range(100)]
    seen = {next(place for place, window in enumerate(windows) if np.array_equal(image, window)) for image in images}
    assert len(seen) == len(windows)


def test_what_is_added_has_its_own_value_in_images_and_masks() -> None:
    sample = results(mask=np.zeros((4, 6), np.uint8), mask_fields=["mask"])
    padded = Pad(divisor=8, fill=9, mask_fill=3)(sample)
    assert padded["img"].shape == (8, 8, 3)
    assert padded["img_shape"] == (8, 8)
    assert (padded["img"][4:] == 9).all()
    assert (padded["mask"][:, 6:] == 3).all()
    assert (padded["mask"][:4, :6] == 0).all()
    assert Pad((5, 5))(sample)["img"].shape == (5, 6, 3)
    assert (CenterCrop(10)(sample)["mask"][:3] == 255).all()
    assert (RandomCrop(10, fill=5, mask_fill=1)(sample)["mask"][:3] == 1).all()


def test_draws_repeat_with_the_global_seed() -> None:
    def draw() -> list[np.ndarray]:
        np.random.seed(5)
        return [RandomCrop(2)(results())["img"] for _ in range(5)]

    np.testing.assert_array_equal(draw(), draw())


def test_a_flip_takes_images_of_several_sizes_and_a_resize_does_not() -> None:
    sample = results(large=np.zeros((8, 12, 3), np.uint8), img_fields=["img", "large"])
    assert RandomFlip(p=1.0)(sample)["large"].shape == (8, 12, 3)
    with pytest.raises(DataError, match="Resize: images and masks of a sample have different sizes.* img 4x6, large 8x12; one size"):
        Resize(8)(sample)


def test_images_are_looked_for_under_img_where_nothing_is_listed() -> None:
    assert Resize(8)({"img": IMAGE})["img"].shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"img_fields": ["image"]}, r"Resize: img_fields names 'image', which is not in results; did you mean img"),
        ({"img_fields": "img"}, r"Resize: img_fields is 'img', a list of names expected"),
        ({"img_fields": []}, r"Resize: img_fields is empty"),
        ({"img": IMAGE.tolist()}, r"Resize: the field 'img' is a list; an image \(height, width, channels\)"),
        ({"img": IMAGE.astype(np.int64)}, r"the field 'img' is an array \(4, 6, 3\) of int64"),
        ({"mask": IMAGE, "mask_fields": ["mask"]}, r"Resize: the mask 'mask' is an array \(4, 6, 3\) of uint8; \(height, width\)"),
        ({"boxes": np.zeros((2, 5)), "bbox_fields": ["boxes"]}, r"the field 'boxes' is an array \(2, 5\).* left, top, right, bottom"),
        ({"points": [1, 2], "keypoint_fields": ["points"]}, r"the field 'points' is a list; an array \(..., K, 2\)"),
    ],
)
def test_fields_that_cannot_be_moved_are_reported(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Resize(8)(results(**changes))


def test_results_without_any_image_are_reported() -> None:
    with pytest.raises(DataError, match=r"Resize: 'img' is not in results; did you mean image.* \(it has image\)"):
        Resize(8)({"image": IMAGE})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomFlip("horizontl"), "RandomFlip: direction: 'horizontl' given, .* did you mean horizontal"),
        (lambda: RandomFlip([]), "RandomFlip: direction is empty"),
        (lambda: RandomFlip(p=1.5), "RandomFlip: p: 1.5 given, a probability"),
        (lambda: Resize(0), "Resize: target_size: size: 0 given"),
        (lambda: Resize(8, interpolation="INTER_LINAR"), "Resize: interpolation: 'INTER_LINAR' given, .* did you mean INTER_LINEAR"),
        (Pad, "Pad: neither target_size nor divisor given"),
        (lambda: RandomCrop(4, mask_fill=300), "RandomCrop: mask_fill: 300 given, a label"),
    ],
)
def test_wrong_arguments_are_reported(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
