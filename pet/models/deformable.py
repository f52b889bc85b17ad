"""Deformable convolutions, with torchvision's operator."""

import math

import torch
from torch import Tensor, nn
from torchvision.ops import deform_conv2d

EDGE = 3
POINTS = EDGE * EDGE


class DeformableConv(nn.Module):
    """A convolution of 3 x 3 that looks at places which it learns, and weighs each (https://arxiv.org/abs/1811.11168).

    It begins as a plain convolution of half the weights: all places are where they usually are. Offsets and weights of places come
    from ``conv_offset_mask``, in the order of the common builds of the operator, whose weights fit.

    Args:
        in_channels: of the maps.
        out_channels: of the result, which has the same height and width.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, EDGE, EDGE))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.conv_offset_mask = nn.Conv2d(in_channels, 3 * POINTS, EDGE, padding=EDGE // 2)
        bound = 1 / math.sqrt(in_channels * POINTS)
        nn.init.uniform_(self.weight, -bound, bound)
        for parameter in self.conv_offset_mask.parameters():
            nn.init.zeros_(parameter)

    def forward(self, maps: Tensor) -> Tensor:
        """Return (B, out_channels, h, w) for maps (B, in_channels, h, w)."""
        found = self.conv_offset_mask(maps)
        offsets, mask = found[:, : 2 * POINTS], found[:, 2 * POINTS :].sigmoid()
        result: Tensor = deform_conv2d(maps, offsets, self.weight, self.bias, padding=EDGE // 2, mask=mask)
        return result
