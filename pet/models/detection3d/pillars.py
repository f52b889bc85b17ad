"""Points become a map from above: each column of space, a pillar, gets the greatest features of its points.

Source: Lang et al., PointPillars, 2019 (https://arxiv.org/abs/1812.05784). Points are neither counted out nor chosen: every one takes part,
so nothing is drawn at random and the result depends on no order.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

EPSILON = 1e-3
"""Of batch norm, as published. Its momentum is PyTorch's 0.1, not the published 0.01, which after some hundred steps, enough for
small data, has not yet forgotten the statistics of an untrained network."""


class Grid(NamedTuple):
    """The part of space that is looked at, frame ``lidar``.

    Attributes:
        low: least x, y, z, metres.
        high: greatest x, y, z.
        pillar: edge of a pillar on the ground, metres.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    pillar: float

    @property
    def size(self) -> tuple[int, int]:
        """Rows along y, from the right to the left, and columns along x of the map."""
        return round((self.high[1] - self.low[1]) / self.pillar), round((self.high[0] - self.low[0]) / self.pillar)


class PillarEncoder(nn.Module):
    """Points to a map: a linear layer on each point and what it is relative to its pillar, and the maximum over the pillar.

    A point has its own numbers, its offset from the mean of the points of its pillar (3) and from the centre of the pillar (3).

    Args:
        grid: the part of space.
        channels: numbers of a point.
        width: channels of the map.
    """

    def __init__(self, grid: Grid, *, channels: int = 4, width: int = 64) -> None:
        super().__init__()
        self.grid = grid
        self.width = width
        self.layer = nn.Linear(channels + 6, width, bias=False)
        self.norm = nn.BatchNorm1d(width, eps=EPSILON)

    def forward(self, points: Tensor, frames: Tensor, count: int) -> Tensor:
        """Return the maps, float (count, width, rows, columns).

        Args:
            points: float (P, channels) of all frames; those outside of the grid do not count.
            frames: int64 (P,), the frame of each.
            count: frames of the batch.
        """
        grid, (rows, columns) = self.grid, self.grid.size
        low, high = points.new_tensor(grid.low), points.new_tensor(grid.high)
        inside = ((points[:, :3] >= low) & (points[:, :3] < high)).all(dim=1)
        # a place behind the last pillar takes what lies outside, so that shapes do not depend on values
        places = ((points[:, :2] - low[:2]) / grid.pillar).long()
        places = torch.minimum(places.clamp(min=0), torch.tensor([columns - 1, rows - 1], device=points.device))
        cells = count * rows * columns
        flat = torch.where(inside, (frames * rows + places[:, 1]) * columns + places[:, 0], cells)
        weights = inside.to(points.dtype)
        sums = points.new_zeros(cells + 1, 4).index_add(0, flat, torch.cat([points[:, :3], weights[:, None]], dim=1))
        found = sums[flat]
        means = found[:, :3] / found[:, 3:].clamp(min=1)
        centres = torch.cat([(places + 0.5) * grid.pillar + low[:2], ((low[2:] + high[2:]) / 2).expand(points.shape[0], 1)], dim=1)
        described = torch.cat([points, points[:, :3] - means, points[:, :3] - centres], dim=1)
        if self.training:
            # statistics of points outside would shift the others'
            described, flat = described[inside], flat[inside]
        features = self.norm(self.layer(described)).relu()
        # the features are not negative, so an empty pillar is a 0 among the others
        index = flat[:, None].expand(-1, self.width)
        pillars = features.new_zeros(cells + 1, self.width).scatter_reduce(0, index, features, "amax")
        maps: Tensor = pillars[:cells].view(count, rows, columns, self.width).permute(0, 3, 1, 2)
        return maps


class MapBackbone(nn.Module):
    """Blocks of convolutions whose maps are brought to one size and joined.

    Args:
        in_channels: of the map.
        layers: convolutions of each block in addition to its first one.
        strides: of the first convolution of each block.
        channels: of each block.
        up_channels: that each block gives to the joined map.

    Attributes:
        out_channels: of the joined map.
        stride: of the joined map, that of the first block.
    """

    def __init__(
        self, *, in_channels: int, layers: Sequence[int], strides: Sequence[int], channels: Sequence[int], up_channels: int
    ) -> None:
        super().__init__()
        self.blocks, self.ups = nn.ModuleList(), nn.ModuleList()
        up = 1
        for place, (count, stride, width) in enumerate(zip(layers, strides, channels, strict=True)):
            up = 1 if place == 0 else up * stride
            first = [nn.Conv2d(in_channels, width, 3, stride, 1, bias=False), *_normed(width)]
            others = [module for _ in range(count) for module in (nn.Conv2d(width, width, 3, 1, 1, bias=False), *_normed(width))]
            self.blocks.append(nn.Sequential(*first, *others))
            self.ups.append(nn.Sequential(nn.ConvTranspose2d(width, up_channels, up, up, bias=False), *_normed(up_channels)))
            in_channels = width
        self.out_channels = up_channels * len(self.blocks)
        self.stride = strides[0]

    def forward(self, maps: Tensor) -> Tensor:
        """Return the joined map (B, out_channels, rows / stride, columns / stride)."""
        joined = []
        for block, up in zip(self.blocks, self.ups, strict=True):
            maps = block(maps)
            joined.append(up(maps))
        return torch.cat(joined, dim=1)


def _normed(width: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm2d(width, eps=EPSILON), nn.ReLU(inplace=True)
