"""Heatmaps from coordinates, and coordinates from heatmaps, in each way of counting pixels."""

import pytest
import torch
from torch import Tensor

from pet.models.instance.heads import HeadSettings, KeypointHead
from pet.models.instance.heatmaps import DECODERS, decode_keypoints, encode_keypoints, to_crop
from pet.models.instance.keypoint_codings import GaussianCoding
from pet.structures.pixel_conventions import CONVENTIONS

SIZE, CROP, SIGMA = (64, 48), (256, 192), 2.0
PET = CONVENTIONS["pet"].grid(CROP, SIZE)
WITHOUT_ROUNDING = ("pet", "udp")


def random_points(count: int = 200, *, width: float = 192.0, height: float = 256.0) -> Tensor:
    """Return places (count, 1, 2) in a crop of 256 x 192, from its edge on."""
    return torch.rand(count, 1, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([width, height])


def near_edges(points: Tensor) -> Tensor:
    """Return bool (count,): which of random places are within five pixels of the map from an edge."""
    return ((points < 20) | (points > torch.tensor([172.0, 236.0]))).any(dim=-1)[:, 0]


def test_a_gaussian_is_greatest_where_the_point_is() -> None:
    maps = encode_keypoints(torch.tensor([[[6.0, 10.0]]]), (4, 3), CONVENTIONS["pet"].grid((16, 12), (4, 3)), sigma=1.0)
    # the point is the centre of the pixel in column 1 and row 2
    assert maps.shape == (1, 1, 4, 3)
    assert maps[0, 0, 2, 1] == 1.0
    assert maps[0, 0, 2, 2] == pytest.approx(0.6065, abs=1e-4)
    assert maps[0, 0, 1, 2] == pytest.approx(0.3679, abs=1e-4)


@pytest.mark.parametrize("convention", WITHOUT_ROUNDING)
@pytest.mark.parametrize("name", DECODERS)
def test_a_map_without_noise_is_decoded_where_it_was(name: str, convention: str) -> None:
    grid = CONVENTIONS[convention].grid(CROP, SIZE)
    points = to_crop(random_points(1000, width=47.0, height=63.0), grid)
    found = decode_keypoints(encode_keypoints(points, SIZE, grid, sigma=SIGMA), grid, decoding=name, sigma=SIGMA)
    errors = (found[..., :2] - points).abs()
    half = max(grid.step) / 2
    # half a pixel of the map, a quarter where both neighbours are there, and as good as nothing, at the edges too
    inside = ((points > 6) & (points < torch.tensor([186.0, 250.0]))).all(dim=-1)
    assert errors.max() <= {"plain": half, "quarter": half, "dark": 0.05}[name] + 1e-4
    assert errors[inside].max() <= {"plain": half, "quarter": half / 2, "dark": 0.05}[name] + 1e-4
    assert errors[inside].mean() <= {"plain": half / 2, "quarter": half / 4, "dark": 0.01}[name] * 1.1
    assert found[..., 2].min() > 0.85


@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0])
def test_a_place_next_to_an_edge_is_found_within_a_tenth_of_a_pixel(sigma: float) -> None:
    points = random_points(4000)
    points = points[near_edges(points)]
    found = decode_keypoints(encode_keypoints(points, SIZE, PET, sigma=sigma), PET, decoding="dark", sigma=sigma)
    assert (found[..., :2] - points).abs().max() < 0.1


def test_dark_is_better_than_quarter_and_that_than_plain_with_noise_at_edges_too() -> None:
    points = random_points(2000)
    maps = encode_keypoints(points, SIZE, PET, sigma=SIGMA)
    noisy = maps + 0.05 * torch.randn(maps.shape, generator=torch.Generator().manual_seed(1))
    found = {name: decode_keypoints(noisy, PET, decoding=name, sigma=SIGMA) for name in DECODERS}
    for part in (near_edges(points), ~near_edges(points)):
        errors = {name: float((own[part][..., :2] - points[part]).norm(dim=-1).mean()) for name, own in found.items()}
        assert errors["dark"] < 0.8 * errors["quarter"]
        assert errors["quarter"] < errors["plain"]


@pytest.mark.parametrize("name", DECODERS)
def test_mirrored_maps_give_mirrored_places(name: str) -> None:
    maps = torch.rand(8, 5, *SIZE, generator=torch.Generator().manual_seed(2))
    found = decode_keypoints(maps, PET, decoding=name, sigma=SIGMA)
    mirrored = decode_keypoints(maps.flip(-1), PET, decoding=name, sigma=SIGMA)
    assert (192 - mirrored[..., 0] - found[..., 0]).abs().max() < 1e-3
    assert (mirrored[..., 1:] - found[..., 1:]).abs().max() < 1e-3


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("size", [(8, 8), (2, 3), (1, 1)])
def test_a_flat_or_tiny_map_gives_a_finite_place(name: str, size: tuple[int, int]) -> None:
    for value in (0.0, -1.0, 0.5):
        found = decode_keypoints(torch.full((1, 1, *size), value), PET, decoding=name, sigma=2.0)
        assert found.isfinite().all()


def test_a_point_is_learned_at_the_nearest_pixel_where_the_convention_rounds() -> None:
    grid = CONVENTIONS["msra"].grid(CROP, SIZE)
    points = to_crop(torch.tensor([[[10.4, 20.6]]]), grid)
    maps = encode_keypoints(points, SIZE, grid, sigma=SIGMA, rounds=True)
    assert maps[0, 0, 21, 10] == 1.0


@pytest.mark.parametrize(
    ("convention", "shift", "bias"),
    # in pixels of the map, of 4 of the crop: 3 lie between the place of a pixel and that of its mirror image, and one moved back leaves 1
    [("pet", 0, 0.0), ("udp", 0, 0.0), ("msra", 0, -0.75), ("msra", 1, 0.25)],
)
def test_mirrored_views_are_biased_as_it_is_known_of_each_convention(convention: str, shift: int, bias: float) -> None:
    own = CONVENTIONS[convention]
    grid = own.grid(CROP, SIZE)
    points = to_crop(random_points(300, width=30.0, height=40.0) + 8, grid)
    mirrored = points * torch.tensor([-1.0, 1.0]) + torch.tensor([192.0, 0.0])
    coding = GaussianCoding(sigma=SIGMA, decoding="dark", convention=own)
    head = KeypointHead(in_channels=1, num_keypoints=1, coding=coding, convention=own, settings=HeadSettings())
    turned = encode_keypoints(mirrored, SIZE, grid, sigma=SIGMA)
    turned = head.turned_back(turned, []) if shift == own.mirrored_shift else turned.flip(-1)
    offsets = (head.exported(turned)[..., :2] - points) / torch.tensor(grid.step)
    assert offsets[..., 0].mean() == pytest.approx(bias, abs=0.01)
    assert offsets[..., 1].abs().max() < 0.02
