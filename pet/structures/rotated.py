"""Overlap of rotated rectangles and of upright boxes, and their suppression. Written for tensors on any device; float64 inside."""

import torch
from torch import Tensor

FLAT = 1e-7
"""Edges whose rise is smaller count as level, in units of the rectangle's."""


def overlap_areas(first: Tensor, second: Tensor) -> Tensor:
    """Return the common areas, float64 (P,), of pairs of rectangles, (P, 5) each: x, y, length, width, counter-clockwise angle.

    In the frame of the second one, an axis-parallel rectangle, Green's theorem gives the area as a sum over the edges of the first one:
    the integral of y, limited to the rectangle's height, over the part of x that lies within its length. No polygon is cut, so
    touching, equal and empty rectangles are ordinary cases.
    """
    first, second = first.double(), second.double()
    corners = _corners_seen_from(first, second)
    half_length, half_width = second[:, None, 2] / 2, second[:, None, 3] / 2
    start, end = corners, corners.roll(-1, dims=1)
    run, rise = end[..., 0] - start[..., 0], end[..., 1] - start[..., 1]
    left, right = start[..., 0].clamp(-half_length, half_length), end[..., 0].clamp(-half_length, half_length)
    level_run = torch.where(run == 0, torch.ones_like(run), run)
    low = start[..., 1] + (left - start[..., 0]) / level_run * rise
    high = start[..., 1] + (right - start[..., 0]) / level_run * rise
    # counter-clockwise corners: edges on top run backwards
    areas: Tensor = -((right - left) * _mean_limited(low, high, half_width)).sum(dim=1)
    return areas.clamp(min=0)


def _corners_seen_from(first: Tensor, second: Tensor) -> Tensor:
    """Return the corners (P, 4, 2) of ``first`` in the frame of ``second``, counter-clockwise."""
    signs = first.new_tensor([[1, 1], [-1, 1], [-1, -1], [1, -1]]) / 2
    own = signs * first[:, None, 2:4]
    offset = _turn((first[:, :2] - second[:, :2])[:, None], -second[:, None, 4])
    return _turn(own, (first[:, 4] - second[:, 4])[:, None]) + offset


def _turn(points: Tensor, angles: Tensor) -> Tensor:
    cosine, sine = angles.cos(), angles.sin()
    return torch.stack([points[..., 0] * cosine - points[..., 1] * sine, points[..., 0] * sine + points[..., 1] * cosine], dim=-1)


def _mean_limited(low: Tensor, high: Tensor, limit: Tensor) -> Tensor:
    """Return the mean of y, limited to [-limit, limit], while it goes evenly from ``low`` to ``high``."""
    rise = high - low
    level = rise.abs() <= FLAT * limit
    mean = (_integral(high, limit) - _integral(low, limit)) / torch.where(level, torch.ones_like(rise), rise)
    return torch.where(level, ((low + high) / 2).clamp(-limit, limit), mean)


def _integral(y: Tensor, limit: Tensor) -> Tensor:
    """Return the integral of clamp(t, -limit, limit) over t from 0 to y."""
    inside = y.clamp(-limit, limit)
    return inside * inside / 2 + (y.abs() - inside.abs()) * limit


def iou_of_pairs(first: Tensor, second: Tensor) -> Tensor:
    """Return intersection over union, float64 (P,), of pairs of rectangles (P, 5) as in :func:`overlap_areas`."""
    areas = overlap_areas(first, second)
    return areas / (first[:, 2:4].double().prod(1) + second[:, 2:4].double().prod(1) - areas).clamp(min=1e-12)


def iou_3d_of_pairs(first: Tensor, first_extents: Tensor, second: Tensor, second_extents: Tensor) -> Tensor:
    """Return intersection over union of volumes, float64 (P,).

    Args:
        first: footprints (P, 5), as :attr:`pet.structures.boxes3d.Boxes3D.footprints`.
        first_extents: (P, 2), lower and upper end on the vertical axis.
        second: likewise.
        second_extents: likewise.
    """
    one, two = first_extents.double(), second_extents.double()
    common = (torch.minimum(one[:, 1], two[:, 1]) - torch.maximum(one[:, 0], two[:, 0])).clamp(min=0)
    common = common * overlap_areas(first, second)
    volumes = first[:, 2:4].double().prod(1) * (one[:, 1] - one[:, 0]) + second[:, 2:4].double().prod(1) * (two[:, 1] - two[:, 0])
    return common / (volumes - common).clamp(min=1e-12)


def near_pairs(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return the places of the pairs of footprints, (N, 5) and (M, 5), whose circles around touch; all others share nothing."""
    reach = torch.linalg.vector_norm(first[:, None, 2:4], dim=2) / 2 + torch.linalg.vector_norm(second[None, :, 2:4], dim=2) / 2
    distance = torch.linalg.vector_norm(first[:, None, :2] - second[None, :, :2], dim=2)
    one, two = torch.nonzero(distance <= reach, as_tuple=True)
    return one, two


def rotated_iou(first: Tensor, second: Tensor) -> Tensor:
    """Return intersection over union, float64 (N, M), of rectangles (N, 5) and (M, 5)."""
    iou = first.new_zeros((len(first), len(second)), dtype=torch.float64)
    one, two = near_pairs(first, second)
    iou[one, two] = iou_of_pairs(first[one], second[two])
    return iou


def rotated_nms(footprints: Tensor, scores: Tensor, *, threshold: float) -> Tensor:
    """Return the places of rectangles (N, 5) that stay, best first: none overlaps a better one by more than ``threshold`` of the union."""
    order = scores.argsort(descending=True, stable=True)
    overlaps = (rotated_iou(footprints[order], footprints[order]) > threshold).cpu()
    suppressed = torch.zeros(len(order), dtype=torch.bool)
    kept = []
    for place in range(len(order)):
        if not suppressed[place]:
            kept.append(place)
            suppressed |= overlaps[place]
    return order[torch.tensor(kept, dtype=torch.int64, device=order.device)]
