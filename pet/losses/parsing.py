"""Targets, losses and quality of the part maps of regions."""

import torch
from torch import Tensor

from pet.losses.classification import cross_entropy

IGNORED_PART = 255


def crop_part_labels(parsing: Tensor, instances: Tensor, *, boxes: Tensor, instance_ids: Tensor, size: int) -> Tensor:
    """Return the part labels of the object of each region, cropped to the region and resized to one size.

    A pixel of the result takes the label of the pixel of the image that its centre falls into. Pixels of other objects become
    background, those that are ignored in the image stay ignored.

    Args:
        parsing: uint8 (H, W), part labels of an image, 0 background, 255 ignored.
        instances: integers (H, W), the number of the object at each pixel, 0 for none.
        boxes: float (R, 4), XYXY, in pixels of the image; what lies outside of it repeats its edge.
        instance_ids: int64 (R,), the number in ``instances`` of each region's object; 0: an object without parts, all ignored.
        size: height and width M of the result.

    Returns:
        int64 (R, M, M).
    """
    height, width = parsing.shape
    rows = _nearest(boxes[:, 1], boxes[:, 3], size, height)[:, :, None]
    columns = _nearest(boxes[:, 0], boxes[:, 2], size, width)[:, None, :]
    parts = parsing[rows, columns].long()
    # uint16, as samples hold it, cannot be indexed on every device
    owner = instances.int()[rows, columns]
    ids = instance_ids[:, None, None]
    own = torch.where(owner == ids, parts, 0)
    return torch.where((parts == IGNORED_PART) | (ids == 0), IGNORED_PART, own)


def _nearest(low: Tensor, high: Tensor, size: int, limit: int) -> Tensor:
    centres = (torch.arange(size, device=low.device, dtype=low.dtype) + 0.5) / size
    return (low[:, None] + (high - low)[:, None] * centres).floor().long().clamp(0, limit - 1)


def part_map_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return the mean cross entropy over the pixels that are not ignored; 0, with gradients of 0, where there is none.

    Args:
        logits: float (R, P, M, M).
        target: int64 (R, M, M), part labels from 0 to P - 1, 255 ignored.
    """
    return cross_entropy(logits, target, ignore_index=IGNORED_PART)


@torch.no_grad()
def part_map_iou(predicted: Tensor, target: Tensor, *, num_parts: int) -> Tensor:
    """Return how well each part map fits, float32 (R,) from 0 to 1.

    It is the intersection over union of each label, the background too, meaned over the labels that the map or the target has.
    Ignored pixels do not count; without any other the result is 0.

    Args:
        predicted: int64 (R, M, M), from 0 to num_parts - 1.
        target: int64 (R, M, M), the same or 255.
        num_parts: P.
    """
    counted = (target != IGNORED_PART).flatten(1).float()
    predicted = predicted.flatten(1)
    target = torch.where(target == IGNORED_PART, 0, target).flatten(1)

    def count(labels: Tensor, weights: Tensor) -> Tensor:
        return weights.new_zeros(len(labels), num_parts).scatter_add_(1, labels, weights)

    common = count(target, counted * (predicted == target))
    union = count(target, counted) + count(predicted, counted) - common
    return (common / union.clamp(min=1)).sum(dim=1) / (union > 0).sum(dim=1).clamp(min=1)


def part_iou_loss(estimate: Tensor, logits: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared error of the estimated quality of part maps (https://arxiv.org/abs/1903.00241).

    It goes over the regions with a pixel that is not ignored; 0, with gradients of 0, where there is none.

    Args:
        estimate: float (R,).
        logits: float (R, P, M, M), the part maps; they get no gradient from here.
        target: int64 (R, M, M), part labels, 255 ignored.
    """
    iou = part_map_iou(logits.max(dim=1).indices, target, num_parts=logits.shape[1])
    counted = (target != IGNORED_PART).flatten(1).any(dim=1)
    return (counted * (estimate.float() - iou) ** 2).sum() / counted.sum().clamp(min=1)
