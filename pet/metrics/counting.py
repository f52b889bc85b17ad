"""How far counts are off, and how many positions are right."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.spatial import cKDTree
from torch import Tensor

LEVELS = ((0, 0), (1, 100), (101, 500), (501, 5000), (5001, None))
"""Least and greatest true count of the levels S0 to S4 of NWPU-Crowd (https://arxiv.org/abs/2001.03360)."""


class CountErrors(NamedTuple):
    """Errors of the counts of some images; NaN where there is no image to measure.

    Attributes:
        mae: mean of the absolute differences.
        rmse: root of the mean of their squares; papers about crowds call it MSE.
        nae: mean of the absolute differences divided by the true counts, over the images that have something to count.
        bias: mean of found minus true counts: above 0 too many are found.
        baseline: the MAE of one answer for all images: the mean of their true counts.
    """

    mae: float
    rmse: float
    nae: float
    bias: float
    baseline: float


def count_errors(found: np.ndarray, truth: np.ndarray) -> CountErrors:
    """Return the errors of counts, float (N,), against true ones (N,)."""
    if not len(truth):
        return CountErrors(*[float("nan")] * 5)
    off = np.asarray(found, np.float64) - truth
    full = truth > 0
    return CountErrors(
        mae=float(np.abs(off).mean()),
        rmse=float(np.sqrt(np.square(off).mean())),
        nae=float((np.abs(off[full]) / truth[full]).mean()) if full.any() else float("nan"),
        bias=float(off.mean()),
        baseline=float(np.abs(truth - truth.mean()).mean()),
    )


def errors_by_level(found: np.ndarray, truth: np.ndarray) -> dict[str, tuple[int, CountErrors]]:
    """Return the number of images and their errors for each level of :data:`LEVELS` that occurs, by its name, e.g. ``1-100``."""
    levels = {}
    for least, greatest in LEVELS:
        inside = (truth >= least) & (truth <= (np.inf if greatest is None else greatest))
        name = f">{least - 1}" if greatest is None else str(least) if least == greatest else f"{least}-{greatest}"
        if inside.any():
            levels[name] = int(inside.sum()), count_errors(found[inside], truth[inside])
    return levels


def count_density(density: Tensor, extent: tuple[Tensor | float, Tensor | float], cells: int) -> Tensor:
    """Return what lies in each cell of a grid over an image, float64 (cells, cells), on the device of the density.

    Args:
        density: (h, w), spread evenly in each of its places.
        extent: (height, width) of the image in places of the density; what lies beyond counts to the last cells.
        cells: along each edge of the grid.
    """
    down, across = (_shares(own, length, cells, density) for own, length in zip(extent, density.shape, strict=True))
    return down @ density.double() @ across.T


def _shares(extent: Tensor | float, length: int, cells: int, density: Tensor) -> Tensor:
    """Return how much of each of ``length`` places lies in each cell, float64 (cells, length)."""
    edges = torch.linspace(0, 1, cells + 1, dtype=torch.float64, device=density.device) * extent
    ends = torch.cat([edges[1:-1], edges.new_full((1,), length)])
    places = torch.arange(length, dtype=torch.float64, device=density.device)
    overlap = torch.minimum(ends[:, None], places + 1) - torch.maximum(edges[:-1, None], places)
    return overlap.clamp(min=0)


def count_dots(dots: np.ndarray, size: tuple[float, float], cells: int) -> np.ndarray:
    """Return how many of the dots (N, 2), x, y, lie in each cell of a grid over an image of ``size`` (height, width), float64."""
    places = [np.clip((dots[:, axis] * cells / size[1 - axis]).astype(np.int64), 0, cells - 1) for axis in (1, 0)]
    counts = np.zeros((cells, cells))
    np.add.at(counts, (places[0], places[1]), 1.0)
    return counts


def grid_error(found: np.ndarray, truth: np.ndarray) -> float:
    """Return the sum of the absolute differences of the cells of two grids: GAME of an image (https://doi.org/10.1007/978-3-319-19390-8_48)."""
    return float(np.abs(found - truth).sum())


def match_dots(found: np.ndarray, truth: np.ndarray, radius: float | np.ndarray) -> int:
    """Return the greatest number of pairs of a found (M, 2) and a true dot (N, 2), each in one pair, not farther apart than a radius.

    Args:
        found: x, y.
        truth: x, y.
        radius: pixels, one for all or one for each true dot (N,).
    """
    if not len(found) or not len(truth):
        return 0
    near = cKDTree(found).query_ball_point(truth, radius)
    ends = np.cumsum([0, *map(len, near)])
    places = np.concatenate([np.asarray(own, np.int64) for own in near])
    pairs = csr_array((np.ones(len(places), bool), places, ends), shape=(len(truth), len(found)))
    return int((maximum_bipartite_matching(pairs, perm_type="column") >= 0).sum())


class Positions(NamedTuple):
    """Sums over images: pairs of found and true dots, found ones, true ones."""

    paired: int
    found: int
    truth: int

    @property
    def precision(self) -> float:
        """The share of the found dots that are right; NaN where nothing was found."""
        return self.paired / self.found if self.found else float("nan")

    @property
    def recall(self) -> float:
        """The share of the true dots that were found; NaN where there are none."""
        return self.paired / self.truth if self.truth else float("nan")

    @property
    def f1(self) -> float:
        """The harmonic mean of both; NaN where there is nothing at all."""
        both = self.found + self.truth
        return 2 * self.paired / both if both else float("nan")


class Interval(NamedTuple):
    """How wide intervals around counts are, from the errors on other images (split-conformal, https://arxiv.org/abs/1604.04173).

    Attributes:
        width: half of an interval around a count of 0; it grows with the root of 1 + count.
    """

    width: float

    def around(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return least and greatest counts (N,) of intervals around counts (N,)."""
        half = self.width * _spread(counts)
        return np.maximum(counts - half, 0.0), counts + half


def _spread(counts: np.ndarray) -> np.ndarray:
    spread: np.ndarray = np.sqrt(1.0 + np.maximum(counts, 0.0))
    return spread


def calibrate_interval(found: Sequence[float], truth: Sequence[float], share: float) -> Interval:
    """Return intervals that hold the true count of a share of the images, from counts (N,) of images that were not trained on.

    The share holds for further images of the same kind, on average, however wrong the counts are. Too few images for a share
    (N < share / (1 - share)) give intervals without an end.
    """
    counts = np.asarray(found, np.float64)
    scores = np.sort(np.abs(counts - np.asarray(truth, np.float64)) / _spread(counts))
    rank = int(np.ceil((len(scores) + 1) * share))
    return Interval(float(scores[rank - 1]) if rank <= len(scores) else float("inf"))
