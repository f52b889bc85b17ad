"""Features of regions, masks and keypoints, without a branch or loop that depends on values."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import roi_align

from pet.models.detection.roi_heads import KeypointHead, MaskHead
from pet.models.detection.roi_pooling import RegionPooling
from pet.models.detection.roi_surface import SurfaceHead
from pet.models.features import Features

CUBIC = -0.75
"""The parameter of PyTorch's bicubic interpolation."""
AROUND = 2
"""Cells of a heatmap to each side of its greatest value between which the greatest interpolated one is looked for."""
FINER = 2
"""How much finer than a heatmap the grid is on which the greatest value is looked for first: between two cells there may be one."""


class TracedPooling(nn.Module):
    """What :class:`pet.models.detection.roi_pooling.RegionPooling` computes, for one image.

    Args:
        pooling: which maps are looked at, and how.
    """

    def __init__(self, pooling: RegionPooling) -> None:
        super().__init__()
        self.names = pooling.names
        self.align = pooling.align

    def forward(self, features: Features, boxes: list[Tensor]) -> Tensor:
        """Return float (R, C, size, size) for the regions (R, 4) of an image."""
        (of_image,) = boxes
        maps = [features.maps[name] for name in self.names]
        regions = functional.pad(of_image, (1, 0))
        result = maps[0].new_zeros((of_image.shape[0], maps[0].shape[1], *self.align.output_size))
        levels = self.align.map_levels([of_image])
        for level, (one, scale) in enumerate(zip(maps, self.align.scales, strict=True)):
            rows = torch.where(levels == level)[0]
            pooled = roi_align(one, regions[rows], list(self.align.output_size), scale, self.align.sampling_ratio)
            result = result.index_copy(0, rows, pooled)
        return result


def with_traced_pooling(network: nn.Module) -> nn.Module:
    """Return a copy of a network in which :class:`TracedPooling` replaces the pooling of regions."""
    network = copy.deepcopy(network)
    for parent in [*network.modules()]:
        for name, child in parent.named_children():
            if isinstance(child, RegionPooling):
                setattr(parent, name, TracedPooling(child))
    return network


def find_masks(head: MaskHead, features: Features, boxes: Tensor, labels: Tensor) -> Tensor:
    """Return float32 (N, M, M), the probability that a pixel of each box belongs to the object."""
    logits = head.predictor(head.head(head.pooling(features, [boxes]))).float()
    # the first channel is the background
    chosen = (labels + 1)[:, None, None, None].expand(-1, 1, logits.shape[2], logits.shape[3])
    return torch.gather(logits, 1, chosen)[:, 0].sigmoid()


def find_keypoints(head: KeypointHead, features: Features, boxes: Tensor, labels: Tensor) -> Tensor:  # noqa: ARG001 -- heads share one signature
    """Return float32 (N, K, 3): x, y in the frame of the boxes, and the logit at that place."""
    heatmaps = head.predictor(head.head(head.pooling(features, [boxes]))).float()
    # the padded size is known when the network is traced, and boxes are not larger
    return decode_heatmaps(heatmaps, boxes, (features.images.shape[2], features.images.shape[3]))


def find_surface(head: SurfaceHead, features: Features, boxes: Tensor, labels: Tensor) -> Tensor:  # noqa: ARG001 -- heads share one signature
    """Return uint8 (N, 3, M, M): the part at each place of each box, its u and its v in 255ths."""
    return head.decode_maps(head.maps(features, [boxes]))


def decode_heatmaps(heatmaps: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the places of the greatest values of heatmaps that are resized to their boxes.

    torchvision resizes every heatmap to the pixels of its box. Here it is resized to twice its own size at most, and around the greatest
    value of that to the pixels of the box, with the same bicubic weights. Where a heatmap has two places of nearly the same height,
    the other one can be found.

    Args:
        heatmaps: float32 (N, K, M, M).
        boxes: float32 (N, 4), XYXY.
        size: height and width of the image.

    Returns:
        Float32 (N, K, 3): x, y, value.
    """
    lengths = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1)
    pixels = lengths.ceil()
    columns, rows = pixels[:, :1], pixels[:, 1:]
    finest = FINER * heatmaps.shape[3]
    grid = torch.arange(finest, dtype=torch.float32).expand(boxes.shape[0], 1, finest)
    coarse_x, coarse_y, _ = _greatest(heatmaps, grid, grid, columns.clamp(max=finest), rows.clamp(max=finest))
    x_window = _window(coarse_x, columns, finest, size[1])
    y_window = _window(coarse_y, rows, finest, size[0])
    x, y, best = _greatest(heatmaps, x_window, y_window, columns, rows)
    scale = lengths / pixels
    return torch.stack([(x + 0.5) * scale[:, :1] + boxes[:, :1], (y + 0.5) * scale[:, 1:] + boxes[:, 1:2], best], dim=2)


def _greatest(heatmaps: Tensor, x: Tensor, y: Tensor, columns: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return place and value, (N, K) each, of the greatest value of resized heatmaps among some pixels.

    Args:
        heatmaps: (N, K, M, M).
        x: columns that are looked at, (N, K or 1, P); those beyond the last do not count.
        y: rows that are looked at, (N, K or 1, Q).
        columns: number of columns of each resized heatmap, (N, 1).
        rows: number of rows.
    """
    cells = heatmaps.shape[3]
    values = _weights(y, rows, cells) @ heatmaps @ _weights(x, columns, cells).transpose(2, 3)
    inside = (y < rows[..., None])[..., :, None] & (x < columns[..., None])[..., None, :]
    best, place = torch.where(inside, values, torch.full_like(values, -torch.inf)).flatten(2).max(dim=2)
    width = x.shape[2]
    shape = (heatmaps.shape[0], heatmaps.shape[1], -1)
    found_x = x.expand(shape).gather(2, (place % width)[..., None])[..., 0]
    return found_x, y.expand(shape).gather(2, (place // width)[..., None])[..., 0], best


def _window(coarse: Tensor, pixels: Tensor, finest: int, longest: int) -> Tensor:
    """Return the pixels along an axis that are looked at, float32 (N, K, P), ascending.

    Args:
        coarse: place of the greatest value (N, K), among ``finest`` or fewer.
        pixels: number of pixels (N, 1).
        finest: length of the axis when the place was found, at most.
        longest: length of the image.
    """
    count = 2 * AROUND * FINER * longest // finest + 3
    factor = pixels / pixels.clamp(max=finest)
    first = ((coarse + 0.5 - AROUND * FINER) * factor - 0.5).floor()
    first = torch.minimum(first, pixels - count).clamp(min=0)
    return first[..., None] + torch.arange(count)


def _weights(places: Tensor, pixels: Tensor, edge: int) -> Tensor:
    """Return how much of each cell of a heatmap each pixel takes, float32 (N, K, P, edge); K may be 1."""
    source = (places + 0.5) * edge / pixels[..., None] - 0.5
    base = source.floor()
    share = source - base
    cells = torch.arange(edge)
    taps = [_cubic_far(share + 1), _cubic_near(share), _cubic_near(1 - share), _cubic_far(2 - share)]
    total = torch.zeros_like(share)[..., None]
    for offset, tap in enumerate(taps):
        cell = (base + (offset - 1)).clamp(0, edge - 1)
        total = total + tap[..., None] * (cell[..., None] == cells)
    return total


def _cubic_near(x: Tensor) -> Tensor:
    """Return the weight at a distance up to 1."""
    return ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1


def _cubic_far(x: Tensor) -> Tensor:
    """Return the weight at a distance from 1 to 2."""
    return ((CUBIC * x - 5 * CUBIC) * x + 8 * CUBIC) * x - 4 * CUBIC
