"""Objects as points on a map: the Gaussians that heatmaps of centres learn, and the peaks that they are found at again.

A point lies at (x, y) in cells of the map: cell j reaches from j to j + 1. What a cell means is the caller's: some pixels of an image,
some metres of a bird's-eye view. Nothing here waits for a GPU, and :func:`find_peaks` and :func:`values_at` can be exported.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Centers(NamedTuple):
    """The points of a batch, one after the other, N together.

    Attributes:
        images: int64 (N,), the place of the image of each in the batch.
        cells: int64 (N, 2), column and row of the cell that it lies in; of a point outside of the map the nearest.
        offsets: float32 (N, 2), from the upper left corner of that cell to the point, in cells: 0 to 1 inside of the map.
    """

    images: Tensor
    cells: Tensor
    offsets: Tensor


class Peaks(NamedTuple):
    """The highest peaks of each image of a batch, K of them, the best first.

    Attributes:
        scores: float (B, K).
        labels: int64 (B, K), the channels that they lie in.
        cells: int64 (B, K, 2), column and row.
    """

    scores: Tensor
    labels: Tensor
    cells: Tensor


def locate_centers(points: Sequence[Tensor], size: tuple[int, int]) -> Centers:
    """Return where points lie on a map.

    Args:
        points: of each image, float (n, 2), x and y in cells.
        size: (height, width) of the map.
    """
    points = [of_image.reshape(-1, 2).float() for of_image in points]
    places = torch.cat(points)
    # their number, which an exported file does not know, is not asked for
    images = torch.cat([torch.full_like(of_image[:, 0], place, dtype=torch.int64) for place, of_image in enumerate(points)])
    height, width = size
    cells = places.floor()
    cells = torch.stack([cells[:, 0].clamp(0, width - 1), cells[:, 1].clamp(0, height - 1)], dim=1)
    return Centers(images, cells.long(), places - cells)


def gaussian_radius(sizes: Tensor, *, min_overlap: float = 0.7) -> Tensor:
    """Return how far from its centre a point may be the centre of an object too, in cells, float32 (N,).

    It is the formula of CornerNet's and CenterNet's code, with which all published figures were made: of three ways to move a box of
    this size the closest one that leaves an intersection over union of ``min_overlap``. The code divides by 2 where the solution
    of the quadratic equation has twice its first coefficient, so the radii are about three times those of the paper.

    Args:
        sizes: float (N, 2), width and height in cells.
        min_overlap: intersection over union.
    """
    width, height = sizes.float().unbind(dim=1)
    total, area = width + height, width * height
    outer = (total + (total**2 - 4 * area * (1 - min_overlap) / (1 + min_overlap)).sqrt()) / 2
    inner = (2 * total + (4 * total**2 - 16 * (1 - min_overlap) * area).sqrt()) / 2
    slope = -2 * min_overlap * total
    both = (slope + (slope**2 + 16 * min_overlap * (1 - min_overlap) * area).sqrt()) / 2
    return torch.minimum(torch.minimum(outer, inner), both)


def draw_centers(cells: Tensor, radii: Tensor, labels: Tensor, *, num_classes: int, size: tuple[int, int]) -> Tensor:
    """Return the heatmap of an image, float32 (C, height, width): a Gaussian of height 1 around each centre, the greatest where they meet.

    A Gaussian reaches ``radius`` cells in each direction, with a standard deviation of a sixth of its width.

    Args:
        cells: int64 (N, 2), column and row.
        radii: float (N,), in cells; cut to whole numbers.
        labels: int64 (N,), the channel of each.
        num_classes: C.
        size: (height, width) of the map.
    """
    height, width = size
    heatmap = radii.new_zeros((num_classes, height, width), dtype=torch.float32)
    if not len(cells):
        return heatmap
    reach = radii.float().floor().clamp(min=0)[:, None]

    def profile(places: Tensor, length: int) -> Tensor:
        distances = torch.arange(length, device=places.device) - places[:, None]
        values = torch.exp(-(distances**2) / (2 * ((2 * reach + 1) / 6) ** 2))
        return values * (distances.abs() <= reach)

    gaussians = profile(cells[:, 1], height)[:, :, None] * profile(cells[:, 0], width)[:, None, :]
    return heatmap.scatter_reduce(0, labels[:, None, None].expand_as(gaussians), gaussians, "amax")


def find_peaks(scores: Tensor, *, most: int) -> Peaks:
    """Return the cells that are not less than their eight neighbours, the highest of all classes together.

    Where a map has fewer of them, cells that are no peaks follow with a score of 0.

    Args:
        scores: float (B, C, h, w), from 0 to 1.
        most: K; fewer where the maps have fewer cells.
    """
    highest = functional.max_pool2d(scores, 3, stride=1, padding=1)
    height, width = scores.shape[2], scores.shape[3]
    peaks = torch.where(scores == highest, scores, torch.zeros_like(scores)).flatten(1)
    best, places = peaks.topk(min(most, peaks.shape[1]), dim=1)
    inside = places % (height * width)
    return Peaks(best, places // (height * width), torch.stack([inside % width, inside // width], dim=2))


def values_at(maps: Tensor, images: Tensor, cells: Tensor) -> Tensor:
    """Return the values of maps at cells, (..., K).

    Args:
        maps: (B, K, h, w).
        images: int64, the place of an image in the batch for each cell; a shape that goes with that of the cells, e.g. (N,) or (B, 1).
        cells: int64 (..., 2), column and row, e.g. (N, 2) or (B, N, 2).
    """
    return maps.permute(0, 2, 3, 1)[images, cells[..., 1], cells[..., 0]]


def values_at_peaks(maps: Tensor, peaks: Peaks) -> Tensor:
    """Return the values (B, N, K) of maps (B, K, h, w) at the N peaks of each image."""
    return values_at(maps, torch.arange(maps.shape[0], device=maps.device)[:, None], peaks.cells)
