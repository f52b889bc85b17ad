"""Colours compared with torchvision's, and what the transforms promise."""

from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional

from pet.data import build_transforms
from pet.data.transforms.colour import ColorJitter, ColourMap, RandomGrayscale, mean_gray, shift_hue
from petlib.errors import ConfigError


def picture(seed: int = 0, height: int = 40, width: int = 50) -> np.ndarray:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image.flags.writeable = False
    return image


def as_tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1)


def difference(image: np.ndarray, reference: torch.Tensor) -> np.ndarray:
    return np.abs(image.astype(int) - reference.permute(1, 2, 0).numpy().astype(int))


FACTORS = [0.0, 0.3, 0.6, 1.0, 1.3, 1.9]


@pytest.mark.parametrize("factor", FACTORS)
def test_each_map_is_that_of_torchvision_up_to_rounding(factor: float) -> None:
    image = picture()
    brightness, contrast, saturation = ColourMap(), ColourMap(), ColourMap()
    brightness.brighten(factor)
    contrast.change_contrast(factor, mean_gray(image))
    saturation.saturate(factor)
    # torchvision cuts off where we round, and takes the mean of gray values that were cut off
    assert difference(brightness(image), functional.adjust_brightness(as_tensor(image), factor)).max() <= 1
    assert difference(contrast(image), functional.adjust_contrast(as_tensor(image), factor)).max() <= 1
    assert difference(saturation(image), functional.adjust_saturation(as_tensor(image), factor)).max() <= 2


@pytest.mark.parametrize("share", [-0.5, -0.2, 0.0, 0.125, 0.5])
def test_the_hue_is_that_of_torchvision_within_its_steps(share: float) -> None:
    found = difference(shift_hue(picture(), share), functional.adjust_hue(as_tensor(picture()), round(share * 256) / 256))
    assert found.mean() < 1
    assert found.max() <= 12


@pytest.mark.parametrize("seed", range(12))
def test_changes_in_any_order_are_those_of_torchvision_one_after_another(seed: int) -> None:
    jitter = ColorJitter(brightness=0.5, contrast=0.5, saturation=0.5)
    image = picture(seed)
    found = jitter.apply(image, np.random.default_rng(seed))
    shares = np.random.default_rng(seed).random(6)
    steps = [functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation]
    reference = as_tensor(image)
    for index in np.argsort(shares[3:]):
        reference = steps[index](reference, 0.5 + shares[index])
    # three times cut off or rounded, magnified by up to 1.5 twice
    assert difference(found, reference).max() <= 6
    assert difference(found, reference).mean() < 2


def test_all_orders_occur() -> None:
    jitter = ColorJitter(brightness=[0.2, 0.2], contrast=[1.9, 1.9], saturation=[0.0, 0.0])
    rng = np.random.default_rng(0)
    assert len({jitter.apply(picture(), rng).tobytes() for _ in range(60)}) >= 3


def test_factors_reach_from_the_least_to_the_greatest() -> None:
    gray = np.full((4, 4, 3), 100, np.uint8)
    rng = np.random.default_rng(0)
    levels = [int(ColorJitter(brightness=0.4).apply(gray, rng)[0, 0, 0]) for _ in range(300)]
    assert 60 <= min(levels) < 64
    assert 136 < max(levels) <= 140
    fixed = ColorJitter(brightness=[0.5, 0.5]).apply(gray, rng)
    assert np.array_equal(fixed, np.full_like(gray, 50))


def test_gray_stays_gray_when_saturation_and_hue_change() -> None:
    gray = np.repeat(picture()[..., :1], 3, axis=2)
    found = ColorJitter(saturation=0.9, hue=0.5).apply(gray, np.random.default_rng(0))
    assert np.abs(found.astype(int) - gray).max() <= 1


def test_the_generator_decides_and_the_given_image_stays() -> None:
    transform = ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
    image = picture()
    sample = {"image": image, "label": 3}
    first, second, other = (transform(sample, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first["image"], second["image"])
    assert not np.array_equal(first["image"], other["image"])
    assert (first["image"].dtype, first["image"].shape, first["label"]) == (np.uint8, image.shape, 3)
    assert sample["image"] is image
    assert np.array_equal(image, picture())


def test_no_change_gives_the_image_itself() -> None:
    assert ColorJitter().apply(picture(), np.random.default_rng(0)).tobytes() == picture().tobytes()


def test_a_share_of_the_images_becomes_gray() -> None:
    rng = np.random.default_rng(0)
    found = [RandomGrayscale(probability=0.3).apply(picture(), rng) for _ in range(400)]
    gray = [image for image in found if np.ptp(image, axis=2).max() == 0]
    assert 80 < len(gray) < 160
    assert difference(gray[0], functional.rgb_to_grayscale(as_tensor(picture()), num_output_channels=3)).max() <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"brightness": -0.1}, "brightness: -0.1 given"),
        ({"contrast": [1.2, 0.8]}, r"contrast: \[1.2, 0.8\] given, two ascending numbers from 0"),
        ({"saturation": [0.5, 1.0, 1.5]}, "saturation"),
        ({"saturation": None}, "saturation: None given"),
        ({"hue": 0.6}, "hue: 0.6 given, a number from 0 to 0.5"),
        ({"hue": [-0.7, 0.1]}, "from -0.5 to 0.5"),
        ({"brightness": "strong"}, "brightness: .strong. given"),
    ],
)
def test_wrong_arguments_are_reported(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_transforms([{"name": "ColorJitter", **arguments}], default_size=None)


def test_a_wrong_probability_is_reported() -> None:
    with pytest.raises(ConfigError, match="RandomGrayscale: probability: 2 given"):
        RandomGrayscale(probability=2)
