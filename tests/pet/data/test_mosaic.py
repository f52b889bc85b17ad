"""Four images in one."""

import pickle
from typing import Any

import numpy as np
import pytest

from pet.data.transforms.mosaic import Mosaic
from pet.structures import InstanceMasks
from petlib.data.protocols import Sample
from petlib.errors import ConfigError


class Plain:
    """Images of 40x60 in one gray each, 10 times the index, with one object that is all of it."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Sample:
        self.read.append(index)
        pixels = np.ones((40, 60), np.uint8)
        return {
            "image": np.full((40, 60, 3), 10 * index + 10, np.uint8),
            "boxes": np.array([[0, 0, 60, 40]], np.float32),
            "labels": np.array([index]),
            "masks": InstanceMasks.from_segmentations([[[0, 0, 60, 0, 60, 40, 0, 40]]], (40, 60)),
            "keypoints": np.array([[[30, 20, 2], [0, 0, 0]]], np.float32),
            "semseg": pixels * index,
            "parsing": pixels,
            "instances": pixels.astype(np.uint16),
            "instance_ids": np.array([1]),
            "meta": {"id": index},
        }


def mosaic(dataset: Any, **arguments: Any) -> Mosaic:
    return Mosaic(**{"size": [80, 120], "dataset": dataset, "scale": [1.0, 1.0], "centre": [0.5, 0.5], **arguments})


def test_images_that_fit_twice_show_their_inner_quarters() -> None:
    dataset = Plain()
    found = mosaic(dataset)(dataset[0], np.random.default_rng(0))
    assert found["boxes"].tolist() == [[0, 0, 60, 40], [60, 0, 120, 40], [0, 40, 60, 80], [60, 40, 120, 80]]
    assert found["labels"].tolist() == dataset.read
    assert found["instance_ids"].tolist() == [1, 2, 3, 4]
    for (left, top, right, bottom), index, identity in zip(found["boxes"].astype(int), dataset.read, range(1, 5), strict=True):
        window = slice(top, bottom), slice(left, right)
        assert (found["image"][window] == 10 * index + 10).all()
        assert (found["semseg"][window] == index).all()
        assert (found["instances"][window] == identity).all()
        pixels = found["masks"].rasterise()[identity - 1]
        assert pixels[window].all()
        assert pixels.sum() == 40 * 60
    # the images are doubled, and their middles come to the outer corners of the windows
    assert found["keypoints"][:, 0].tolist() == [[0, 0, 2], [120, 0, 2], [0, 80, 2], [120, 80, 2]]
    assert not found["keypoints"][:, 1].any()
    assert found["meta"]["id"] == 0
    assert found["meta"]["matrix"].tolist() == [[2, 0, -60], [0, 2, -40], [0, 0, 1]]


def test_small_images_touch_the_centre_and_gray_is_around() -> None:
    dataset = Plain()
    found = mosaic(dataset, scale=[0.25, 0.25], fill=7)(dataset[3], np.random.default_rng(1))
    assert found["boxes"].tolist() == [[30, 20, 60, 40], [60, 20, 90, 40], [30, 40, 60, 60], [60, 40, 90, 60]]
    assert (found["image"] != 7).any(axis=2).sum() == 60 * 40
    assert (found["semseg"] == 255).sum() == 80 * 120 - 60 * 40
    assert (found["instances"] == 0).sum() == 80 * 120 - 60 * 40
    assert np.array_equal(found["masks"].rasterise().sum(axis=0), found["instances"] > 0)


def test_other_samples_and_the_centre_are_drawn() -> None:
    dataset = Plain()
    transform = mosaic(dataset, centre=[0.2, 0.8], scale=[0.5, 1.0])
    found = [transform(dataset[0], np.random.default_rng(seed)) for seed in range(40)]
    assert set(dataset.read) == set(range(8))
    assert len({tuple(item["boxes"][0]) for item in found}) > 20
    halves = [mosaic(dataset, probability=0.5)(dataset[0], np.random.default_rng(seed)) for seed in range(60)]
    assert 15 < sum(item["image"].shape == (80, 120, 3) for item in halves) < 45


def test_objects_of_which_too_little_is_left_are_dropped() -> None:
    dataset = Plain()
    assert len(mosaic(dataset, min_share=0.3)(dataset[0], np.random.default_rng(0))["boxes"]) == 0
    assert len(mosaic(dataset, min_share=0.25)(dataset[0], np.random.default_rng(0))["boxes"]) == 4


def test_samples_without_places_stay() -> None:
    sample = {"image": np.zeros((4, 4, 3), np.uint8), "label": 3, "meta": {}}
    assert mosaic([sample])(sample, np.random.default_rng(0)) is sample


def test_it_travels_to_workers() -> None:
    dataset = Plain()
    transform = mosaic(dataset)
    copied = pickle.loads(pickle.dumps(transform))
    first, second = transform(dataset[0], np.random.default_rng(2)), copied(dataset[0], np.random.default_rng(2))
    assert np.array_equal(first["image"], second["image"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": [0.0, 1.0]}, "Mosaic: scale"),
        ({"centre": [0.5, 1.5]}, "Mosaic: centre"),
        ({"size": 1}, "Mosaic: size: 1 given, at least 2"),
        ({"probability": 2.0}, "Mosaic: probability"),
    ],
)
def test_wrong_arguments_are_reported(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        mosaic(Plain(), **arguments)
