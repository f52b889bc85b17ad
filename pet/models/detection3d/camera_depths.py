"""How a network says how far away a box is, in the scale of views (:mod:`pet.models.detection3d.camera_geometry`)."""

import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

NEAREST, FARTHEST = 0.1, 200.0
"""Depths that are decoded, metres."""
KEYPOINTS = 10
"""The corners, lower ones first, and the centres of the lower and of the upper face."""
EDGES = ((8, 9), (0, 4), (2, 6), (1, 5), (3, 7))
"""Lower and upper keypoint of the upright lines of a box: its axis, then both pairs of edges that face each other."""
GROUPS = ((0,), (1, 2), (3, 4))
"""Lines whose mean depth is that of the centre of the box."""
LARGEST_LOG = 10.0


class DepthTruth(NamedTuple):
    """What N objects have, for the losses.

    Attributes:
        depths: (N,), metres.
        cells: int64 (N, 2), column and row that the numbers are read at.
        keypoints: (N, 10, 2), in cells of the map.
        visible: bool (N, 10), which of them are in the image.
    """

    depths: Tensor
    cells: Tensor
    keypoints: Tensor
    visible: Tensor


class DepthCode(Protocol):
    """A code of depths.

    Attributes:
        channels: numbers of a depth.
    """

    channels: int

    def decode(self, values: Tensor, heights: Tensor) -> tuple[Tensor, Tensor]:
        """Return depths (...,) and how sure they are, from 0 to 1 (...,).

        Args:
            values: (..., channels).
            heights: of the boxes (...,), metres.
        """
        ...

    def losses(self, values: Tensor, heights: Tensor, truth: DepthTruth) -> dict[str, Tensor]:
        """Return losses (N,) of each object, in addition to that of the corners of its box."""
        ...


class DirectDepth:
    """One number: how many standard deviations the depth differs from the mean one (SMOKE, equation 2).

    Args:
        mean: of the depths of a data set, metres.
        deviation: their standard deviation.
    """

    channels = 1

    def __init__(self, *, mean: float, deviation: float) -> None:
        self._mean, self._deviation = mean, deviation

    def decode(self, values: Tensor, heights: Tensor) -> tuple[Tensor, Tensor]:
        """Return depths and ones: nothing is known of how sure they are."""
        depths = (values[..., 0] * self._deviation + self._mean).clamp(NEAREST, FARTHEST)
        return depths, torch.ones_like(heights)

    def losses(self, values: Tensor, heights: Tensor, truth: DepthTruth) -> dict[str, Tensor]:
        """Return none: the corners of boxes are what it learns from."""
        return {}


class LogDepth:
    """The logarithm of the depth, which learns from its own error too, and that of how uncertain it is.

    An error of the logarithm is a share of the depth, so near and far boxes count the same; that of the corners is in metres. The
    uncertainty is the scale of a Laplace distribution of these errors, which it alone learns from.

    Args:
        mean: of the depths of a data set, metres.
        deviation: their standard deviation.
        weights: of the losses of the depth and of its uncertainty.
    """

    channels = 2

    def __init__(self, *, mean: float, deviation: float, weights: tuple[float, float] = (5.0, 0.1)) -> None:
        self._mean, self._scale, self._weights = math.log(mean), deviation / mean, weights

    def decode(self, values: Tensor, heights: Tensor) -> tuple[Tensor, Tensor]:
        """Return depths, and how probable it is that each is right to a metre."""
        logarithms, uncertainties = self._estimates(values)
        depths = logarithms.clamp(math.log(NEAREST), math.log(FARTHEST)).exp()
        return depths, 1 - (-1 / (uncertainties * depths)).exp()

    def losses(self, values: Tensor, heights: Tensor, truth: DepthTruth) -> dict[str, Tensor]:
        """Return ``depth`` and ``uncertainty``, (N,) each."""
        logarithms, uncertainties = self._estimates(values)
        errors = (logarithms - truth.depths.log()).abs()
        depth, uncertainty = self._weights
        return {"depth": depth * errors, "uncertainty": uncertainty * (errors.detach() / uncertainties + uncertainties.log())}

    def _estimates(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return logarithms of depths and uncertainties, shares of them, (...,) each."""
        values = values.float()
        # a tenth to begin with
        uncertainties = 0.1 * values[..., 1].clamp(-LARGEST_LOG, LARGEST_LOG).exp()
        return values[..., 0] * self._scale + self._mean, uncertainties


class DepthEnsemble:
    """Four depths, weighted by how sure each is: a direct one, and three from how long upright lines of the box are in the image.

    Source: MonoFlex, https://arxiv.org/abs/2104.02323, section 3.4. Of a box with the height H an upright line of h pixels is
    ``focal`` * H / h metres away. Each depth has the logarithm of an uncertainty, which is learned with it.

    Args:
        focal: that of views, pixels.
        stride: pixels of a cell.
        weights: of the losses of the direct depth, of the keypoints and of the depths from these.
    """

    channels = 2 + 2 * KEYPOINTS + len(GROUPS)

    def __init__(self, *, focal: float, stride: int, weights: tuple[float, float, float] = (1.0, 1.0, 0.2)) -> None:
        self._focal, self._stride, self._weights = focal, stride, weights

    def decode(self, values: Tensor, heights: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted depths, and 1 minus their uncertainties in metres, at least 0."""
        depths, uncertainties = self._estimates(values, heights)
        shares = uncertainties.reciprocal()
        shares = shares / shares.sum(-1, keepdim=True)
        sure = 1 - (shares * uncertainties).sum(-1).clamp(0.01, 1.0)
        return (shares * depths).sum(-1), sure

    def losses(self, values: Tensor, heights: Tensor, truth: DepthTruth) -> dict[str, Tensor]:
        """Return ``depth``, ``keypoints`` and ``keypoint_depths``, (N,) each.

        A depth whose keypoints are not all in the image teaches its uncertainty alone, so that it gets little weight.
        """
        depths, uncertainties = self._estimates(values, heights)
        errors = (depths - truth.depths[:, None]).abs()
        lines = truth.visible[:, EDGES].all(-1)
        seen = torch.stack([torch.ones_like(lines[:, 0]), *(lines[:, group].all(-1) for group in GROUPS)], dim=1)
        likely = torch.where(seen, errors, errors.detach()) / uncertainties + uncertainties.log()
        found = truth.cells[:, None] + self._keypoints(values)
        misplaced = (found - truth.keypoints).abs().sum(-1) * truth.visible
        direct, keypoints, keypoint_depths = self._weights
        return {
            "depth": direct * likely[:, 0],
            "keypoints": keypoints * misplaced.sum(1) / truth.visible.sum(1).clamp(min=1),
            "keypoint_depths": keypoint_depths * likely[:, 1:].sum(1),
        }

    def _estimates(self, values: Tensor, heights: Tensor) -> tuple[Tensor, Tensor]:
        """Return depths and uncertainties (..., 4), metres."""
        values = values.float()
        # 1 / sigmoid - 1, as published
        direct = values[..., :1].neg().clamp(max=LARGEST_LOG).exp()
        points = self._keypoints(values)
        lower, upper = (points[..., [edge[end] for edge in EDGES], :] for end in range(2))
        lengths = torch.linalg.vector_norm(lower - upper, dim=-1) * self._stride
        lines = self._focal * heights[..., None] / lengths.clamp(min=self._focal / FARTHEST / 4)
        means = [lines[..., group].mean(-1, keepdim=True) for group in GROUPS]
        depths = torch.cat([direct, *means], dim=-1).clamp(NEAREST, FARTHEST)
        logarithms = torch.cat([values[..., 1:2], values[..., -len(GROUPS) :]], dim=-1)
        return depths, logarithms.clamp(-LARGEST_LOG, LARGEST_LOG).exp()

    def _keypoints(self, values: Tensor) -> Tensor:
        """Return (..., 10, 2), how many cells each keypoint is away from the cell that says it."""
        return values[..., 2 : 2 + 2 * KEYPOINTS].float().reshape(*values.shape[:-1], KEYPOINTS, 2)
