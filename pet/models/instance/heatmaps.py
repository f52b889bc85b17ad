"""Heatmaps of keypoints: made from coordinates on the device, and turned back into coordinates.

Where the pixels of a map lie in the crop says a :class:`pet.structures.pixel_conventions.MapGrid`.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from pet.structures.pixel_conventions import MapGrid

TINY = 1e-10
REACH = 2
"""Pixels to either side that the refinement of DARK looks at."""


def encode_keypoints(points: Tensor, size: tuple[int, int], grid: MapGrid, *, sigma: float, rounds: bool = False) -> Tensor:
    """Return a Gaussian of height 1 around each point, float32 (B, K, h, w).

    Args:
        points: float (B, K, 2), x and y in pixels of the crop.
        size: (h, w) of the maps.
        grid: where their pixels lie.
        sigma: standard deviation in pixels of the map.
        rounds: the Gaussian lies around the pixel that is nearest to the point.
    """
    x, y = to_map(points, grid)
    if rounds:
        x, y = (x + 0.5).floor(), (y + 0.5).floor()
    rows, columns = (torch.arange(length, device=points.device) for length in size)
    across = torch.exp(-((columns - x[..., None]) ** 2) / (2 * sigma**2))
    down = torch.exp(-((rows - y[..., None]) ** 2) / (2 * sigma**2))
    return down[..., :, None] * across[..., None, :]


def to_map(points: Tensor, grid: MapGrid) -> tuple[Tensor, Tensor]:
    """Return x and y of points (..., 2) of the crop in a map, where whole numbers are the centres of pixels, float32."""
    x, y = ((points[..., axis].float() - grid.first[axis]) / grid.step[axis] for axis in (0, 1))
    return x, y


def to_crop(places: Tensor, grid: MapGrid) -> Tensor:
    """Return places (..., 2) in a map, where whole numbers are the centres of pixels, in pixels of the crop."""
    return torch.stack([grid.first[axis] + grid.step[axis] * places[..., axis] for axis in (0, 1)], dim=-1)


def decode_plain(heatmaps: Tensor, sigma: float) -> tuple[Tensor, Tensor]:  # noqa: ARG001 -- one of DECODERS
    """Return the centre of the greatest pixel of each map."""
    columns, rows, scores = _greatest(heatmaps)
    return torch.stack([columns, rows], dim=-1).float(), scores


def decode_quarter(heatmaps: Tensor, sigma: float) -> tuple[Tensor, Tensor]:  # noqa: ARG001 -- one of DECODERS
    """Return the greatest pixel, moved by a quarter of a pixel towards its greater neighbour in each direction that has two."""
    height, width = heatmaps.shape[-2:]
    columns, rows, scores = _greatest(heatmaps)
    flat = heatmaps.flatten(2)

    def at(x: Tensor, y: Tensor) -> Tensor:
        return flat.gather(2, (y.clamp(0, height - 1) * width + x.clamp(0, width - 1))[..., None]).squeeze(-1)

    across = torch.sign(at(columns + 1, rows) - at(columns - 1, rows)) * ((columns > 0) & (columns < width - 1))
    down = torch.sign(at(columns, rows + 1) - at(columns, rows - 1)) * ((rows > 0) & (rows < height - 1))
    return torch.stack([columns + 0.25 * across, rows + 0.25 * down], dim=-1), scores


def decode_dark(heatmaps: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """Return the top of the Gaussian that fits around the greatest pixel (https://arxiv.org/abs/1910.06278).

    Maps are smoothed with a Gaussian of ``sigma``, and a parabola is laid through their logarithm, which is one everywhere for a map
    without noise. Near an edge there is not enough to smooth: the next pixels give the top of a Gaussian of ``sigma``.
    """
    height, width = heatmaps.shape[-2:]
    columns, rows, scores = _greatest(heatmaps)
    margin = _radius(sigma) + REACH
    inside = (columns >= margin) & (columns < width - margin) & (rows >= margin) & (rows < height - margin)
    fine = torch.where(inside[..., None], _parabola_top(heatmaps, columns, rows, sigma), _gaussian_top(heatmaps, columns, rows, sigma))
    # a top farther away than the next pixel is that of something else
    return torch.stack([columns, rows], dim=-1) + fine.clamp(-1, 1), scores


def _parabola_top(heatmaps: Tensor, columns: Tensor, rows: Tensor, sigma: float) -> Tensor:
    """Return the way (B, K, 2) from the greatest pixel to the top of the parabola through the logarithm of the smoothed map."""
    height, width = heatmaps.shape[-2:]
    logarithms = smooth(heatmaps, sigma).clamp(min=TINY).log().flatten(2)
    x, y = columns.clamp(REACH, max(width - 1 - REACH, REACH)), rows.clamp(REACH, max(height - 1 - REACH, REACH))

    def at(right: int, down: int) -> Tensor:
        return logarithms.gather(2, ((y + down) * width + x + right)[..., None].clamp(max=height * width - 1)).squeeze(-1)

    centre = at(0, 0)
    dx, dy = (at(1, 0) - at(-1, 0)) / 2, (at(0, 1) - at(0, -1)) / 2
    dxx, dyy = (at(2, 0) - 2 * centre + at(-2, 0)) / 4, (at(0, 2) - 2 * centre + at(0, -2)) / 4
    dxy = (at(1, 1) - at(-1, 1) - at(1, -1) + at(-1, -1)) / 4
    determinant = dxx * dyy - dxy**2
    # only where there is a top: both curvatures are negative
    is_top = ((determinant > TINY) & (dxx < 0))[..., None]
    safe = torch.where(is_top[..., 0], determinant, torch.ones_like(determinant))
    steps = torch.stack([(dxy * dy - dyy * dx) / safe, (dxy * dx - dxx * dy) / safe], dim=-1)
    return torch.where(is_top, steps, torch.zeros_like(steps))


def _gaussian_top(heatmaps: Tensor, columns: Tensor, rows: Tensor, sigma: float) -> Tensor:
    """Return the way (B, K, 2) from the greatest pixel to the top of a Gaussian of ``sigma`` through it and its neighbours."""
    height, width = heatmaps.shape[-2:]
    logarithms = heatmaps.clamp(min=TINY).log().flatten(2)

    def along(place: Tensor, length: int, index: Callable[[Tensor], Tensor]) -> Tensor:
        before, after = (place - 1).clamp(min=0), (place + 1).clamp(max=length - 1)
        low, high = (logarithms.gather(2, index(end)[..., None]).squeeze(-1) for end in (before, after))
        return (before + after) / 2 - place + sigma**2 * (high - low) / (after - before).clamp(min=1)

    across = along(columns, width, lambda x: rows * width + x)
    return torch.stack([across, along(rows, height, lambda y: y * width + columns)], dim=-1)


DECODERS: Mapping[str, Callable[[Tensor, float], tuple[Tensor, Tensor]]] = {
    "plain": decode_plain,
    "quarter": decode_quarter,
    "dark": decode_dark,
}
"""Name -> from float32 heatmaps (B, K, h, w) and their sigma to places (B, K, 2), x and y in pixels of the map whose centres are whole
numbers, and scores (B, K)."""


def decode_keypoints(heatmaps: Tensor, grid: MapGrid, *, decoding: str, sigma: float) -> Tensor:
    """Return the keypoints, float32 (B, K, 3): x and y in pixels of the crop, and the greatest value of the map.

    Args:
        heatmaps: float (B, K, h, w).
        grid: where their pixels lie.
        decoding: a name of :data:`DECODERS`.
        sigma: of the Gaussians that were learned.
    """
    places, scores = DECODERS[decoding](heatmaps.float(), sigma)
    return torch.cat([to_crop(places, grid), scores[..., None]], dim=-1)


def _greatest(heatmaps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return column and row, int64 (B, K), of the greatest pixel of each map, and its value."""
    scores, places = heatmaps.flatten(2).max(dim=2)
    width = heatmaps.shape[-1]
    return places % width, torch.div(places, width, rounding_mode="floor"), scores


def smooth(heatmaps: Tensor, sigma: float) -> Tensor:
    """Return maps convolved with a Gaussian of 2.75 deviations to either side."""
    radius = _radius(sigma)
    distance = torch.arange(-radius, radius + 1, device=heatmaps.device, dtype=heatmaps.dtype)
    kernel = torch.exp(-(distance**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    maps = functional.pad(heatmaps, (radius, radius, radius, radius), mode="replicate").flatten(0, 1)[:, None]
    return functional.conv2d(functional.conv2d(maps, kernel[None, None, None, :]), kernel[None, None, :, None]).view(heatmaps.shape)


def _radius(sigma: float) -> int:
    return max(int(2.75 * sigma), 1)
