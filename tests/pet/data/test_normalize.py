"""Normalisation of samples."""

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional

from pet.data.transforms.normalize import IMAGENET_MEAN, IMAGENET_STD, Normalize
from petlib.errors import ConfigError


def test_values_are_those_of_torchvision() -> None:
    image = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    image.flags.writeable = False
    found = Normalize()({"image": image, "label": 1}, np.random.default_rng(0))
    scaled = functional.to_dtype(torch.from_numpy(image.copy()).permute(2, 0, 1), torch.float32, scale=True)
    reference = functional.normalize(scaled, list(IMAGENET_MEAN), list(IMAGENET_STD))
    assert found["image"].dtype == np.float32
    assert found["label"] == 1
    np.testing.assert_allclose(found["image"], reference.permute(1, 2, 0).numpy(), atol=2e-6)


@pytest.mark.parametrize(("mean", "std"), [([], []), ([0.5] * 3, [0.5, 0.0, 0.5]), ([124.0] * 3, [58.0] * 3), ([0.5] * 4, [0.5] * 3)])
def test_wrong_arguments_are_reported(mean: list[float], std: list[float]) -> None:
    with pytest.raises(ConfigError, match="a number for each channel expected"):
        Normalize(mean=mean, std=std)
