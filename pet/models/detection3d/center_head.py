"""Boxes in space as peaks on a map from above.

Source: Yin et al., Center-based 3D Object Detection and Tracking, 2021 (https://arxiv.org/abs/2006.11275).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pet.losses.centers import START, center_focal_loss, center_l1_loss, mean_count
from pet.models.detection3d.boxes import Candidates
from pet.models.detection3d.pillars import Grid
from pet.structures.centers import Centers, draw_centers, find_peaks, gaussian_radius, locate_centers, values_at_peaks
from petlib.distributed.collectives import all_reduce_mean

NUMBERS = 10
"""Read at a centre: its offset in the cell (2), height of the box's centre, logarithms of its edges (3), sine and cosine of twice the yaw
(2) and of the yaw (2).

The last two, which alone are published, teach nothing while the front of a box cannot be distinguished from its back, as they are
opposite then. Twice the yaw is the same for both: it gives the line of the box, and the yaw only which end of it is ahead."""
MIN_OVERLAP, MIN_RADIUS = 0.1, 2.0
BOX_WEIGHT = 2.0 * NUMBERS
"""2 for each number, of whose errors the loss is the mean."""


class CenterTargets(NamedTuple):
    """What a batch teaches a :class:`CenterHead`.

    Attributes:
        heatmap: float32 (B, classes, h, w).
        centers: of the N boxes that lie in the grid.
        numbers: float32 (N, ``NUMBERS``).
    """

    heatmap: Tensor
    centers: Centers
    numbers: Tensor


class CenterHead(nn.Module):
    """A heatmap of centres for each class, and a box at each place.

    Args:
        in_channels: of the map.
        num_classes: C.
        grid: the part of space.
        stride: pillars of a cell of the map.
        most: boxes that are found in a frame.
        width: channels of the branches.
    """

    waits_for_others = True

    def __init__(self, *, in_channels: int, num_classes: int, grid: Grid, stride: int, most: int, width: int = 64) -> None:
        super().__init__()
        self.num_classes, self.grid, self.most = num_classes, grid, most
        self.cell = grid.pillar * stride
        self.heatmap = _branch(in_channels, width, num_classes)
        self.boxes = _branch(in_channels, width, NUMBERS)
        final = self.heatmap[-1]
        assert isinstance(final, nn.Conv2d) and final.bias is not None, "a branch ends with a convolution"
        nn.init.constant_(final.bias, math.log(START / (1 - START)))

    def losses(self, maps: Tensor, boxes: Sequence[Tensor], labels: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return the losses of maps (B, C, h, w) whose frames have boxes (n, 7), frame ``lidar``, of classes (n,)."""
        target = self.targets(boxes, labels, (maps.shape[2], maps.shape[3]))
        count = mean_count(target.centers)
        return {
            "loss_center": center_focal_loss(self.heatmap(maps), target.heatmap, count=count),
            "loss_box": BOX_WEIGHT * center_l1_loss(self.boxes(maps), target.centers, target.numbers, count=count),
        }

    def loss_counts(self, boxes: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
        """Return how many boxes of each frame the losses count over, float32 (B,), a mean over the processes."""
        return all_reduce_mean(torch.stack([self._inside(of_frame).sum() for of_frame in boxes]).float())

    def targets(self, boxes: Sequence[Tensor], labels: Sequence[Tensor], size: tuple[int, int]) -> CenterTargets:
        """Return what maps of a size (height, width) learn of the boxes whose centres lie in the grid."""
        low = boxes[0].new_tensor(self.grid.low[:2])
        kept = [self._inside(of_frame) for of_frame in boxes]
        boxes = [of_frame[inside] for of_frame, inside in zip(boxes, kept, strict=True)]
        labels = [of_frame[inside] for of_frame, inside in zip(labels, kept, strict=True)]
        centers = locate_centers([(of_frame[:, :2] - low) / self.cell for of_frame in boxes], size)
        radii = [gaussian_radius(of_frame[:, 3:5] / self.cell, min_overlap=MIN_OVERLAP).clamp(min=MIN_RADIUS) for of_frame in boxes]
        heatmaps = [
            draw_centers(centers.cells[centers.images == place], radius, of_frame, num_classes=self.num_classes, size=size)
            for place, (radius, of_frame) in enumerate(zip(radii, labels, strict=True))
        ]
        all_boxes = torch.cat(boxes)
        yaw = all_boxes[:, 6:]
        angles = torch.cat([2 * yaw, yaw], dim=1)
        turns = torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)
        numbers = torch.cat([centers.offsets, all_boxes[:, 2:3], all_boxes[:, 3:6].log(), turns], dim=1)
        return CenterTargets(torch.stack(heatmaps), centers, numbers)

    def detect(self, maps: Tensor) -> Candidates:
        """Return the boxes at the highest peaks."""
        peaks = find_peaks(self.heatmap(maps).float().sigmoid(), most=self.most)
        values = values_at_peaks(self.boxes(maps).float(), peaks)
        places = (peaks.cells + values[..., :2]) * self.cell + values.new_tensor(self.grid.low[:2])
        line = torch.atan2(values[..., 6:7], values[..., 7:8]) / 2
        along = torch.cat([line.sin(), line.cos()], dim=2)
        is_ahead = (along * values[..., 8:]).sum(dim=2, keepdim=True) >= 0
        along = torch.where(is_ahead, along, -along)
        yaw = torch.atan2(along[..., :1], along[..., 1:])
        boxes = torch.cat([places, values[..., 2:3], values[..., 3:6].clamp(-5, 5).exp(), yaw], dim=2)
        return Candidates(boxes, peaks.scores, peaks.labels)

    def _inside(self, boxes: Tensor) -> Tensor:
        low, high = boxes.new_tensor(self.grid.low[:2]), boxes.new_tensor(self.grid.high[:2])
        return ((boxes[:, :2] >= low) & (boxes[:, :2] < high)).all(dim=1)


def _branch(in_channels: int, width: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.Conv2d(width, out_channels, 1)
    )
