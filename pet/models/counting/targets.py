"""What maps of density learn: dots as numbers in cells, whose sum is the number of dots."""

import torch
from torch import Tensor

Size = tuple[int, int]


def count_in_cells(dots: Tensor, size: Size, stride: int) -> Tensor:
    """Return how many dots lie in each cell, float32 ``size`` (rows, columns).

    Args:
        dots: (N, 2), x, y, pixels; what lies on the far edge counts to the last cells.
        size: of the map.
        stride: height and width of a cell, pixels.
    """
    rows, columns = size
    counts = torch.zeros(rows * columns, device=dots.device)
    if len(dots):
        places = (dots / stride).long()
        flat = places[:, 1].clamp(0, rows - 1) * columns + places[:, 0].clamp(0, columns - 1)
        counts.index_add_(0, flat, torch.ones(len(dots), device=dots.device))
    return counts.view(rows, columns)


def spread_over_cells(dots: Tensor, size: Size, stride: int, *, sigma: float) -> Tensor:
    """Return a Gaussian around each dot, float32 ``size`` (rows, columns), each with a sum of 1 inside of the map.

    So nothing is lost at the borders, and dots on each other count both.

    Args:
        dots: (N, 2), x, y, pixels.
        size: of the map.
        stride: height and width of a cell, pixels.
        sigma: standard deviation, pixels.
    """
    places = (dots / stride).float()
    across, down = (_weights(places[:, axis], length, sigma / stride) for axis, length in ((0, size[1]), (1, size[0])))
    return down.T @ across


def _weights(places: Tensor, length: int, sigma: float) -> Tensor:
    """Return the share of each of ``length`` cells in each dot, (N, length)."""
    centres = torch.arange(length, device=places.device) + 0.5
    inside = places.clamp(0, length)
    return (-((centres - inside[:, None]) ** 2) / (2 * sigma**2)).softmax(dim=1)
