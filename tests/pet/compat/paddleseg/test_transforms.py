"""Transforms under PaddleSeg's names."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageEnhance

import pet.compat.paddleseg.transforms as T
from petlib.errors import ConfigError, DataError

IMAGE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
LABEL = (IMAGE[..., 0] > 128).astype(np.uint8)


def test_the_defaults_are_those_of_the_notebook() -> None:
    assert T.RandomHorizontalFlip().transform.probability == 0.5
    assert T.RandomVerticalFlip().transform.probability == 0.1
    assert T.RandomBlur().transform.probability == 0.1
    rotation = T.RandomRotation().transform
    assert (rotation.degrees, rotation.fill, rotation.label_fill) == ((-15.0, 15.0), 127.5, 255)
    aspect = T.RandomScaleAspect().transform
    assert (aspect.min_scale, aspect.aspect_ratio) == (0.5, 0.33)
    assert T.Resize().transform.size == (512, 512)
    assert T.Normalize().normalize.mean == T.Normalize().normalize.std == (0.5, 0.5, 0.5)


def test_resize_takes_width_and_height_and_gives_what_opencv_gives() -> None:
    image, label = T.Resize(target_size=(12, 8))(IMAGE, LABEL)
    assert image.shape == (8, 12, 3)
    assert label.shape == (8, 12)
    np.testing.assert_array_equal(image, cv2.resize(IMAGE, (12, 8), interpolation=cv2.INTER_LINEAR))
    assert set(np.unique(label)) <= {0, 1}


def test_normalize_gives_minus_one_to_one() -> None:
    (image,) = T.Normalize()(np.full((2, 2, 3), 255, np.uint8))
    np.testing.assert_allclose(image, 1.0, atol=1e-6)


def test_a_call_without_a_label_gives_the_image_alone() -> None:
    outputs = T.RandomHorizontalFlip(prob=1.0)(IMAGE)
    assert len(outputs) == 1
    np.testing.assert_array_equal(outputs[0], IMAGE[:, ::-1])


def test_a_crop_pads_what_is_smaller() -> None:
    image, label = T.RandomPaddingCrop(crop_size=(40, 16), im_padding_value=(7, 7, 7), label_padding_value=9)(IMAGE, LABEL)
    assert image.shape == (16, 40, 3)
    assert {7} == set(np.unique(image[:, :5]))
    assert {9} == set(np.unique(label[:, :5]))


def test_calls_draw_from_numpys_global_generator() -> None:
    rotate = T.RandomRotation()
    np.random.seed(1)
    first = rotate(IMAGE)[0]
    np.random.seed(1)
    np.testing.assert_array_equal(rotate(IMAGE)[0], first)
    assert rotate(IMAGE)[0].shape != first.shape or (rotate(IMAGE)[0] != first).any()


def test_init_mask_takes_one_channel_and_keeps_what_does_not_count() -> None:
    painted = np.zeros((2, 2, 3), np.uint8)
    painted[0, 0], painted[1, 1] = 200, 255
    assert T.InitMask()(IMAGE, painted)[1].tolist() == [[1, 0], [0, 1]]
    assert T.InitMask(ignore=255)(IMAGE, painted)[1].tolist() == [[1, 0], [0, 255]]
    assert len(T.InitMask()(IMAGE)) == 1


def turned_by_pil(image: np.ndarray, steps: int) -> np.ndarray:
    values = np.array(Image.fromarray(image).convert("HSV"))
    values[..., 0] += np.uint8(steps % 256)
    return np.asarray(Image.fromarray(values, "HSV").convert("RGB"))


@pytest.mark.parametrize("amount", [0.6, 1.4])
def test_random_distort_changes_colours_as_pil_does(amount: float) -> None:
    brightness, contrast, saturation, hue = T.RandomDistort().transform.changes
    picture = Image.fromarray(IMAGE)
    for change, enhance in ((brightness, ImageEnhance.Brightness), (contrast, ImageEnhance.Contrast), (saturation, ImageEnhance.Color)):
        assert (change.neutral, change.reach, change.probability) == (1.0, 0.5, 0.5)
        np.testing.assert_allclose(change.apply(IMAGE, amount), np.asarray(enhance(picture).enhance(amount)), atol=2)
    assert (hue.neutral, hue.reach, hue.probability) == (0.0, 18, 0.5)
    difference = np.abs(hue.apply(IMAGE, 18).astype(int) - turned_by_pil(IMAGE, 18))
    assert difference.mean() < 2.5
    assert np.abs(hue.apply(IMAGE, -18).astype(int) - turned_by_pil(IMAGE, 18)).mean() > 20


def test_random_distort_draws_amount_and_share() -> None:
    gray = np.full((4, 4, 3), 100, np.uint8)
    always = T.RandomDistort(brightness_range=0.2, brightness_prob=1.0, contrast_prob=0, saturation_prob=0, hue_prob=0)
    np.random.seed(0)
    values = {int(always(gray)[0][0, 0, 0]) for _ in range(60)}
    assert min(values) in range(80, 84) and max(values) in range(117, 121)
    half = T.RandomDistort(brightness_prob=0.5, contrast_prob=0, saturation_prob=0, hue_prob=0)
    assert 15 < sum(int(half(gray)[0][0, 0, 0]) != 100 for _ in range(60)) < 45
    floats = always(gray.astype(np.float32) + 0.9)[0]
    assert floats.dtype == np.uint8 and floats.max() <= 120


def test_resize_step_scaling_draws_among_the_factors_of_paddleseg() -> None:
    scale = T.ResizeStepScaling()
    assert scale.transform.factors == [0.75, 1.0, 1.25]
    # the number of steps is cut off and they are spread anew
    assert T.ResizeStepScaling(0.5, 2.0, 0.4).transform.factors == [0.5, 1.0, 1.5, 2.0]
    np.random.seed(0)
    sizes = {scale(IMAGE, LABEL)[0].shape[:2] for _ in range(30)}
    assert sizes == {(15, 22), (20, 30), (25, 38)}
    image, label = T.ResizeStepScaling(1.5, 1.5)(IMAGE, LABEL)
    np.testing.assert_array_equal(image, cv2.resize(IMAGE, (45, 30), interpolation=cv2.INTER_LINEAR))
    assert label.shape == (30, 45)
    free = {T.ResizeStepScaling(0.5, 2.0, 0)(IMAGE)[0].shape for _ in range(20)}
    assert len(free) > 5


def test_compose_takes_bgr_or_files_and_gives_channels_first(tmp_path: Path) -> None:
    compose = T.Compose([T.RandomHorizontalFlip(prob=1.0), T.Normalize(mean=(0, 0, 0), std=(1, 1, 1))])
    image, label = compose(IMAGE[..., ::-1], LABEL)
    np.testing.assert_allclose(image, IMAGE[:, ::-1].transpose(2, 0, 1) / 255, atol=1e-6)
    np.testing.assert_array_equal(label, LABEL[:, ::-1])
    cv2.imwrite(str(tmp_path / "image.png"), IMAGE[..., ::-1])
    cv2.imwrite(str(tmp_path / "label.png"), LABEL)
    from_files = compose(str(tmp_path / "image.png"), str(tmp_path / "label.png"))
    np.testing.assert_array_equal(from_files[0], image)
    np.testing.assert_array_equal(from_files[1], label)
    blue_first, none = T.Compose([T.RandomHorizontalFlip(prob=0.0)], to_rgb=False)(IMAGE)
    np.testing.assert_array_equal(blue_first, IMAGE.transpose(2, 0, 1))
    assert none is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.Resize(target_size=512), r"Resize: target_size: 512 given, \(width, height\)"),
        (lambda: T.Resize(interp="RANDOM"), "interp: 'RANDOM' given, one of LINEAR, CUBIC, AREA, NEAREST"),
        (lambda: T.RandomRotation(im_padding_value=(1, 2, 3)), "one gray value for all channels"),
        (lambda: T.RandomBlur(prob=2), "a probability from 0 to 1"),
        (lambda: T.RandomDistort(contrast_prob=2), "RandomDistort: contrast_prob: 2 given, a probability"),
        (lambda: T.RandomDistort(saturation_range=1.5), "RandomDistort: saturation_range"),
        (lambda: T.RandomDistort()(IMAGE / np.float32(255) - np.float32(0.5)), "before Normalize"),
        (lambda: T.ResizeStepScaling(2.0, 1.0), "min_scale_factor 2.0, max_scale_factor 1.0 and scale_step_size 0.25 given"),
        (lambda: T.Compose(T.Normalize()), "a list of transforms expected"),
    ],
)
def test_wrong_arguments_are_reported(make, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_the_longer_edge_is_set_limited_or_drawn() -> None:
    image, label = T.ResizeByLong(15)(IMAGE, LABEL)
    np.testing.assert_array_equal(image, cv2.resize(IMAGE, (15, 10), interpolation=cv2.INTER_LINEAR))
    assert label.shape == (10, 15)
    sizes = [T.LimitLong(max_long, min_long)(IMAGE)[0].shape[:2] for max_long, min_long in ((15, None), (None, 60), (40, 20), (None, None))]
    assert sizes == [(10, 15), (40, 60), (20, 30), (20, 30)]
    np.random.seed(0)
    lengths = [T.ResizeRangeScaling(40, 60)(IMAGE)[0].shape[1] for _ in range(60)]
    assert 40 <= min(lengths) < 43 and 57 < max(lengths) <= 60
    assert T.ResizeRangeScaling(45, 45)(IMAGE)[0].shape[:2] == (30, 45)


def test_padding_is_right_and_below_and_refuses_larger_images() -> None:
    image, label = T.Padding((40, 22), im_padding_value=[7, 7, 7], label_padding_value=9)(IMAGE, LABEL)
    np.testing.assert_array_equal(image, cv2.copyMakeBorder(IMAGE, 0, 2, 0, 10, cv2.BORDER_CONSTANT, value=(7, 7, 7)))
    np.testing.assert_array_equal(label, cv2.copyMakeBorder(LABEL, 0, 2, 0, 10, cv2.BORDER_CONSTANT, value=9))
    with pytest.raises(DataError, match=r"Padding: target_size: 20 x 22 \(width x height\) given, but an image has 30 x 20"):
        T.Padding((20, 22))(IMAGE)


def test_a_centre_crop_keeps_the_share_and_cuts_image_and_label_in_one_way() -> None:
    np.random.seed(0)
    place = (np.arange(20 * 30).reshape(20, 30) % 251).astype(np.uint8)
    sizes = set()
    for _ in range(200):
        image, label = T.RandomCenterCrop((0.5, 0.75))(np.repeat(place[..., None], 3, axis=2), place)
        np.testing.assert_array_equal(image[..., 0], label)
        sizes.add(image.shape[:2])
    heights, widths = zip(*sizes, strict=True)
    assert (min(heights), max(heights), min(widths), max(widths)) == (16, 20, 16, 30)
    np.testing.assert_array_equal(T.RandomCenterCrop((1.0, 1.0))(IMAGE)[0], IMAGE)


def test_noise_has_the_deviation_that_is_drawn_and_stays_within_gray_values() -> None:
    gray = np.full((64, 64, 3), 128, np.uint8)
    np.random.seed(0)
    images = [T.RandomNoise(prob=1.0, max_sigma=10.0)(gray)[0] for _ in range(40)]
    deviations = [float(image.std()) for image in images]
    assert all(image.dtype == np.float32 for image in images)
    assert 0.0 <= min(deviations) < 1.5 and 8.5 < max(deviations) < 10.5
    white = T.RandomNoise(prob=1.0, max_sigma=50.0)(np.full((8, 8, 3), 255, np.uint8))[0]
    assert white.max() == 255.0 and white.min() >= 0.0
    np.testing.assert_array_equal(T.RandomNoise(prob=0.0)(gray)[0], gray)


def test_an_affine_map_is_that_of_opencv_about_the_middle_of_the_new_image() -> None:
    fixed = T.RandomAffine(size=(36, 24), max_rotation=0, min_scale_factor=1.0, max_scale_factor=1.0)
    scale = (36 / 29 + 24 / 19) / 2
    turn = np.vstack([cv2.getRotationMatrix2D((18, 12), 0, scale), [0, 0, 1]])
    matrix = turn @ np.array([[1, 0, (36 - 29) / 2], [0, 1, (24 - 19) / 2], [0, 0, 1]])
    expected = cv2.warpAffine(IMAGE, matrix[:2], (36, 24), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(128,) * 3)
    image, label = fixed(IMAGE, LABEL)
    assert image.shape == (24, 36, 3) and label.shape == (24, 36)
    assert np.abs(image.astype(int) - expected).max() <= 2
    np.random.seed(0)
    turned = {T.RandomAffine(size=(36, 24))(IMAGE)[0].tobytes() for _ in range(5)}
    assert len(turned) == 5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.ResizeByLong(0), "ResizeByLong: a longer edge of 0 to 0 pixels given"),
        (lambda: T.LimitLong(10, 20), "LimitLong: a longer edge of 20 to 10 pixels given; ascending numbers above 0 expected"),
        (lambda: T.RandomCenterCrop((0.5, 1.5)), "RandomCenterCrop: retain_ratio:"),
        (lambda: T.RandomAffine(min_scale_factor=2.0), "RandomAffine: min_scale_factor 2.0 and max_scale_factor 1.25 given"),
    ],
)
def test_impossible_sizes_are_reported(make, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
