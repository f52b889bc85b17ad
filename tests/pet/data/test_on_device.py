"""Transforms of batches on a device compared with the transforms of samples, with the same random numbers."""

from typing import Any

import cv2
import numpy as np
import pytest
import torch

from pet.data.transforms.build import build_transforms
from pet.data.transforms.on_device import on_device
from petlib.errors import ConfigError

COUNT = 48
EXACT: list[Any] = [
    {"name": "RandomCrop", "size": 24, "padding": 4},
    {"name": "RandomCrop", "size": [20, 40], "padding": 3, "border": "reflect"},
    {"name": "RandomCrop", "size": 24, "padding": 5, "border": "edge", "fill": 3},
    {"name": "RandomCrop", "size": [40, 24], "fill": 127.6},
    {"name": "CenterCrop", "size": [16, 50], "fill": 9},
    "RandomHorizontalFlip",
    {"name": "RandomVerticalFlip", "probability": 0.3},
    {"name": "RandomErasing", "probability": 0.7, "value": [120, 40, 250]},
    {"name": "RandomErasing", "probability": 1.0, "value": 7, "area": [0.0625, 0.0625], "aspect": [1.0, 1.0]},
    {"name": "RandomGrayscale", "probability": 0.5},
    {"name": "Solarize", "threshold": 100, "probability": 0.5},
    {"name": "Solarize", "threshold": 256},
]
NEAR: list[Any] = [
    {"name": "ColorJitter", "brightness": 0.9, "contrast": 0.9, "saturation": 0.9, "probability": 0.8},
    {"name": "ColorJitter", "contrast": [0.2, 3.0]},
    {"name": "ColorJitter", "brightness": 0.4, "saturation": [0.0, 2.0]},
]


def compare(entry: Any) -> np.ndarray:
    """Return how far the batch is from the samples, in gray values, (B, h, w, C)."""
    generator = np.random.default_rng(0)
    images = np.stack([cv2.GaussianBlur(generator.integers(0, 256, (30, 36, 3), np.uint8), (0, 0), 1.2) for _ in range(COUNT)])
    compose, _ = build_transforms([entry], default_size=None)
    (transform,) = compose.transforms
    expected = np.stack([transform({"image": image}, np.random.default_rng(place))["image"] for place, image in enumerate(images)])
    form = on_device(transform)
    numbers = torch.tensor([form.draw((30, 36), np.random.default_rng(place)) for place in range(COUNT)], dtype=torch.float64)
    before = torch.from_numpy(images.copy())
    found = form.apply(before, numbers)
    assert torch.equal(before, torch.from_numpy(images)), "the images of the cache were written into"
    assert tuple(found.shape[1:3]) == form.size_after((30, 36))
    assert found.dtype == torch.uint8
    assert len({image.tobytes() for image in expected}) > 1
    return np.asarray(np.abs(found.numpy().astype(int) - expected))


@pytest.mark.parametrize("entry", EXACT, ids=str)
def test_a_batch_gets_the_pixels_of_its_samples(entry: Any) -> None:
    assert compare(entry).max() == 0


@pytest.mark.parametrize("entry", NEAR, ids=str)
def test_colours_differ_by_1_of_255_at_most(entry: Any) -> None:
    assert compare(entry).max() <= 1


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"name": "ColorJitter", "hue": 0.1}, "ColorJitter: hues are not turned there; leave hue out"),
        ({"name": "RandomErasing", "value": "random"}, "RandomErasing: value: random is drawn pixel by pixel; give it a colour"),
        ({"name": "RandomResizedCrop", "size": 8}, "RandomResizedCrop: it has no form for batches; those that have: RandomCrop"),
    ],
)
def test_what_has_no_form_is_refused(entry: Any, message: str) -> None:
    compose, _ = build_transforms([entry], default_size=None)
    with pytest.raises(ConfigError, match=f"^{message}"):
        on_device(compose.transforms[0])
