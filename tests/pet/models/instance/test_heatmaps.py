"""Heatmaps from coordinates, and coordinates from heatmaps."""

import pytest
import torch
from torch import Tensor

from pet.models.instance.heatmaps import DECODERS, decode_keypoints, encode_keypoints

SIZE, STRIDE, SIGMA = (64, 48), 4.0, 2.0


def random_points(count: int = 200) -> Tensor:
    """Return places (count, 1, 2) in a crop of 256 x 192, from its edge on."""
    return torch.rand(count, 1, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([192.0, 256.0])


def test_a_gaussian_is_greatest_where_the_point_is() -> None:
    maps = encode_keypoints(torch.tensor([[[6.0, 10.0]]]), (4, 3), stride=4.0, sigma=1.0)
    # the point is at (1.5, 2.5) of the map, the centre of the pixel in column 1 and row 2
    assert maps.shape == (1, 1, 4, 3)
    assert maps[0, 0, 2, 1] == 1.0
    assert maps[0, 0, 2, 2] == pytest.approx(0.6065, abs=1e-4)
    assert maps[0, 0, 1, 2] == pytest.approx(0.3679, abs=1e-4)


@pytest.mark.parametrize("name", DECODERS)
def test_a_map_without_noise_is_decoded_where_it_was(name: str) -> None:
    points = random_points()
    maps = encode_keypoints(points, SIZE, stride=STRIDE, sigma=SIGMA)
    found = decode_keypoints(maps, decoding=name, stride=STRIDE, sigma=SIGMA)
    errors = (found[..., :2] - points).abs()
    # half a pixel of the map, a quarter (but at an edge), and as good as nothing, at the edges too
    inside = ((points > 4) & (points < torch.tensor([188.0, 252.0]))).all(dim=-1)
    assert errors.max() <= {"plain": 2.0, "quarter": 2.0, "dark": 0.3}[name] + 1e-4
    assert errors[inside].max() <= {"plain": 2.0, "quarter": 1.0, "dark": 0.3}[name] + 1e-4
    assert errors[inside].mean() <= {"plain": 1.1, "quarter": 0.55, "dark": 0.01}[name]
    assert found[..., 2].min() > 0.85


def test_dark_is_better_than_quarter_and_that_than_plain_with_noise() -> None:
    points = random_points(500)
    maps = encode_keypoints(points, SIZE, stride=STRIDE, sigma=SIGMA)
    noisy = (maps + 0.05 * torch.randn(maps.shape, generator=torch.Generator().manual_seed(1))).clamp(min=0)
    found = {name: decode_keypoints(noisy, decoding=name, stride=STRIDE, sigma=SIGMA) for name in DECODERS}
    errors = {name: float((own[..., :2] - points).norm(dim=-1).mean()) for name, own in found.items()}
    assert errors["dark"] < errors["quarter"] < errors["plain"]


@pytest.mark.parametrize("name", DECODERS)
def test_mirrored_maps_give_mirrored_places(name: str) -> None:
    maps = torch.rand(8, 5, *SIZE, generator=torch.Generator().manual_seed(2))
    found = decode_keypoints(maps, decoding=name, stride=STRIDE, sigma=SIGMA)
    mirrored = decode_keypoints(maps.flip(-1), decoding=name, stride=STRIDE, sigma=SIGMA)
    assert (192 - mirrored[..., 0] - found[..., 0]).abs().max() < 1e-3
    assert (mirrored[..., 1:] - found[..., 1:]).abs().max() < 1e-3


@pytest.mark.parametrize("name", DECODERS)
def test_a_flat_map_gives_a_finite_place(name: str) -> None:
    for value in (0.0, -1.0, 0.5):
        found = decode_keypoints(torch.full((1, 1, 8, 8), value), decoding=name, stride=4.0, sigma=2.0)
        assert found.isfinite().all()
