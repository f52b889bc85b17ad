"""Losses of surfaces, of DensePose R-CNN (https://arxiv.org/abs/1802.00434): what is annotated are some points of each object."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import roi_align

UNKNOWN = 255
"""All pixels of the mask of an object whose mask is not known."""


class RegionPoints(NamedTuple):
    """The K points of objects that lie in regions.

    Attributes:
        region: int64 (K,), the region of each.
        place: float (K, 2), x and y from 0 to 1 over the region.
        part: int64 (K,), from 1.
        uv: float (K, 2).
    """

    region: Tensor
    place: Tensor
    part: Tensor
    uv: Tensor


def points_in_regions(boxes: Tensor, points: Tensor) -> RegionPoints:
    """Return the points that lie in the region of their object; others are dropped.

    Args:
        boxes: float (R, 4), XYXY.
        points: float (R, Q, F) of each region's object: x, y, part (0: none), u, v, ..., in the frame of the boxes.
    """
    corner, edges = boxes[:, None, :2], (boxes[:, None, 2:] - boxes[:, None, :2]).clamp(min=1e-6)
    places = (points[..., :2] - corner) / edges
    region, slot = ((points[..., 2] > 0) & (places >= 0).all(dim=-1) & (places <= 1).all(dim=-1)).nonzero(as_tuple=True)
    chosen = points[region, slot]
    return RegionPoints(region, places[region, slot], chosen[:, 2].long(), chosen[:, 3:5])


def read_maps(maps: Tensor, points: RegionPoints) -> Tensor:
    """Return maps (R, C, M, M) at points, float (K, C), by bilinear interpolation between the centres of their cells."""
    cells = maps.shape[-1]
    places = (points.place * cells - 0.5).clamp(0, cells - 1)
    low = places.floor().long().clamp(max=max(cells - 2, 0))
    high, share = (low + 1).clamp(max=cells - 1), (places - low)[..., None]
    (left, top), (right, bottom) = low.unbind(1), high.unbind(1)
    across, down = share[:, 0], share[:, 1]
    values = maps.permute(0, 2, 3, 1)
    upper = values[points.region, top, left] * (1 - across) + values[points.region, top, right] * across
    lower = values[points.region, bottom, left] * (1 - across) + values[points.region, bottom, right] * across
    return upper * (1 - down) + lower * down


def surface_part_loss(logits: Tensor, points: RegionPoints) -> Tensor:
    """Return the mean cross entropy of the parts of points; 0, with gradients of 0, where there is none.

    Args:
        logits: float (R, P + 1, M, M), the background first.
        points: of the regions.
    """
    loss = functional.cross_entropy(read_maps(logits, points), points.part, reduction="sum")
    return (loss + logits.sum() * 0) / max(len(points.part), 1)


def surface_uv_loss(uv: Tensor, points: RegionPoints, *, images: int) -> Tensor:
    """Return the smooth L1 loss of u and v in the channel of the true part, summed over the points, for each image.

    Args:
        uv: float (R, 2, P + 1, M, M).
        points: of the regions.
        images: of the batch.
    """
    read = read_maps(uv.flatten(1, 2), points).reshape(-1, *uv.shape[1:3])
    chosen = read.gather(2, points.part[:, None, None].expand(-1, 2, 1))[..., 0]
    return (functional.smooth_l1_loss(chosen, points.uv.to(chosen), reduction="sum") + uv.sum() * 0) / images


def surface_mask_loss(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Return the mean cross entropy of object and background over the regions whose mask is known; 0 where there is none.

    Args:
        logits: float (R, 2, M, M), the background first.
        target: float (R, M, M), share of the object in each cell.
        known: bool (R,).
    """
    losses = functional.cross_entropy(logits, (target >= 0.5).long(), reduction="none").mean(dim=(1, 2))
    return (losses * known).sum() / known.sum().clamp(min=1)


def crop_masks(masks: Tensor, boxes: Tensor, matched: Tensor, *, size: int) -> tuple[Tensor, Tensor]:
    """Return the mask of each region's object over the region, float (R, size, size), and bool (R,): whether it is known.

    Args:
        masks: uint8 (N, H, W) of an image, all 255 where a mask is not known.
        boxes: float (R, 4), XYXY.
        matched: int64 (R,), the object of each region.
        size: cells along each edge.
    """
    if not len(boxes):
        return boxes.new_zeros((0, size, size)), matched.new_zeros(0, dtype=torch.bool)
    # of a mask that is not known all pixels are 255, so that one of them says it
    known = masks[matched, 0, 0] != UNKNOWN
    regions = torch.cat([matched[:, None].to(boxes), boxes], dim=1)
    return roi_align(masks[:, None].to(boxes), regions, (size, size), 1.0, 1, aligned=True)[:, 0], known
