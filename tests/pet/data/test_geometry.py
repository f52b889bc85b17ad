"""Crops, resizing and flips compared with torchvision."""

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import InterpolationMode, functional

from pet.data.transforms import geometry
from pet.data.transforms.base import Compose, GeometricTransform
from petlib.errors import ConfigError

ALL: list[GeometricTransform] = [
    geometry.RandomResizedCrop(size=[20, 24]),
    geometry.RandomCrop(size=24, padding=4),
    geometry.RandomHorizontalFlip(),
    geometry.RandomVerticalFlip(),
]


def picture(height: int = 40, width: int = 60) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = cv2.GaussianBlur(noise, (0, 0), 1.5)
    image.flags.writeable = False
    return image


def apply(transform: GeometricTransform, image: np.ndarray, seed: int = 0) -> np.ndarray:
    found = transform({"image": image}, np.random.default_rng(seed))["image"]
    assert isinstance(found, np.ndarray)
    assert found.flags.c_contiguous
    return found


def as_tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1)


def as_image(tensor: torch.Tensor) -> np.ndarray:
    return tensor.permute(1, 2, 0).numpy().astype(int)


@pytest.mark.parametrize("transform", ALL, ids=lambda transform: type(transform).__name__)
def test_the_generator_decides_and_the_given_image_stays(transform: GeometricTransform) -> None:
    image = picture()
    sample = {"image": image, "label": 4}
    runs = [[transform(sample, np.random.default_rng(seed)) for seed in range(16)] for _ in range(2)]
    assert all(np.array_equal(first["image"], second["image"]) for first, second in zip(*runs, strict=True))
    assert len({found["image"].tobytes() for found in runs[0]}) >= 2
    assert all(found["label"] == 4 for found in runs[0])
    assert sample["image"] is image
    assert np.array_equal(image, picture())


def test_random_windows_have_the_areas_and_ratios_asked_for() -> None:
    transform = geometry.RandomResizedCrop(size=10, scale=[0.2, 0.5], ratio=[0.5, 2.0])
    rng = np.random.default_rng(0)
    moves = [transform.decide((400, 400), rng) for _ in range(300)]
    assert all(isinstance(move, geometry.CropResize) for move in moves)
    windows = np.array([(m.top, m.left, m.height, m.width) for m in moves if isinstance(m, geometry.CropResize)])
    areas, ratios = windows[:, 2] * windows[:, 3] / 160_000, windows[:, 3] / windows[:, 2]
    assert 0.199 < areas.min() < 0.21
    assert 0.48 < areas.max() < 0.501
    assert 0.49 < ratios.min() < 0.55
    assert 1.8 < ratios.max() < 2.02
    assert (windows[:, 0] + windows[:, 2]).max() <= 400
    assert (windows[:, 1] + windows[:, 3]).max() <= 400
    assert windows[:, :2].min() < 5


def test_where_no_window_fits_the_centre_is_taken() -> None:
    move = geometry.RandomResizedCrop(size=10, scale=[1.0, 1.0]).decide((10, 200), np.random.default_rng(0))
    assert move == geometry.CropResize(0, 93, 10, 13, (10, 10), cv2.INTER_LINEAR)


def test_enlarging_is_that_of_torchvision() -> None:
    found = geometry.CropResize(5, 7, 20, 30, (64, 80), cv2.INTER_LINEAR)(picture())
    reference = functional.resized_crop(as_tensor(picture()), 5, 7, 20, 30, [64, 80], InterpolationMode.BILINEAR, antialias=False)
    assert np.abs(found - as_image(reference)).max() <= 1


@pytest.mark.parametrize(("ours", "theirs"), [("linear", InterpolationMode.BILINEAR), ("cubic", InterpolationMode.BICUBIC)])
@pytest.mark.parametrize("size", [[35, 50], [60, 64], [300, 100], [320, 100]])
def test_shrinking_weighs_all_pixels_as_torchvision_and_pil_do(ours: str, theirs: InterpolationMode, size: list[int]) -> None:
    image = picture(300, 320)
    found = apply(geometry.Resize(size=size, interpolation=ours), image)
    reference = functional.resize(as_tensor(image), size, theirs, antialias=True)
    assert np.abs(found - as_image(reference)).max() <= 1
    pil = np.asarray(functional.resize(Image.fromarray(image), size, theirs)).astype(int)
    assert np.abs(found - pil).max() <= 1


def test_without_antialias_shrinking_looks_at_the_nearest_pixels_alone() -> None:
    image = picture(300, 320)
    found = apply(geometry.Resize(size=[60, 64], antialias=False), image)
    reference = functional.resize(as_tensor(image), [60, 64], InterpolationMode.BILINEAR, antialias=False)
    assert np.abs(found - as_image(reference)).max() <= 1
    assert not np.array_equal(found, apply(geometry.Resize(size=[60, 64]), image))
    rng = np.random.default_rng(0)
    assert geometry.RandomResizedCrop(size=8, antialias=False)({"image": image}, rng)["image"].shape == (8, 8, 3)


def test_resize_keeps_the_ratio_for_one_number_and_takes_two_as_they_are() -> None:
    assert apply(geometry.Resize(size=20), picture(40, 60)).shape == (20, 30, 3)
    assert apply(geometry.Resize(size=20), picture(61, 40)).shape == (30, 20, 3)
    assert apply(geometry.Resize(size=[20, 20]), picture(40, 60)).shape == (20, 20, 3)
    image = picture()
    assert apply(geometry.Resize(size=40), image) is image


@pytest.mark.parametrize("interpolation", ["nearest", "cubic", "area"])
def test_interpolations_are_used(interpolation: str) -> None:
    found = apply(geometry.Resize(size=[55, 90], interpolation=interpolation), picture())
    assert not np.array_equal(found, apply(geometry.Resize(size=[55, 90]), picture()))
    if interpolation == "nearest":
        assert set(np.unique(found)) <= set(np.unique(picture()))


@pytest.mark.parametrize("size", [24, 25, [41, 61], [50, 10]])
def test_the_centre_is_that_of_torchvision(size: Any) -> None:
    reference = functional.center_crop(as_tensor(picture()), [size, size] if isinstance(size, int) else size)
    assert np.array_equal(apply(geometry.CenterCrop(size=size), picture()), as_image(reference))


def test_random_crops_of_a_padded_image_cover_all_places() -> None:
    image = np.arange(1, 17, dtype=np.uint8).reshape(4, 4, 1).repeat(3, axis=2)
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)))
    places = {padded[top : top + 4, left : left + 4].tobytes() for top in range(5) for left in range(5)}
    found = {apply(geometry.RandomCrop(size=4, padding=2), image, seed).tobytes() for seed in range(300)}
    assert found == places


def test_random_crops_pad_what_is_too_small_and_fill_the_border() -> None:
    small = np.full((4, 30, 3), 9, np.uint8)
    found = apply(geometry.RandomCrop(size=[10, 20], fill=7), small)
    assert found.shape == (10, 20, 3)
    assert found[:, 0, 0].tolist() == [7] * 3 + [9] * 4 + [7] * 3
    ramp = np.arange(6, dtype=np.uint8)[None, :, None].repeat(3, axis=2).repeat(10, axis=0)
    assert apply(geometry.RandomCrop(size=[10, 10], border="edge"), ramp)[0, :, 0].tolist() == [0, 0, 0, 1, 2, 3, 4, 5, 5, 5]
    assert apply(geometry.RandomCrop(size=[10, 10], border="reflect"), ramp)[0, :, 0].tolist() == [2, 1, 0, 1, 2, 3, 4, 5, 4, 3]


def test_flips() -> None:
    image = picture()
    assert np.array_equal(apply(geometry.RandomHorizontalFlip(probability=1), image), image[:, ::-1])
    assert np.array_equal(apply(geometry.RandomVerticalFlip(probability=1), image), image[::-1])
    assert apply(geometry.RandomHorizontalFlip(probability=0), image) is image
    flipped = sum(not np.array_equal(apply(geometry.RandomHorizontalFlip(), image, seed), image) for seed in range(200))
    assert 70 < flipped < 130


def test_compose_hands_one_generator_through() -> None:
    transforms = Compose([geometry.RandomCrop(size=32), geometry.RandomHorizontalFlip()])
    found = transforms({"image": picture()}, np.random.default_rng(5))["image"]
    rng = np.random.default_rng(5)
    expected = geometry.RandomHorizontalFlip()(geometry.RandomCrop(size=32)({"image": picture()}, rng), rng)["image"]
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    ("transform", "arguments", "message"),
    [
        (geometry.RandomResizedCrop, {"size": 0}, "RandomResizedCrop: size: 0 given"),
        (geometry.RandomResizedCrop, {"size": [1, 2, 3]}, "a positive number of pixels or"),
        (geometry.RandomResizedCrop, {"size": 8, "scale": [0.0, 2.0]}, "scale: .* from 0 to 1"),
        (geometry.RandomResizedCrop, {"size": 8, "ratio": [0.0, 2.0]}, "numbers above 0"),
        (geometry.RandomResizedCrop, {"size": 8, "interpolation": "bilinear"}, "'bilinear' given, one of linear"),
        (geometry.RandomCrop, {"size": 8, "padding": -1}, "padding: -1 given"),
        (geometry.RandomCrop, {"size": 8, "border": "zero"}, "border: 'zero' given, one of constant"),
        (geometry.RandomCrop, {"size": 8, "fill": 300}, "fill: 300 given"),
        (geometry.CenterCrop, {"size": "big"}, "CenterCrop: size: 'big' given"),
        (geometry.Resize, {"size": -3}, "Resize: size: -3 given"),
        (geometry.RandomHorizontalFlip, {"probability": -0.1}, "probability: -0.1 given"),
        (geometry.RandomVerticalFlip, {"probability": 7}, "probability: 7 given"),
    ],
)
def test_wrong_arguments_are_reported(transform: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        transform(**arguments)
