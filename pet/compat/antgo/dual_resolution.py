"""A fast backbone for segmentation with two resolutions that exchange what they find."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pet.compat.antgo.framework.helper.runner.base_module import BaseModule
from pet.compat.antgo.small_network import conv_block


class DDRKetNetF(BaseModule):
    """The backbone that antgo's sample config names, after DDRNet (https://arxiv.org/abs/2101.06085); weights of antgo do not fit.

    A branch at an eighth of the size keeps places, another one goes down to a 32nd and sees far; twice each is added to the other, and
    in the end the far one, pooled at three scales, to the near one.

    Args:
        in_channels: channels of the images.
        channels: channels of the features.
        init_cfg: see :class:`~pet.compat.antgo.framework.helper.runner.BaseModule`.
    """

    def __init__(self, in_channels: int = 3, channels: int = 32, init_cfg: Mapping[str, Any] | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        self.stem = nn.Sequential(
            *conv_block(in_channels, channels // 2, stride=2),
            *conv_block(channels // 2, channels, stride=2),
            *conv_block(channels, channels, stride=2),
        )
        self.fusions = nn.ModuleList([Fusion(channels, channels, steps=1), Fusion(channels, 2 * channels, steps=2)])
        self.context = PooledContext(4 * channels, channels)

    def forward(self, image: Tensor) -> Tensor:
        """Return features (B, channels, ceil(H / 8), ceil(W / 8)) of images, float (B, in_channels, H, W)."""
        near = self.stem(image)
        far = near
        for fusion in self.fusions:
            near, far = fusion(near, far)
        features: Tensor = near + F.interpolate(self.context(far), size=near.shape[2:], mode="bilinear", align_corners=False)
        return features


class Fusion(nn.Module):
    """Both branches one stage further, each with what the other one found.

    Args:
        near: channels of the branch of high resolution.
        far: channels that the other branch comes with; it leaves with twice as many at half the size.
        steps: how often the near branch is halved until it has the size of the far one.
    """

    def __init__(self, near: int, far: int, *, steps: int) -> None:
        super().__init__()
        self.near = nn.Sequential(*conv_block(near, near), *conv_block(near, near))
        self.far = nn.Sequential(*conv_block(far, 2 * far, stride=2), *conv_block(2 * far, 2 * far))
        self.up = nn.Sequential(nn.Conv2d(2 * far, near, 1, bias=False), nn.BatchNorm2d(near))
        widths = [near, *[2 * far] * steps]
        self.down = nn.Sequential(*[layer for a, b in zip(widths, widths[1:], strict=False) for layer in conv_block(a, b, stride=2)])

    def forward(self, near: Tensor, far: Tensor) -> tuple[Tensor, Tensor]:
        """Return both branches, (B, near, h, w) and (B, 2 * far, h', w')."""
        near, far = near + self.near(near), self.far(far)
        fused = near + F.interpolate(self.up(far), size=near.shape[2:], mode="bilinear", align_corners=False)
        return torch.relu(fused), torch.relu(far + self.down(near))


class PooledContext(nn.Module):
    """Features next to their means over a half, a quarter and all of the image.

    Args:
        channels: of the features.
        out_channels: of the result.
    """

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.reduce = nn.ModuleList([nn.Conv2d(channels, out_channels, 1) for _ in range(4)])
        self.join = nn.Conv2d(4 * out_channels, out_channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, out_channels, h, w)."""
        size = features.shape[2:]
        pooled = [features, *(F.adaptive_avg_pool2d(features, cells) for cells in (4, 2, 1))]
        parts = [F.interpolate(reduce(part), size=size, mode="nearest") for reduce, part in zip(self.reduce, pooled, strict=True)]
        joined: Tensor = self.join(torch.cat(parts, dim=1))
        return joined
