"""Transforms under PaddleSeg's names."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageEnhance

import pet.compat.paddleseg.transforms as T
from petlib.errors import ConfigError

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
