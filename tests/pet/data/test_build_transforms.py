"""Lists of transforms from a config."""

from typing import Any

import numpy as np
import pytest

from pet.data import TRANSFORMS, build_transforms
from pet.data.transforms.normalize import Normalize
from petlib.errors import ConfigError

NEEDS_SIZE = {
    *("CenterCrop", "CropObject", "MultiScaleCrop", "RandomCrop", "RandomCropObject"),
    *("RandomResizedCrop", "Resize", "ResizeShortestEdge", "ScaleJitterCrop"),
}
GROWS = {"Expand", "RandomRotation", "RandomScale"}
OF_CLIPS = {"CentralSegments", "CropViews", "EvenClips", "RandomClip", "RandomSegments"}
"""See targets/test_clip.py, and test_views.py for what makes several images of one."""
OF_POINTS = {"PasteObjects", "PointsInImage", "RandomMirrorPoints", "RandomScalePoints", "RandomTurnPoints"}
"""See test_point_transforms.py."""
DATASET = [{"image": np.zeros((4, 4, 3), np.uint8), "boxes": np.zeros((0, 4), np.float32)}]


@pytest.mark.parametrize("name", sorted(set(TRANSFORMS.names()) - OF_CLIPS - OF_POINTS - {"Views"}))
def test_every_transform_is_built_by_its_name_and_gives_an_image(name: str) -> None:
    transforms, normalize = build_transforms([name], default_size=20, default_sizes=[20], dataset=DATASET)
    assert (normalize is not None) == (name == "Normalize")
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    image.flags.writeable = False
    before = image.copy()
    for seed in range(5):
        found = transforms({"image": image, "image2": image}, np.random.default_rng(seed))["image"]
        assert found.dtype == np.uint8
        assert name in GROWS or min(found.shape[:2]) == (20 if name in NEEDS_SIZE else 30)
    assert np.array_equal(image, before)


def test_arguments_and_the_default_size() -> None:
    entries = [{"name": "Resize", "size": [12, 14]}, "CenterCrop"]
    transforms, _ = build_transforms(entries, default_size=10)
    assert transforms({"image": np.zeros((30, 30, 3), np.uint8)}, np.random.default_rng(0))["image"].shape == (10, 10, 3)
    assert entries == [{"name": "Resize", "size": [12, 14]}, "CenterCrop"]


def test_sizes_and_the_data_set_go_where_they_are_wanted() -> None:
    image = np.zeros((30, 40, 3), np.uint8)
    rng = np.random.default_rng(0)
    transforms, _ = build_transforms(["ResizeShortestEdge"], default_size=10, default_sizes=[15])
    assert transforms({"image": image}, rng)["image"].shape == (15, 20, 3)
    transforms, _ = build_transforms([{"name": "ResizeShortestEdge", "sizes": [60]}], default_size=10, default_sizes=[15])
    assert transforms({"image": image}, rng)["image"].shape == (60, 80, 3)
    transforms, _ = build_transforms(["Mosaic"], default_size=10, dataset=DATASET)
    assert transforms({"image": image, "boxes": np.zeros((0, 4), np.float32)}, rng)["image"].shape == (10, 10, 3)
    with pytest.raises(ConfigError, match="transform ResizeShortestEdge: sizes missing"):
        build_transforms(["ResizeShortestEdge"], default_size=10)
    with pytest.raises(ConfigError, match="Mosaic: .* comes after Normalize"):
        build_transforms(["Normalize", "Mosaic"], default_size=10, dataset=DATASET)


def test_normalize_is_taken_out_only_at_the_end() -> None:
    at_the_end = {"name": "Normalize", "mean": [0.5] * 3, "std": [0.25] * 3}
    transforms, normalize = build_transforms(["RandomHorizontalFlip", at_the_end], default_size=None)
    assert isinstance(normalize, Normalize)
    assert normalize.mean == (0.5, 0.5, 0.5)
    assert len(transforms.transforms) == 1
    transforms, normalize = build_transforms(["Normalize", "RandomHorizontalFlip"], default_size=None)
    assert normalize is None
    assert len(transforms.transforms) == 2
    with pytest.raises(ConfigError, match="ColorJitter: .* comes after Normalize"):
        build_transforms(["Normalize", "ColorJitter"], default_size=None)
    assert build_transforms([], default_size=None)[1] is None


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("RandomResizeCrop", "unknown transform 'RandomResizeCrop'; did you mean RandomResizedCrop"),
        (
            {"name": "RandomCrop", "pading": 4},
            r"transform RandomCrop: unknown argument 'pading'; did you mean padding\? \(it takes size, padding",
        ),
        ("Resize", "transform Resize: size missing; write {name: Resize, size: ...}"),
        ({"name": "RandomCrop", "size": 8, "padding": "much"}, "transform RandomCrop: padding: .much. given"),
        ({"size": 3}, "a name or a mapping like {name: RandomCrop, size: 32} expected"),
        (7, r"TRANSFORMS\[0\]: 7 given"),
    ],
)
def test_wrong_entries_are_reported(entry: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_transforms([entry], default_size=None)
