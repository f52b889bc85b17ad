"""Predictions over the area of a box become pixels of the image."""

import torch
import torch.nn.functional as F
from torch import Tensor


def paste_masks(masks: Tensor, boxes: Tensor, size: tuple[int, int], threshold: float = 0.5) -> Tensor:
    """Return the masks of objects in their image.

    Source: He et al., Mask R-CNN, 2017 (https://arxiv.org/abs/1703.06870).

    Args:
        masks: float (N, M, M), probabilities over the area of each box.
        boxes: float (N, 4), XYXY in pixels of the image; pixel i covers [i, i + 1).
        size: (height, width) of the image.
        threshold: probability from which a pixel belongs to the object.

    Returns:
        bool (N, height, width).
    """
    result = torch.zeros((len(masks), *size), dtype=torch.bool, device=masks.device)
    for index, box in enumerate(boxes.tolist()):
        window = _window(box, size)
        if window is not None:
            left, top, right, bottom = window
            result[index, top:bottom, left:right] = _sample(masks[index][None], box, window)[0] >= threshold
    return result


def paste_parts(parsing: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the part labels of objects in their image: the greatest part at each pixel of the box, 0 (background) outside.

    Args:
        parsing: float (N, P, M, M), probabilities or logits of the parts over the area of each box.
        boxes: float (N, 4), XYXY in pixels of the image.
        size: (height, width) of the image.

    Returns:
        uint8 (N, height, width).
    """
    result = torch.zeros((len(parsing), *size), dtype=torch.uint8, device=parsing.device)
    for index, box in enumerate(boxes.tolist()):
        window = _window(box, size)
        if window is not None:
            left, top, right, bottom = window
            result[index, top:bottom, left:right] = _sample(parsing[index], box, window).max(dim=0).indices.to(torch.uint8)
    return result


def paste_nearest(maps: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Return maps of numbers that cannot be mixed in their image: each pixel takes those of the place its centre falls into, 0 outside.

    Args:
        maps: float (N, C, M, M) over the area of each box, whole numbers from 0 to 255.
        boxes: float (N, 4), XYXY in pixels of the image.
        size: (height, width) of the image.

    Returns:
        uint8 (N, C, height, width).
    """
    result = torch.zeros((*maps.shape[:2], *size), dtype=torch.uint8, device=maps.device)
    for index, box in enumerate(boxes.tolist()):
        window = _window(box, size)
        if window is not None:
            left, top, right, bottom = window
            result[index, :, top:bottom, left:right] = _sample(maps[index], box, window, mode="nearest").to(torch.uint8)
    return result


def _window(box: list[float], size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """Return left, top, right and bottom of the pixels whose centres lie in a box; None: there are none."""
    left, top = max(_first_centre(box[0]), 0), max(_first_centre(box[1]), 0)
    right, bottom = min(_first_centre(box[2]), size[1]), min(_first_centre(box[3]), size[0])
    return (left, top, right, bottom) if right > left and bottom > top else None


def _first_centre(coordinate: float) -> int:
    """Return the first pixel whose centre lies at or behind a coordinate."""
    return -int((0.5 - coordinate) // 1)


def _sample(maps: Tensor, box: list[float], window: tuple[int, int, int, int], mode: str = "bilinear") -> Tensor:
    """Return (C, h, w): ``maps`` (C, M, M), stretched over the box, at the centres of the pixels of a window."""
    left, top, right, bottom = window
    x = torch.arange(left, right, device=maps.device, dtype=torch.float32) + 0.5
    y = torch.arange(top, bottom, device=maps.device, dtype=torch.float32) + 0.5
    x = (x - box[0]) / (box[2] - box[0]) * 2 - 1
    y = (y - box[1]) / (box[3] - box[1]) * 2 - 1
    grid = torch.stack([x.expand(len(y), -1), y[:, None].expand(-1, len(x))], dim=-1)
    # between the outermost centres and the edge of the box there is nothing to mix with
    return F.grid_sample(maps[None].float(), grid[None], mode=mode, padding_mode="border", align_corners=False)[0]
