"""Samples of two dates: the second image goes where the first one goes, and gets colours of its own."""

from typing import Any

import numpy as np
import pytest
import torch

from pet.data.loading.batch_transforms import NormalizeImages
from pet.data.targets.finish import FinishTargets
from pet.data.transforms import geometry, scales
from pet.data.transforms.base import GeometricTransform
from pet.data.transforms.build import build_transforms
from pet.data.transforms.mosaic import Mosaic
from pet.data.transforms.normalize import Normalize
from pet.data.transforms.pairs import SwapImages
from pet.data.transforms.rotate import RandomRotate90, RandomRotation, Rotate
from petlib.errors import ConfigError, DataError

MOVING: list[GeometricTransform] = [
    geometry.CenterCrop(size=24),
    geometry.RandomCrop(size=24, padding=4),
    geometry.RandomHorizontalFlip(probability=1.0),
    geometry.RandomResizedCrop(size=[20, 24]),
    geometry.RandomVerticalFlip(probability=1.0),
    geometry.Resize(size=[20, 30]),
    scales.Pad(divisor=32),
    scales.RandomScale(size=50),
    scales.RandomScaleAspect(),
    scales.ScaleJitterCrop(size=32),
    RandomRotate90(probability=1.0),
    RandomRotation(),
    Rotate(degrees=30.0),
]


def pair(seed: int = 0) -> dict[str, Any]:
    """Return a pair of 36 x 48 pixels with a block of 8 x 8, red in the first image and blue in the second, that has label 1."""
    first, labels = np.full((36, 48, 3), 20, np.uint8), np.zeros((36, 48), np.uint8)
    top, left = (int(value) for value in np.random.default_rng(seed).integers((0, 0), (29, 41)))
    first[top : top + 8, left : left + 8, 0] = 255
    labels[top : top + 8, left : left + 8] = 1
    return {"image": first, "image2": first[:, :, ::-1].copy(), "semseg": labels, "meta": {"file": "a.png"}}


@pytest.mark.parametrize("transform", MOVING, ids=lambda transform: type(transform).__name__)
def test_both_images_and_the_label_land_at_the_same_place(transform: GeometricTransform) -> None:
    seen = 0
    for seed in range(10):
        given = pair(seed)
        found = transform(given, np.random.default_rng(seed))
        marked = found["semseg"] == 1
        assert found["image"].shape == found["image2"].shape == (*found["semseg"].shape, 3)
        assert np.array_equal(found["image"], found["image2"][:, :, ::-1])
        inner = found["image"][:, :, 0] > 230
        assert (marked | ~inner).all()
        assert inner.sum() >= 0.3 * marked.sum() - 12
        seen += int(marked.any())
        assert np.array_equal(given["image2"], pair(seed)["image2"])
    assert seen >= 5


def test_a_pair_with_one_label_moves_too() -> None:
    sample = {"image": pair()["image"], "image2": pair()["image2"], "label": 3}
    found = geometry.RandomVerticalFlip(probability=1.0)(sample, np.random.default_rng(0))
    assert np.array_equal(found["image2"], sample["image2"][::-1])
    assert found["label"] == 3


def test_the_matrix_of_a_pair_leads_to_the_marked_pixel() -> None:
    sample = pair()
    for transform in (RandomRotate90(probability=1.0), RandomRotation()):
        for seed in range(6):
            found = transform(sample, np.random.default_rng(seed))
            rows, columns = np.nonzero(sample["semseg"])
            centre = found["meta"]["matrix"] @ (columns.mean() + 0.5, rows.mean() + 0.5, 1.0)
            rows, columns = np.nonzero(found["semseg"] == 1)
            assert centre[:2] == pytest.approx((columns.mean() + 0.5, rows.mean() + 0.5), abs=0.6)


def test_colours_of_the_second_image_are_drawn_apart() -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    transforms, _ = build_transforms([{"name": "ColorJitter", "brightness": 0.5}], default_size=None)
    found = transforms({"image": image, "image2": image}, np.random.default_rng(0))
    alone = transforms({"image": image}, np.random.default_rng(0))
    again = transforms({"image": image, "image2": image}, np.random.default_rng(0))
    assert np.array_equal(found["image"], alone["image"])
    assert not np.array_equal(found["image"], found["image2"])
    assert np.array_equal(found["image2"], again["image2"])


def test_the_dates_change_places() -> None:
    sample = pair()
    swapped = SwapImages(probability=1.0)(sample, np.random.default_rng(0))
    assert swapped["image"] is sample["image2"]
    assert swapped["image2"] is sample["image"]
    assert np.array_equal(swapped["semseg"], sample["semseg"])
    assert SwapImages(probability=0.0)(sample, np.random.default_rng(0)) is sample
    share = np.mean([SwapImages()(sample, np.random.default_rng(seed))["image"] is sample["image2"] for seed in range(400)])
    assert 0.42 < share < 0.58


def test_labels_with_a_direction_are_exchanged() -> None:
    sample = {**pair(), "semseg": np.array([[0, 1, 2, 3, 255]], np.uint8)}
    swapped = SwapImages(probability=1.0, label_pairs=[[1, 2]])(sample, np.random.default_rng(0))
    assert swapped["semseg"].tolist() == [[0, 2, 1, 3, 255]]
    assert swapped["semseg"].dtype == np.uint8
    assert sample["semseg"].tolist() == [[0, 1, 2, 3, 255]]


def test_swaps_that_make_no_sense_are_reported() -> None:
    with pytest.raises(ConfigError, match="SwapImages: the samples have one image, two expected"):
        SwapImages()({"image": pair()["image"]}, np.random.default_rng(0))
    with pytest.raises(ConfigError, match=r"label_pairs: \[1\] given, two labels expected"):
        SwapImages(label_pairs=[[1]])
    with pytest.raises(ConfigError, match="label_pairs: 300 given, a label from 0 to 255 expected"):
        SwapImages(label_pairs=[[1, 300]])


def test_the_last_step_keeps_both_images() -> None:
    finished = FinishTargets(["semseg"])({**pair(), "other": 1}, np.random.default_rng(0))
    assert list(finished) == ["image", "image2", "semseg", "meta"]


def test_a_label_image_of_three_channels_is_reported_where_it_would_be_moved_or_joined() -> None:
    sample = {**pair(), "semseg": np.zeros((36, 48, 3), np.uint8)}
    for transform in (FinishTargets(["semseg"]), geometry.RandomCrop(size=8, max_class_share=0.5), RandomRotation()):
        with pytest.raises(DataError, match=r"label image of a.png has the shape \(36, 48, 3\).*InitMask"):
            transform(sample, np.random.default_rng(0))


def test_a_mosaic_joins_both_images() -> None:
    samples = [{**pair(seed), "meta": {"file": "a.png", "matrix": np.eye(3)}} for seed in range(4)]
    found = Mosaic(size=48, dataset=samples, scale=(1.0, 1.0))(samples[0], np.random.default_rng(0))
    inside = found["semseg"] != 255
    assert found["image2"].shape == (48, 48, 3)
    assert inside.any()
    assert np.array_equal(found["image"], found["image2"][:, :, ::-1])


def test_samples_are_normalised_the_same_way() -> None:
    found = Normalize(mean=[0.5] * 3, std=[0.5] * 3)(pair(), np.random.default_rng(0))
    assert found["image2"].dtype == np.float32
    assert found["image2"].min() == pytest.approx(20 / 127.5 - 1)


@pytest.mark.parametrize("divisor", [1, 32])
def test_batches_are_normalised_and_padded_the_same_way(divisor: int) -> None:
    images = torch.from_numpy(np.stack([pair(seed)["image"] for seed in range(2)]))
    normalize = NormalizeImages.from_transform(Normalize(), channels_last=True, pad_divisor=divisor)
    batch = normalize({"image": images, "image2": images.clone()}, np.random.default_rng(0))
    assert batch["image2"].shape == ((2, 3, 36, 48) if divisor == 1 else (2, 3, 64, 64))
    assert torch.equal(batch["image"], batch["image2"])
    assert ("image_sizes" in batch) == (divisor > 1)
