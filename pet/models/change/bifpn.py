"""The bidirectional feature pyramid of EfficientDet."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pet.models.segmentation.network import conv_norm

EPSILON = 1e-4


class FastFusion(nn.Module):
    """The sum of maps with learned weights that are not negative and add up to (nearly) one.

    Source: "fast normalized fusion", https://arxiv.org/abs/1911.09070, section 3.3.

    Args:
        count: maps that are fused.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.ones(count))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return the weighted sum of ``count`` maps (B, C, h, w) of one shape."""
        weights = functional.relu(self.weights)
        shares = weights / (weights.sum() + EPSILON)
        return torch.stack([one * share for one, share in zip(maps, shares, strict=True)]).sum(dim=0)


class FusionNode(nn.Module):
    """Maps of one shape become one: fast fusion, swish, a separable 3x3 convolution, batch norm.

    Args:
        count: maps that are fused.
        width: channels of each.
    """

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.fusion = FastFusion(count)
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.pointwise = conv_norm(width, width, 1, activation=False)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return (B, width, h, w)."""
        fused: Tensor = self.pointwise(self.depthwise(functional.silu(self.fusion(maps))))
        return fused


class BiFpnLayer(nn.Module):
    """Once down from coarse to fine, and once up again with the map that came in as a third input.

    Args:
        levels: number of maps, 2 or more.
        width: channels of each.
    """

    def __init__(self, levels: int, width: int) -> None:
        super().__init__()
        assert levels >= 2, f"a pyramid of {levels} level has nothing to fuse"
        self.down = nn.ModuleList(FusionNode(2, width) for _ in range(levels - 1))
        self.up = nn.ModuleList(FusionNode(3 if level < levels - 1 else 2, width) for level in range(1, levels))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return as many maps of the same shapes, both from fine to coarse."""
        between = [maps[-1]]
        for level in reversed(range(len(maps) - 1)):
            coarser = functional.interpolate(between[0], size=maps[level].shape[-2:], mode="nearest")
            between.insert(0, self.down[level]([maps[level], coarser]))
        fused = [between[0]]
        for level in range(1, len(maps)):
            finer = _shrink(fused[-1], maps[level])
            inputs = [maps[level], between[level], finer] if level < len(maps) - 1 else [maps[level], finer]
            fused.append(self.up[level - 1](inputs))
        return fused


class BiFpn(nn.Module):
    """A bidirectional feature pyramid (https://arxiv.org/abs/1911.09070) over the stages of a backbone.

    Attributes:
        width: channels of every map.

    Args:
        stage_channels: channels of the stages, from fine to coarse.
        width: channels of every map.
        repeats: layers, each from coarse to fine and back.
    """

    def __init__(self, stage_channels: Sequence[int], *, width: int, repeats: int) -> None:
        super().__init__()
        self.width = width
        self.lateral = nn.ModuleList(conv_norm(channels, width, 1, activation=False) for channels in stage_channels)
        self.layers = nn.ModuleList(BiFpnLayer(len(stage_channels), width) for _ in range(repeats))

    def forward(self, stages: Sequence[Tensor]) -> list[Tensor]:
        """Return a map (B, width, h, w) for each stage (B, C, h, w), both from fine to coarse."""
        maps = [lateral(stage) for lateral, stage in zip(self.lateral, stages, strict=True)]
        for layer in self.layers:
            maps = layer(maps)
        return maps


def _shrink(maps: Tensor, like: Tensor) -> Tensor:
    """Return the maxima of ``maps`` over 3x3 windows two pixels apart, of half the size, which is that of ``like``."""
    smaller = functional.max_pool2d(maps, 3, stride=2, padding=1)
    assert smaller.shape[-2:] == like.shape[-2:], "each stage of a pyramid has half the size of the one before"
    return smaller
