"""Images of one, five and twelve channels, of 8 bits, 16 bits and floats: what is done to each channel is what is done to it alone."""

from typing import Any

import cv2
import numpy as np
import pytest
import torch

from pet.data.loading.batch_transforms import NormalizeImages
from pet.data.transforms import geometry, scales
from pet.data.transforms.base import GeometricTransform, ImageTransform
from pet.data.transforms.build import build_transforms
from pet.data.transforms.normalize import Normalize
from pet.data.transforms.photometric import RandomBlur
from pet.data.transforms.rotate import RandomRotate90, RandomRotation
from petlib.errors import ConfigError

MOVING: list[GeometricTransform] = [
    geometry.CenterCrop(size=60, fill=7),
    geometry.RandomCrop(size=24, padding=4, fill=7),
    geometry.RandomCrop(size=24, padding=4, border="reflect"),
    geometry.RandomHorizontalFlip(probability=1.0),
    geometry.RandomResizedCrop(size=[20, 24]),
    geometry.RandomResizedCrop(size=[60, 64], interpolation="cubic"),
    geometry.Resize(size=[20, 30]),
    geometry.Resize(size=[20, 30], interpolation="area"),
    geometry.Resize(size=[50, 70], antialias=False),
    scales.Pad(divisor=32, fill=3),
    RandomRotate90(probability=1.0),
    RandomRotation(),
]
DTYPES = (np.uint8, np.uint16, np.float32)


def bands(channels: int, dtype: Any) -> np.ndarray:
    values = np.random.default_rng(0).integers(0, 250 if dtype == np.uint8 else 10_000, (36, 48, channels))
    return values.astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 4, 5, 12])
@pytest.mark.parametrize("transform", [*MOVING, RandomBlur(probability=1.0)], ids=lambda transform: type(transform).__name__)
def test_each_channel_is_treated_as_if_it_were_alone(transform: GeometricTransform | ImageTransform, channels: int, dtype: Any) -> None:
    image = bands(channels, dtype)
    found = transform({"image": image}, np.random.default_rng(3))["image"]
    assert found.dtype == dtype
    assert found.shape[2] == channels
    for channel in (0, channels - 1):
        same = np.repeat(image[:, :, channel : channel + 1], 3, axis=2)
        alone = transform({"image": same}, np.random.default_rng(3))["image"][:, :, 1]
        # OpenCV has code of its own for one, three and four channels: places of a warp are rounded to 1/32 pixel or not
        tolerance = 0.03 * image.max() if isinstance(transform, RandomRotation) else 1.01
        np.testing.assert_allclose(found[:, :, channel].astype(float), alone.astype(float), atol=tolerance)


def test_sixteen_bits_are_not_cut_off() -> None:
    image = np.full((16, 16, 5), 65_535, np.uint16)
    image[:, 8:] = 60_000
    for transform in (geometry.Resize(size=[6, 6]), geometry.Resize(size=[7, 7], interpolation="cubic"), RandomRotation(fill=0)):
        found = transform({"image": image}, np.random.default_rng(0))["image"]
        assert found.dtype == np.uint16
        assert found.max() == 65_535


def test_rgb_is_what_opencv_makes_of_it_at_once() -> None:
    image = bands(3, np.uint8)
    found = geometry.Resize(size=[50, 70], antialias=False)({"image": image}, np.random.default_rng(0))["image"]
    assert np.array_equal(found, cv2.resize(image, (70, 50), interpolation=cv2.INTER_LINEAR))


def test_reflectances_are_normalised_with_their_own_maximum() -> None:
    image = np.zeros((2, 3, 5), np.uint16)
    image[..., 4] = 5000
    normalize = Normalize(mean=[0.1] * 5, std=[0.2] * 5, maximum=10_000)
    found = normalize({"image": image}, np.random.default_rng(0))["image"]
    assert found.dtype == np.float32
    assert found[0, 0].tolist() == pytest.approx([-0.5, -0.5, -0.5, -0.5, 2.0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_batches_get_the_numbers_that_samples_get(dtype: Any) -> None:
    image = bands(5, dtype)
    normalize = Normalize(mean=[0.1, 0.2, 0.3, 0.4, 0.5], std=[0.2] * 5, maximum=10_000)
    _, trailing = build_transforms(
        [{"name": "Normalize", "mean": [0.1, 0.2, 0.3, 0.4, 0.5], "std": [0.2] * 5, "maximum": 10_000}], default_size=None
    )
    for divisor in (1, 16):
        batch = {"image": torch.from_numpy(image[None].copy())}
        found = NormalizeImages.from_transform(trailing, channels_last=False, pad_divisor=divisor)(batch, np.random.default_rng(0))["image"]
        expected = normalize({"image": image}, np.random.default_rng(0))["image"].transpose(2, 0, 1)
        np.testing.assert_allclose(found[0, :, :36, :48].numpy(), expected, atol=2e-5)


def test_without_normalize_sixteen_bits_go_from_0_to_1_and_floats_stay() -> None:
    normalize = NormalizeImages.from_transform(None, channels_last=False)
    whole = torch.tensor([[[[0, 65_535, 13_107, 1, 2]]]]).to(torch.uint16)
    assert normalize({"image": whole}, np.random.default_rng(0))["image"].flatten()[:3].tolist() == pytest.approx([0.0, 1.0, 0.2])
    floats = torch.rand(2, 4, 4, 5)
    assert torch.equal(normalize({"image": floats}, np.random.default_rng(0))["image"], floats.permute(0, 3, 1, 2))


def test_one_number_counts_for_all_channels() -> None:
    normalize = Normalize(mean=[0.5], std=[0.25], maximum=10_000)
    image = np.full((2, 2, 5), 10_000, np.uint16)
    assert (normalize({"image": image}, np.random.default_rng(0))["image"] == 2.0).all()
    batch = NormalizeImages.from_transform(normalize, channels_last=False)(
        {"image": torch.from_numpy(image[None])}, np.random.default_rng(0)
    )
    torch.testing.assert_close(batch["image"], torch.full((1, 5, 2, 2), 2.0))


def test_values_that_stay_as_they_are_may_have_any_mean() -> None:
    found = Normalize(mean=[-12.0], std=[4.0], maximum=1.0)({"image": np.full((1, 1, 1), -8.0, np.float32)}, np.random.default_rng(0))
    assert found["image"].item() == 1.0


def test_numbers_that_do_not_fit_the_channels_are_reported() -> None:
    message = r"mean and std have 3 numbers and the images 5 channels; give 5 of each"
    image = bands(5, np.uint16)
    with pytest.raises(ConfigError, match=message):
        Normalize()({"image": image}, np.random.default_rng(0))
    with pytest.raises(ConfigError, match=message):
        NormalizeImages.from_transform(Normalize(), channels_last=False)({"image": torch.from_numpy(image[None])}, np.random.default_rng(0))
    with pytest.raises(ConfigError, match="Normalize: maximum: 0.0 given"):
        Normalize(maximum=0.0)
    with pytest.raises(ConfigError, match=r"pixels from 0 to 10000 by 10000"):
        Normalize(mean=[1200.0], std=[300.0], maximum=10_000)


@pytest.mark.parametrize(
    "name", ["ColorJitter", "RandomGrayscale", "RandomErasing", "RandAugment", "PhotometricDistortion", "RandomFog", "RandomChannelSwap"]
)
@pytest.mark.parametrize(("channels", "dtype"), [(5, np.uint8), (3, np.uint16), (3, np.float32)])
def test_colours_are_only_changed_where_there_are_colours(name: str, channels: int, dtype: Any) -> None:
    transforms, _ = build_transforms([name], default_size=None)
    with pytest.raises(ConfigError, match=rf"transform {name}: it works on colours.*'image2' has the shape \(36, 48, {channels}\)"):
        transforms({"image": bands(3, np.uint8), "image2": bands(channels, dtype)}, np.random.default_rng(0))
