"""Heatmaps of keypoints: made from coordinates on the device, and turned back into coordinates.

Pixel j of a map of stride s lies at s (j + 0.5), as everywhere in Pet: so a mirrored map needs no shift, and what is encoded is decoded
where it was (https://arxiv.org/abs/1911.07524 describes the bias of other conventions).
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

TINY = 1e-10
REACH = 2
"""Pixels to either side that the refinement of DARK looks at."""


def encode_keypoints(points: Tensor, size: tuple[int, int], *, stride: float, sigma: float) -> Tensor:
    """Return a Gaussian of height 1 around each point, float32 (B, K, h, w).

    Args:
        points: float (B, K, 2), x and y in pixels of the crop.
        size: (h, w) of the maps.
        stride: pixels of the crop for one of the map.
        sigma: standard deviation in pixels of the map.
    """
    places = points.float() / stride
    rows = torch.arange(size[0], device=points.device) + 0.5
    columns = torch.arange(size[1], device=points.device) + 0.5
    across = torch.exp(-((columns - places[..., 0:1]) ** 2) / (2 * sigma**2))
    down = torch.exp(-((rows - places[..., 1:2]) ** 2) / (2 * sigma**2))
    return down[..., :, None] * across[..., None, :]


def decode_plain(heatmaps: Tensor, sigma: float) -> tuple[Tensor, Tensor]:  # noqa: ARG001 -- one of DECODERS
    """Return the centre of the greatest pixel of each map."""
    columns, rows, scores = _greatest(heatmaps)
    return torch.stack([columns, rows], dim=-1) + 0.5, scores


def decode_quarter(heatmaps: Tensor, sigma: float) -> tuple[Tensor, Tensor]:  # noqa: ARG001 -- one of DECODERS
    """Return the greatest pixel, moved by a quarter of a pixel towards its greater neighbour in each direction that has two."""
    height, width = heatmaps.shape[-2:]
    columns, rows, scores = _greatest(heatmaps)
    flat = heatmaps.flatten(2)

    def at(x: Tensor, y: Tensor) -> Tensor:
        return flat.gather(2, (y.clamp(0, height - 1) * width + x.clamp(0, width - 1))[..., None]).squeeze(-1)

    across = torch.sign(at(columns + 1, rows) - at(columns - 1, rows)) * ((columns > 0) & (columns < width - 1))
    down = torch.sign(at(columns, rows + 1) - at(columns, rows - 1)) * ((rows > 0) & (rows < height - 1))
    return torch.stack([columns + 0.25 * across, rows + 0.25 * down], dim=-1) + 0.5, scores


def decode_dark(heatmaps: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """Return the top of the Gaussian that fits around the greatest pixel (https://arxiv.org/abs/1910.06278).

    Maps are smoothed with a Gaussian of ``sigma``, keep their maxima, and a parabola is laid through their logarithm, which is one
    everywhere for a map without noise. Next to an edge it is laid through the nearest pixels that have all neighbours, unsmoothed.
    """
    height, width = heatmaps.shape[-2:]
    columns, rows, scores = _greatest(heatmaps)
    logarithms = _smooth(heatmaps, columns, rows, sigma).clamp(min=TINY).log().flatten(2)
    x, y = columns.clamp(REACH, width - 1 - REACH), rows.clamp(REACH, height - 1 - REACH)

    def at(right: int, down: int) -> Tensor:
        return logarithms.gather(2, ((y + down) * width + x + right)[..., None]).squeeze(-1)

    centre = at(0, 0)
    dx, dy = (at(1, 0) - at(-1, 0)) / 2, (at(0, 1) - at(0, -1)) / 2
    dxx, dyy = (at(2, 0) - 2 * centre + at(-2, 0)) / 4, (at(0, 2) - 2 * centre + at(0, -2)) / 4
    dxy = (at(1, 1) - at(-1, 1) - at(1, -1) + at(-1, -1)) / 4
    determinant = dxx * dyy - dxy**2
    # only where there is a top: both curvatures are negative
    is_top = (determinant > TINY) & (dxx < 0)
    safe = torch.where(is_top, determinant, torch.ones_like(determinant))
    step_x, step_y = (dxy * dy - dyy * dx) / safe, (dxy * dx - dxx * dy) / safe
    # a top farther away than the next pixel is that of something else
    fine_x, fine_y = (x + step_x - columns).clamp(-1, 1), (y + step_y - rows).clamp(-1, 1)
    zero = torch.zeros_like(fine_x)
    fine = torch.stack([torch.where(is_top, fine_x, zero), torch.where(is_top, fine_y, zero)], dim=-1)
    return torch.stack([columns, rows], dim=-1) + 0.5 + fine, scores


DECODERS: Mapping[str, Callable[[Tensor, float], tuple[Tensor, Tensor]]] = {
    "plain": decode_plain,
    "quarter": decode_quarter,
    "dark": decode_dark,
}
"""Name -> from float32 heatmaps (B, K, h, w) and their sigma to places (B, K, 2), x and y in pixels of the map, and scores (B, K)."""


def decode_keypoints(heatmaps: Tensor, *, decoding: str, stride: float, sigma: float) -> Tensor:
    """Return the keypoints, float32 (B, K, 3): x and y in pixels of the crop, and the greatest value of the map.

    Args:
        heatmaps: float (B, K, h, w).
        decoding: a name of :data:`DECODERS`.
        stride: pixels of the crop for one of the map.
        sigma: of the Gaussians that were learned.
    """
    places, scores = DECODERS[decoding](heatmaps.float(), sigma)
    return torch.cat([places * stride, scores[..., None]], dim=-1)


def _greatest(heatmaps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return column and row, int64 (B, K), of the greatest pixel of each map, and its value."""
    scores, places = heatmaps.flatten(2).max(dim=2)
    width = heatmaps.shape[-1]
    return places % width, torch.div(places, width, rounding_mode="floor"), scores


def _smooth(heatmaps: Tensor, columns: Tensor, rows: Tensor, sigma: float) -> Tensor:
    """Return maps convolved with a Gaussian of 2.75 deviations to either side, scaled so that their maxima stay.

    A map whose top, in ``columns`` and ``rows`` (B, K), is nearer to an edge than that stays as it is: what lies beyond is not known, and
    any guess would move the top.
    """
    height, width = heatmaps.shape[-2:]
    radius = max(int(2.75 * sigma), 1)
    distance = torch.arange(-radius, radius + 1, device=heatmaps.device, dtype=heatmaps.dtype)
    kernel = torch.exp(-(distance**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    maps = functional.pad(heatmaps, (radius, radius, radius, radius), mode="replicate").flatten(0, 1)[:, None]
    smooth = functional.conv2d(functional.conv2d(maps, kernel[None, None, None, :]), kernel[None, None, :, None]).view(heatmaps.shape)
    tops, smooth_tops = heatmaps.flatten(2).amax(dim=2), smooth.flatten(2).amax(dim=2)
    smooth = smooth * (tops / smooth_tops.clamp(min=TINY))[..., None, None]
    inside = (columns >= radius) & (columns < width - radius) & (rows >= radius) & (rows < height - radius)
    return torch.where(inside[..., None, None], smooth, heatmaps)
