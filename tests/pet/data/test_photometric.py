"""Light, blur and fog."""

import colorsys

import cv2
import numpy as np
import pytest
import torch

from pet.data.transforms.base import ImageTransform
from pet.data.transforms.colour import ColorJitter
from pet.data.transforms.photometric import (
    GaussianBlur,
    PhotometricDistortion,
    RandomBlur,
    RandomChannelSwap,
    RandomFog,
    Solarize,
    change_hue,
    change_levels,
)
from petlib.errors import ConfigError


def picture() -> np.ndarray:
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8), (0, 0), 1.5)
    image.flags.writeable = False
    return image


@pytest.mark.parametrize(
    "transform",
    [PhotometricDistortion(), RandomBlur(probability=0.5), RandomFog(probability=0.5), RandomChannelSwap()],
    ids=lambda transform: type(transform).__name__,
)
def test_the_generator_decides_and_the_given_image_stays(transform: ImageTransform) -> None:
    image = picture()
    runs = [[transform({"image": image}, np.random.default_rng(seed))["image"] for seed in range(16)] for _ in range(2)]
    assert all(np.array_equal(first, second) for first, second in zip(*runs, strict=True))
    assert len({found.tobytes() for found in runs[0]}) >= 2
    assert all(found.dtype == np.uint8 and found.shape == image.shape for found in runs[0])
    assert np.array_equal(image, picture())


def test_levels_are_rounded_and_kept_from_0_to_255() -> None:
    image = np.array([[[0, 101, 250]]], np.uint8)
    assert change_levels(image, 1.5, 0.0).tolist() == [[[0, 152, 255]]]
    assert change_levels(image, 1.0, -20.4).tolist() == [[[0, 81, 230]]]


def test_hue_and_saturation_are_those_of_the_colour_model() -> None:
    image = np.array([[[200, 50, 50]]], np.uint8)
    # red turned by 60 of 180 steps is green
    assert change_hue(image, 1.0, 60).tolist() == [[[50, 200, 50]]]
    hue, saturation, value = colorsys.rgb_to_hsv(200 / 255, 50 / 255, 50 / 255)
    expected = [round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.5 * saturation, value)]
    assert np.abs(change_hue(image, 0.5, 0)[0, 0].astype(int) - expected).max() <= 1
    assert change_hue(image, 0.0, 0).tolist() == [[[200, 200, 200]]]


def test_each_change_can_be_had_alone() -> None:
    image = np.full((2, 2, 3), 100, np.uint8)
    still = {"brightness": 0.0, "contrast": [1.0, 1.0], "saturation": [1.0, 1.0], "hue": 0, "probability": 1.0}
    assert np.array_equal(PhotometricDistortion(**still)({"image": image}, np.random.default_rng(0))["image"], image)  # type: ignore[arg-type]
    darker = PhotometricDistortion(**{**still, "contrast": [0.5, 0.5]})  # type: ignore[arg-type]
    assert (darker({"image": image}, np.random.default_rng(0))["image"] == 50).all()
    brighter = PhotometricDistortion(**{**still, "brightness": 32.0})  # type: ignore[arg-type]
    values = [int(brighter({"image": image}, np.random.default_rng(seed))["image"][0, 0, 0]) for seed in range(300)]
    assert 68 <= min(values) < 70
    assert 130 < max(values) <= 132


def test_about_one_image_of_sixteen_stays_as_it_is() -> None:
    transform = PhotometricDistortion()
    image = picture()
    same = [np.array_equal(transform({"image": image}, np.random.default_rng(seed))["image"], image) for seed in range(600)]
    assert 0.03 < np.mean(same) < 0.11


def test_blur_has_the_kernels_asked_for() -> None:
    image = picture()
    possible = {cv2.GaussianBlur(image, (size, size), 0).tobytes(): size for size in (3, 5, 7, 9)}
    found = [RandomBlur(probability=1.0)({"image": image}, np.random.default_rng(seed))["image"].tobytes() for seed in range(80)]
    assert {possible[pixels] for pixels in found} == {3, 5, 7, 9}
    share = np.mean([RandomBlur()({"image": image}, np.random.default_rng(seed))["image"] is not image for seed in range(1000)])
    assert 0.07 < share < 0.13


def test_fog_brings_pixels_nearer_to_its_light() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    fog = RandomFog(probability=1.0, density=[0.4, 0.4], light=200)
    found = fog({"image": image}, np.random.default_rng(0))["image"]
    assert 40 <= found.min() < found.max() <= 80
    assert np.array_equal(found[..., 0], found[..., 2])
    full = RandomFog(probability=1.0, density=[0.0, 0.0])({"image": picture()}, np.random.default_rng(0))["image"]
    assert np.array_equal(full, picture())


def test_red_and_blue_change_places() -> None:
    image = picture()
    found = [RandomChannelSwap()({"image": image}, np.random.default_rng(seed))["image"] for seed in range(400)]
    swapped = [np.array_equal(pixels, image[..., ::-1]) for pixels in found]
    assert all(was or pixels is image for was, pixels in zip(swapped, found, strict=True))
    assert 0.23 < np.mean(swapped) < 0.37


def test_wrong_arguments_are_reported() -> None:
    with pytest.raises(ConfigError, match="PhotometricDistortion: hue: 200 given, 0 to 90 steps"):
        PhotometricDistortion(hue=200)
    with pytest.raises(ConfigError, match="PhotometricDistortion: contrast"):
        PhotometricDistortion(contrast=[1.5, 0.5])
    with pytest.raises(ConfigError, match=r"RandomBlur: kernel: \[2, 9\] given, two ascending odd numbers"):
        RandomBlur(kernel=[2, 9])
    with pytest.raises(ConfigError, match="RandomFog: density"):
        RandomFog(density=[0.5, 1.5])
    with pytest.raises(ConfigError, match="RandomChannelSwap: probability"):
        RandomChannelSwap(probability=2.0)


@pytest.mark.parametrize(("sigma", "kernel"), [(0.5, 5), (1.3, 9), (2.0, 23)])
def test_gaussian_blur_is_torchvisions(sigma, kernel):
    functional = pytest.importorskip("torchvision.transforms.v2.functional")
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    expected = functional.gaussian_blur(torch.from_numpy(image).permute(2, 0, 1), [kernel, kernel], [sigma, sigma])
    result = GaussianBlur(sigma=[sigma, sigma], probability=1.0, kernel=kernel).apply(image, np.random.default_rng(0))
    difference = np.abs(result.astype(int) - expected.permute(1, 2, 0).numpy())
    assert difference.max() <= 1
    assert difference.mean() < 0.4  # OpenCV weighs in fixed point


@pytest.mark.parametrize(
    "transform", [GaussianBlur(probability=0.3), Solarize(probability=0.3), ColorJitter(hue=[0.3, 0.3], probability=0.3)]
)
def test_a_share_of_the_images_is_changed(transform):
    image, rng = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8), np.random.default_rng(1)
    changed = sum(not np.array_equal(transform.apply(image, rng), image) for _ in range(1000))
    assert 250 < changed < 350


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sigma": [0.0, 1.0]}, r"GaussianBlur: sigma: \[0.0, 1.0\] given, numbers above 0"),
        ({"kernel": 4}, "GaussianBlur: kernel: 4 given, an odd"),
    ],
)
def test_wrong_blurs(arguments, message):
    with pytest.raises(ConfigError, match=message):
        GaussianBlur(**arguments)
