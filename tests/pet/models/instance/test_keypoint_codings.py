"""Discs with offsets: from keypoints to maps and back, next to an edge, mirrored and with noise."""

import pytest
import torch
from torch import Tensor

from pet.models.instance.heads import HeadSettings, KeypointHead
from pet.models.instance.keypoint_codings import GaussianCoding, OffsetCoding, encode_offsets
from pet.structures.pixel_conventions import CONVENTIONS

SIZE, CROP, RADIUS = (64, 48), (256, 192), 3.5
GRID = CONVENTIONS["udp"].grid(CROP, SIZE)
CODING = OffsetCoding(radius=RADIUS)


def random_points(count: int) -> Tensor:
    """Return places (count, 2, 2) in a crop of 256 x 192, from its edge on."""
    return torch.rand(count, 2, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([192.0, 256.0])


def maps_of(points: Tensor) -> Tensor:
    return encode_offsets(points, SIZE, GRID, radius=RADIUS).flatten(1, 2)


def test_a_disc_has_the_ways_to_its_point_in_units_of_the_radius() -> None:
    points = torch.tensor([[[2.0, 2.5]]])
    (label, right, down) = encode_offsets(points, (4, 5), CONVENTIONS["pet"].grid((4, 5), (4, 5)), radius=1.0)[0, 0]
    # pixel j lies at j + 0.5: the point is between the columns 1 and 2, on row 2
    assert label.nonzero().tolist() == [[2, 1], [2, 2]]
    assert right[2].tolist() == [0, 0.5, -0.5, 0, 0]
    assert down.abs().max() == 0
    assert right[[0, 1, 3]].abs().max() == 0


@pytest.mark.parametrize("convention", ["pet", "udp"])
def test_maps_without_noise_are_decoded_within_a_tenth_of_a_pixel_at_the_edges_too(convention: str) -> None:
    grid, points = CONVENTIONS[convention].grid(CROP, SIZE), random_points(150)
    maps = encode_offsets(points, SIZE, grid, radius=RADIUS).flatten(1, 2)
    found = CODING.decode(maps, grid)
    assert (found[..., :2] - points).abs().max() < 0.1
    assert found[..., 2].min() > 0.5
    assert torch.equal(CODING.rough_places(maps, grid), found[..., :2])


def test_noise_moves_a_place_less_than_the_offset_of_one_pixel_says() -> None:
    points = random_points(200)
    maps = maps_of(points)
    noisy = maps + 0.1 * torch.randn(maps.shape, generator=torch.Generator().manual_seed(1))
    errors = (CODING.decode(noisy, GRID)[..., :2] - points).norm(dim=-1)
    # one pixel would be off by 0.1 radii of 4 pixels of the crop in both directions, 1.8 pixels in the mean
    assert errors.mean() < 0.9


def test_maps_of_mirrored_crops_are_turned_back_with_sides_exchanged() -> None:
    points = random_points(50)
    mirrored = points.flip(1) * torch.tensor([-1.0, 1.0]) + torch.tensor([192.0, 0.0])
    turned = CODING.turned_back(maps_of(mirrored), [1, 0])
    assert (turned - maps_of(points)).abs().max() < 1e-4


def test_maps_as_they_should_be_cost_nothing_and_offsets_outside_of_the_disc_neither() -> None:
    points = random_points(4)
    maps = maps_of(points)
    assert CODING.errors(maps, points, GRID).abs().max() == 0
    label = maps.unflatten(1, (2, 3))[:, :, :1]
    outside = torch.cat([torch.zeros_like(label), 1 - label, 1 - label], dim=2).flatten(1, 2)
    assert CODING.errors(maps + outside, points, GRID).abs().max() == 0
    wrong = maps + torch.cat([torch.zeros_like(label), label, label], dim=2).flatten(1, 2)
    expected = 2 * label.mean(dim=(2, 3, 4))
    torch.testing.assert_close(CODING.errors(wrong, points, GRID), expected)


@pytest.mark.parametrize("size", [(8, 8), (2, 3), (1, 1)])
def test_flat_or_tiny_maps_give_finite_places(size: tuple[int, int]) -> None:
    for value in (0.0, -1.0, 0.5):
        assert CODING.decode(torch.full((1, 3, *size), value), GRID).isfinite().all()


def test_a_head_has_three_maps_for_each_keypoint_with_offsets_and_one_with_gaussians() -> None:
    convention = CONVENTIONS["udp"]
    gaussians = GaussianCoding(sigma=2.0, decoding="dark", convention=convention)
    for coding, maps in ((CODING, 15), (gaussians, 5)):
        head = KeypointHead(in_channels=4, num_keypoints=5, coding=coding, convention=convention, settings=HeadSettings())
        found = head(torch.zeros(2, 4, 16, 12))
        assert found.shape == (2, maps, 16, 12)
        assert head.exported(found).shape == (2, 5, 3)
