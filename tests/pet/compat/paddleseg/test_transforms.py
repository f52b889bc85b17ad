"""Transforms under PaddleSeg's names."""

import cv2
import numpy as np
import pytest

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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.Resize(target_size=512), r"Resize: target_size: 512 given, \(width, height\)"),
        (lambda: T.Resize(interp="RANDOM"), "interp: 'RANDOM' given, one of LINEAR, CUBIC, AREA, NEAREST"),
        (lambda: T.RandomRotation(im_padding_value=(1, 2, 3)), "one gray value for all channels"),
        (lambda: T.RandomBlur(prob=2), "a probability from 0 to 1"),
    ],
)
def test_wrong_arguments_are_reported(make, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
