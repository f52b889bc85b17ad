"""What the maps of keypoints are: what they learn of places in a crop, and how they become places again."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from pet.models.instance.heatmaps import decode_keypoints, decode_plain, encode_keypoints, smooth, to_crop, to_map
from pet.models.views import turn_back
from pet.structures.pixel_conventions import MapGrid, PixelConvention

MAPS_WITH_OFFSETS = 3
"""A label map, and the ways to the right and down."""

TINY = 1e-6


class KeypointCoding(Protocol):
    """How K keypoints are maps (B, K * C, h, w) of their crops, those of a keypoint one behind the other.

    Attributes:
        maps_per_keypoint: C.
    """

    maps_per_keypoint: int

    def errors(self, maps: Tensor, points: Tensor, grid: MapGrid) -> Tensor:
        """Return the squared error of the maps of each keypoint, the mean over their pixels, (B, K); ``points`` (B, K, 2) in the crop."""

    def rough_places(self, maps: Tensor, grid: MapGrid) -> Tensor:
        """Return the places (B, K, 2) in the crop to a pixel of the map, for the metric of a training."""

    def decode(self, maps: Tensor, grid: MapGrid) -> Tensor:
        """Return the keypoints, float32 (B, K, 3): x and y in pixels of the crop, score."""

    def turned_back(self, maps: Tensor, swap: Sequence[int]) -> Tensor:
        """Return the maps of mirrored crops for the crops as they are; ``swap``: which keypoint is which in them, empty: all stay."""


class GaussianCoding:
    """A Gaussian around each keypoint (https://arxiv.org/abs/1804.06208).

    Args:
        sigma: its standard deviation, pixels of the map.
        decoding: a name of :data:`pet.models.instance.heatmaps.DECODERS`.
        convention: how pixels are counted.
    """

    maps_per_keypoint = 1

    def __init__(self, *, sigma: float, decoding: str, convention: PixelConvention) -> None:
        self.sigma = sigma
        self.decoding = decoding
        self.convention = convention

    def errors(self, maps: Tensor, points: Tensor, grid: MapGrid) -> Tensor:
        """Return the squared errors, (B, K)."""
        expected = encode_keypoints(points, _size(maps), grid, sigma=self.sigma, rounds=self.convention.rounds)
        return ((maps - expected) ** 2).mean(dim=(2, 3))

    def rough_places(self, maps: Tensor, grid: MapGrid) -> Tensor:
        """Return the greatest pixels, (B, K, 2)."""
        return to_crop(decode_plain(maps, self.sigma)[0], grid)

    def decode(self, maps: Tensor, grid: MapGrid) -> Tensor:
        """Return the keypoints (B, K, 3)."""
        return decode_keypoints(maps, grid, decoding=self.decoding, sigma=self.sigma)

    def turned_back(self, maps: Tensor, swap: Sequence[int]) -> Tensor:
        """Return the maps, moved as the convention has it."""
        turned, shift = turn_back(maps, swap), self.convention.mirrored_shift
        return torch.cat([turned[..., :shift], turned[..., : turned.shape[-1] - shift]], dim=-1) if shift else turned


class OffsetCoding:
    """A disc around each keypoint, and in it the way from each pixel to the keypoint (https://arxiv.org/abs/1911.07524, section 4.2).

    The offsets are learned within the disc alone, in units of its radius. A keypoint lies where the pixels around the greatest one of the
    smoothed disc say in the mean, weighted by how sure they are; the published code reads the smoothed offsets of that one pixel.

    Args:
        radius: of the disc, pixels of the map.
    """

    maps_per_keypoint = MAPS_WITH_OFFSETS

    def __init__(self, *, radius: float) -> None:
        self.radius = radius

    def errors(self, maps: Tensor, points: Tensor, grid: MapGrid) -> Tensor:
        """Return the squared errors of the disc and of the offsets in it, (B, K)."""
        found, expected = _parts(maps), encode_offsets(points, _size(maps), grid, radius=self.radius)
        label = expected[:, :, :1]
        weighted = torch.cat([torch.ones_like(label), label, label], dim=2)
        return ((found - expected) ** 2 * weighted).mean(dim=(3, 4)).sum(dim=2)

    def rough_places(self, maps: Tensor, grid: MapGrid) -> Tensor:
        """Return the places, (B, K, 2)."""
        return self.decode(maps, grid)[..., :2]

    def decode(self, maps: Tensor, grid: MapGrid) -> Tensor:
        """Return the keypoints (B, K, 3); the score is the greatest value of the smoothed disc."""
        label, right, down = _parts(maps.float()).unbind(dim=2)
        height, width = _size(maps)
        columns = torch.arange(width, device=maps.device)
        rows = torch.arange(height, device=maps.device)[:, None]
        sure = label.clamp(min=0)
        # ways from the middle of the map, so that sums of many places keep their digits
        x, y = columns - width / 2 + self.radius * right, rows - height / 2 + self.radius * down
        weights, across, along = (smooth(values, self.radius / 2) for values in (sure, sure * x, sure * y))
        scores, places = weights.flatten(2).max(dim=2)
        total = scores.clamp(min=TINY)
        mean = [values.flatten(2).gather(2, places[..., None])[..., 0] / total for values in (across, along)]
        found = torch.stack([mean[0] + width / 2, mean[1] + height / 2], dim=-1)
        return torch.cat([to_crop(found, grid), scores[..., None]], dim=-1)

    def turned_back(self, maps: Tensor, swap: Sequence[int]) -> Tensor:
        """Return the maps; to the right has become to the left."""
        turned = turn_back(_parts(maps), swap)
        return (turned * turned.new_tensor([1.0, -1.0, 1.0])[:, None, None]).flatten(1, 2)


def encode_offsets(points: Tensor, size: tuple[int, int], grid: MapGrid, *, radius: float) -> Tensor:
    """Return for each point a disc of ones, and in it the way from each pixel to the point in units of the radius, (B, K, 3, h, w).

    Args:
        points: float (B, K, 2), x and y in pixels of the crop.
        size: (h, w) of the maps.
        grid: where their pixels lie.
        radius: of the disc, pixels of the map.
    """
    x, y = to_map(points, grid)
    rows, columns = (torch.arange(length, device=points.device) for length in size)
    right = ((x[..., None] - columns) / radius)[..., None, :].expand(*x.shape, *size)
    down = ((y[..., None] - rows) / radius)[..., :, None].expand(*y.shape, *size)
    inside = (right**2 + down**2 <= 1).float()
    return torch.stack([inside, right * inside, down * inside], dim=2)


def _parts(maps: Tensor) -> Tensor:
    """Return maps (B, K * 3, h, w) as (B, K, 3, h, w)."""
    return maps.reshape(len(maps), maps.shape[1] // MAPS_WITH_OFFSETS, MAPS_WITH_OFFSETS, *maps.shape[2:])


def _size(maps: Tensor) -> tuple[int, int]:
    return maps.shape[-2], maps.shape[-1]
