"""Score maps back over the pixels of the file."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from pet.models.segmentation.pixels import to_file

SCORES = torch.randn(3, 12, 16, generator=torch.Generator().manual_seed(0))


def scaled(x: float, y: float, left: float = 0.0, top: float = 0.0) -> np.ndarray:
    return np.array([[x, 0.0, left], [0.0, y, top], [0.0, 0.0, 1.0]])


def test_without_a_matrix_scores_stay_as_they_are() -> None:
    assert to_file(SCORES, (12, 16)) is SCORES
    assert to_file(SCORES, (12, 16), np.eye(3)) is SCORES


@pytest.mark.parametrize("size", [(24, 32), (6, 8), (17, 9)])
def test_a_resized_image_is_resized_back(size: tuple[int, int]) -> None:
    expected = functional.interpolate(SCORES[None], size=size, mode="bilinear", align_corners=False)[0]
    matrix = scaled(16 / size[1], 12 / size[0])
    torch.testing.assert_close(to_file(SCORES, size, matrix), expected)
    # the way of all other matrices gives the same
    matrix[0, 2] = 1e-3
    torch.testing.assert_close(to_file(SCORES, size, matrix), expected, atol=2e-2, rtol=0)


def test_a_mirrored_image_is_mirrored_back() -> None:
    torch.testing.assert_close(to_file(SCORES, (12, 16), scaled(-1, 1, left=16)), SCORES.flip(-1))


def test_a_crop_lies_where_it_came_from_and_its_border_goes_on() -> None:
    result = to_file(SCORES, (20, 30), scaled(1, 1, left=-5, top=-4))
    torch.testing.assert_close(result[:, 4:16, 5:21], SCORES)
    torch.testing.assert_close(result[:, 4:16, :5], SCORES[:, :, :1].expand(-1, -1, 5))
    torch.testing.assert_close(result[:, 16:, 5:21], SCORES[:, -1:].expand(-1, 4, -1))


def test_a_turned_image_is_turned_back() -> None:
    # (x, y) of the file is at (y, 12 - x) of the turned image, which has 12 rows
    matrix = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 12.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(to_file(SCORES, (16, 12), matrix), SCORES.rot90(-1, (1, 2)))
