"""Random colours, and the mean and deviation of pixels."""

import inspect
from typing import Any

import cv2
import numpy as np
import pytest

from pet.compat.trainframework.transforms import Normalize, RandomColorJitter
from petlib.errors import ConfigError, DataError

IMAGE = np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)


def jittered(image: np.ndarray, **arguments: Any) -> np.ndarray:
    result: np.ndarray = RandomColorJitter(**arguments)({"img": image, "color_fields": ["img"]})["img"]
    return result


def test_the_parameters_are_those_of_the_document() -> None:
    names = ("brightness", "contrast", "saturation", "hue", "blur", "gamma")
    assert list(inspect.signature(RandomColorJitter).parameters) == [f"{name}_{part}" for name in names for part in ("limit", "p")]


def test_brightness_is_a_factor() -> None:
    expected = np.minimum(np.rint(IMAGE * 1.5), 255)
    np.testing.assert_array_equal(jittered(IMAGE, brightness_limit=[1.5, 1.5], brightness_p=1.0), expected)


def test_contrast_goes_around_the_mean_gray() -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    image[0] = 200  # mean 100
    expected = np.where(image == 200, 150, 50)
    np.testing.assert_array_equal(jittered(image, contrast_limit=[0.5, 0.5], contrast_p=1.0), expected)


def test_saturation_zero_is_gray() -> None:
    gray = jittered(IMAGE, saturation_limit=[0.0, 0.0], saturation_p=1.0)
    np.testing.assert_array_equal(gray[:, :, 0], gray[:, :, 2])
    np.testing.assert_allclose(gray[:, :, 0], IMAGE @ [0.299, 0.587, 0.114], atol=1)


def test_hue_turns_red_to_green() -> None:
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 255
    np.testing.assert_allclose(jittered(red, hue_limit=[1 / 3, 1 / 3], hue_p=1.0), red[..., [1, 0, 2]], atol=6)


def test_blur_is_a_gaussian_of_an_odd_edge_within_the_limits() -> None:
    np.random.seed(0)
    kernels = {edge: cv2.GaussianBlur(IMAGE, (edge, edge), 0) for edge in (3, 5, 7)}
    seen = set()
    for _ in range(30):
        image = jittered(IMAGE, blur_limit=[3, 7], blur_p=1.0)
        seen |= {edge for edge, expected in kernels.items() if np.array_equal(image, expected)}
    assert seen == {3, 5, 7}


def test_gamma_is_an_exponent() -> None:
    image = np.array([[[0, 64, 255]]], np.uint8)
    np.testing.assert_array_equal(jittered(image, gamma_limit=[2.0, 2.0], gamma_p=1.0), [[[0, 16, 255]]])


def test_a_change_is_made_in_its_share_of_the_samples() -> None:
    np.random.seed(0)
    changed = sum(not np.array_equal(jittered(IMAGE, brightness_limit=[0.5, 0.5], brightness_p=0.2), IMAGE) for _ in range(500))
    assert 70 < changed < 130
    assert sum(not np.array_equal(jittered(IMAGE, brightness_limit=[0.5, 0.5]), IMAGE) for _ in range(200)) > 60
    np.testing.assert_array_equal(jittered(IMAGE, brightness_limit=[0.5, 0.5], brightness_p=0.0), IMAGE)
    np.testing.assert_array_equal(jittered(IMAGE), IMAGE)


def test_all_colour_fields_change_in_the_same_way_and_others_stay() -> None:
    np.random.seed(2)
    jitter = RandomColorJitter(brightness_limit=[0.2, 1.8], brightness_p=1.0, hue_limit=[-0.5, 0.5], hue_p=0.5)
    fields = {"img": IMAGE, "target": IMAGE, "other": IMAGE, "color_fields": ["img", "target"]}
    for _ in range(5):
        changed = jitter(fields)
        np.testing.assert_array_equal(changed["img"], changed["target"])
        assert not np.array_equal(changed["img"], IMAGE)
        assert changed["other"] is IMAGE


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1)])
def test_gray_images_stay_gray(shape: tuple[int, ...]) -> None:
    gray = IMAGE[:, :, 0].reshape(shape)
    every = {"brightness_limit": [1.0, 1.0], "saturation_limit": [0.5, 0.5], "saturation_p": 1.0, "hue_limit": [0.3, 0.3], "hue_p": 1.0}
    np.testing.assert_array_equal(jittered(gray, **every), gray)
    assert jittered(gray, brightness_limit=[0.5, 0.5], brightness_p=1.0).shape == shape


def test_an_image_that_has_no_8_bit_colours_is_reported() -> None:
    with pytest.raises(DataError, match=r"RandomColorJitter: the field 'img' is an array \(8, 8, 3\) of float32; .* before Normalize"):
        jittered(IMAGE.astype(np.float32), gamma_limit=[1.0, 2.0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"brightness_p": 0.5}, "brightness_p is 0.5 and brightness_limit is not given"),
        ({"contrast_limit": [1.4, 0.6]}, r"contrast_limit: \[1.4, 0.6\] given, two ascending numbers"),
        ({"hue_limit": [-1.0, 1.0]}, "hue_limit: .* two ascending numbers from -0.5 to 0.5"),
        ({"blur_limit": [3, 6]}, "blur_limit: .* odd numbers"),
        ({"gamma_limit": [0.0, 1.0]}, "gamma_limit: .* above 0"),
        ({"saturation_limit": [0.5, 1.5], "saturation_p": 2.0}, "saturation_p: 2.0 given, a probability"),
    ],
)
def test_wrong_arguments_are_reported(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RandomColorJitter(**arguments)


def test_normalize_gives_floats_of_every_image() -> None:
    image = np.full((2, 2, 3), 255, np.uint8)
    fields = Normalize(mean=[0.5, 0.5, 0.0], std=[0.5, 0.25, 1.0])({"img": image, "gray": image, "img_fields": ["img", "gray"]})
    np.testing.assert_allclose(fields["img"], np.broadcast_to([1.0, 2.0, 1.0], (2, 2, 3)), atol=1e-6)
    assert fields["gray"].dtype == np.float32
    gray = Normalize(mean=[0.5], std=[0.5], maximum=2.0)({"img": np.zeros((2, 2), np.float32)})["img"]
    np.testing.assert_allclose(gray, np.full((2, 2), -1.0))


def test_normalize_needs_a_number_for_each_channel() -> None:
    with pytest.raises(ConfigError, match="mean and std have 3 numbers and the images 1 channels"):
        Normalize()({"img": IMAGE[:, :, 0]})
    with pytest.raises(ConfigError, match="Normalize: mean .* of pixels from 0 to 1"):
        Normalize(mean=[123.7, 116.3, 103.5], std=[58.4, 57.1, 57.4])
