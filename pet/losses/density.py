"""Losses of maps of density, whose sum is a count: of the sum, of single cells, and of how mass is distributed."""

import math

import torch
from torch import Tensor


def count_loss(density: Tensor, counts: Tensor) -> Tensor:
    """Return the mean absolute difference of the sums of maps (B, h, w) and counts (B,)."""
    return (density.sum(dim=(1, 2)) - counts).abs().mean()


def squared_loss(density: Tensor, target: Tensor) -> Tensor:
    """Return the sum of the squared differences of two maps (B, h, w), the mean over the batch (https://arxiv.org/abs/1802.10062)."""
    return (density - target).square().sum(dim=(1, 2)).mean()


def variation_loss(density: Tensor, target: Tensor) -> Tensor:
    """Return how far normalised maps (B, h, w) are apart, weighted by the counts (https://arxiv.org/abs/2009.13077).

    For an image it is N times the sum of the absolute differences of both maps, each divided by its sum; 0 where nothing is to be counted.
    """
    counts = target.sum(dim=(1, 2), keepdim=True)
    difference = _normalized(density) - target / counts.clamp(min=1.0)
    return (difference.abs() * counts).sum(dim=(1, 2)).mean()


def transport_loss(density: Tensor, dots: Tensor, stride: int, *, regularization: float, iterations: int) -> Tensor:
    """Return what it costs to move the mass of a map to the dots, the square of the distance in pixels for each share of it.

    Optimal transport with an entropy, solved by Sinkhorn's iterations with logarithms
    (https://arxiv.org/abs/2009.13077, https://arxiv.org/abs/1306.0895). The gradient is that of the dual problem at its solution.

    Args:
        density: (h, w), at least 0.
        dots: (N, 2), x, y, pixels; without dots the loss is 0.
        stride: height and width of a cell, pixels.
        regularization: weight of the entropy, square pixels.
        iterations: of the solver.
    """
    if not len(dots):
        return density.sum() * 0.0
    normalized = _normalized(density[None])[0]
    with torch.no_grad():
        cells, points = _dual(normalized.detach(), dots, stride, regularization, iterations)
    return (normalized * cells.view_as(normalized)).sum() + points.mean()


def _dual(mass: Tensor, dots: Tensor, stride: int, regularization: float, iterations: int) -> tuple[Tensor, Tensor]:
    """Return the potentials of the cells (h * w,) and of the dots (N,)."""
    rows, columns = (torch.arange(length, device=mass.device) * stride + stride / 2 for length in mass.shape)
    down, across = (dots[:, 1:] - rows).square(), (dots[:, :1] - columns).square()
    costs = (down[:, :, None] + across[:, None, :]).flatten(1) / regularization
    log_mass, log_share = mass.flatten().clamp(min=1e-20).log(), -math.log(len(dots))
    cells = torch.zeros_like(log_mass)
    points = torch.zeros(len(dots), device=mass.device)
    for _ in range(iterations):
        points = log_share - (cells - costs).logsumexp(dim=1)
        cells = log_mass - (points[:, None] - costs).logsumexp(dim=0)
    return cells * regularization, points * regularization


def _normalized(density: Tensor) -> Tensor:
    """Return maps (B, h, w) divided by their sums."""
    return density / density.sum(dim=(1, 2), keepdim=True).clamp(min=1e-6)
