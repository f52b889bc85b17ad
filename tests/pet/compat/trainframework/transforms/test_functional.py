"""Functions on images."""

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

import pet.compat.trainframework.transforms.functional as F
from petlib.errors import ConfigError, DataError

IMAGE = np.random.default_rng(2).integers(0, 256, (4, 6, 3), dtype=np.uint8)


def test_bytes_become_floats_from_0_to_1() -> None:
    tensor = F.to_tensor(IMAGE)
    assert tensor.dtype == torch.float32
    assert tensor.shape == (3, 4, 6)
    np.testing.assert_allclose(tensor[1].numpy(), IMAGE[:, :, 1] / 255, rtol=1e-6)
    assert F.to_tensor(np.array([[65535]], np.uint16)).tolist() == [[[1.0]]]
    assert torch.equal(F.to_tensor(Image.fromarray(IMAGE)), tensor)


def test_floats_keep_their_values_and_labels_their_dtype() -> None:
    floats = F.to_tensor(np.array([[3.5, -1.0]]))
    assert floats.dtype == torch.float32
    assert floats.tolist() == [[[3.5, -1.0]]]
    labels = np.array([[1, 2]], np.int64)
    tensor = F.to_tensor(labels)
    assert tensor.dtype == torch.int64
    tensor += 1
    assert labels.tolist() == [[1, 2]]


@pytest.mark.parametrize("given", [np.zeros(3), np.zeros((1, 2, 2, 3)), "img.png", None])
def test_what_is_no_image_is_reported(given: Any) -> None:
    with pytest.raises(DataError, match="to_tensor: .* given, an image"):
        F.to_tensor(given)


def test_to_image_is_the_way_back() -> None:
    np.testing.assert_array_equal(F.to_image(F.to_tensor(IMAGE)), IMAGE)
    assert F.to_image(torch.tensor([[[-1.0, 2.0]]])).tolist() == [[[0], [255]]]
    with pytest.raises(DataError, match=r"to_image: a tensor \(1, 3, 4, 6\) given"):
        F.to_image(torch.zeros(1, 3, 4, 6))


def test_normalize_works_on_channels() -> None:
    tensor = torch.tensor([[[1.0]], [[3.0]]])
    assert F.normalize(tensor, [0.0, 1.0], [1.0, 2.0]).tolist() == [[[1.0]], [[1.0]]]
    assert F.normalize(tensor[None], [1.0], [2.0]).tolist() == [[[[0.0]], [[1.0]]]]
    with pytest.raises(ConfigError, match="one number or 2 of each expected"):
        F.normalize(tensor, [0.0] * 3, [1.0] * 3)
    with pytest.raises(ConfigError, match="std above 0"):
        F.normalize(tensor, [0.0], [0.0])
    with pytest.raises(DataError, match="normalize: torch.int64"):
        F.normalize(tensor.long(), [0.0], [1.0])


def test_flip_and_resize() -> None:
    np.testing.assert_array_equal(F.flip(IMAGE, "vertical"), IMAGE[::-1])
    np.testing.assert_array_equal(F.resize(IMAGE[:, :, 0], (8, 3)), cv2.resize(IMAGE[:, :, 0], (3, 8)))
    with pytest.raises(ConfigError, match="flip: direction: 'upside' given"):
        F.flip(IMAGE, "upside")
