import numpy as np
import pytest
import torch

from pet.data.transforms.build import build_transforms
from pet.data.transforms.largest import EnlargeImages, largest_size

SIZES = [(3, 400), (400, 3), (57, 60), (300, 200), (90, 320)]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([{"name": "ResizeShortestEdge", "sizes": [40, 64], "max_size": 100}, "RandomHorizontalFlip", "ColorJitter"], (100, 100)),
        ([{"name": "RandomCrop", "size": [30, 50]}, {"name": "RandomRotate90"}], (50, 50)),
        ([{"name": "RandomScale", "size": [40, 20], "ratio": [0.5, 1.5]}, {"name": "Pad", "divisor": 32}], (64, 64)),
        ([{"name": "Resize", "size": [30, 40]}, {"name": "Expand", "ratio": [1.0, 2.0]}], (60, 80)),
        ([{"name": "Resize", "size": [30, 40]}, {"name": "Rotate", "degrees": 90, "grows": True}], (51, 51)),
        ([{"name": "ScaleJitterCrop", "size": 48}, {"name": "RandomIoUCrop"}], (48, 48)),
        ([{"name": "Resize", "size": 30}], None),
        (["RandomHorizontalFlip"], None),
    ],
)
def test_no_image_becomes_larger(entries: list[object], expected: tuple[int, int] | None) -> None:
    transforms, _ = build_transforms(entries, default_size=None)
    assert largest_size(transforms.transforms) == expected
    if expected is None:
        return
    rng, seen = np.random.default_rng(0), []
    for number in range(60):
        height, width = SIZES[number % len(SIZES)]
        sample = {"image": np.zeros((height, width, 3), np.uint8), "boxes": np.array([[0, 0, 2, 2]], np.float32), "meta": {}}
        sample |= {"labels": np.zeros(1, np.int64), "crowd": np.zeros(1, bool)}
        seen.append(transforms(sample, rng)["image"].shape[:2])
    assert np.max(seen, axis=0).tolist() <= list(expected)
    assert np.all(np.max(seen, axis=0) >= 0.8 * np.array(expected))


def test_a_transform_of_ones_own_may_make_any_size() -> None:
    def double(sample: object, rng: object) -> object:
        raise NotImplementedError

    transforms, _ = build_transforms([{"name": "RandomCrop", "size": 30}], default_size=None)
    assert largest_size([*transforms.transforms, double]) is None


def test_images_are_padded_and_targets_stay() -> None:
    boxes = [torch.ones(1, 4)]
    batch = EnlargeImages((70, 40), divisor=32)({"image": torch.ones(1, 3, 32, 64), "boxes": boxes})
    assert batch["image"].shape == (1, 3, 96, 64)
    assert batch["image"].sum() == 3 * 32 * 64
    assert batch["boxes"] is boxes
