"""The neck of CenterNet and FairMOT: all stages of a backbone, joined step by step to one map of stride 4."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from pet.models.deformable import DeformableConv
from pet.models.feature_extractor import FeatureExtractor
from pet.typed import VisionConfig
from petlib.errors import ConfigError

FINEST = 4
"""Stride of the map."""


class DlaUp(nn.Module):
    """Iterative deep aggregation of the stages from a stride of 4 on (https://arxiv.org/abs/1707.06484, as in CenterNet).

    The stages are as wide as ``channels`` and twice as wide at each further one; those of a backbone that are not get a 1 x 1
    convolution first, which the DLA-34 and the ResNet-18 and 34 do without.

    Attributes:
        channels: of the map.
        strides: of it, 4.
        num_top: 0.

    Args:
        stage_channels: channels of the stages of strides 4, 8, ... that are joined, at least two.
        places: where they are among the stages of the backbone.
        channels: of the map.
        deformable: whether its convolutions look at places that they learn.
    """

    def __init__(self, *, stage_channels: Sequence[int], places: Sequence[int], channels: int, deformable: bool) -> None:
        super().__init__()
        self.places = tuple(places)
        self.channels = channels
        self.strides = (FINEST,)
        self.num_top = 0
        widths = [channels * 2**level for level in range(len(stage_channels))]
        pairs = zip(stage_channels, widths, strict=True)
        self.lateral = nn.ModuleList(nn.Identity() if own == width else _joint(own, width, None) for own, width in pairs)
        # from the coarsest stages down: each step makes all coarser maps as wide and fine as the next stage
        self.dla_up = nn.ModuleList()
        inputs = list(widths)
        for level in range(len(widths) - 2, -1, -1):
            factors = [1, *([2] * (len(widths) - level - 1))]
            self.dla_up.append(IterativeUp(inputs[level:], factors, channels=widths[level], deformable=deformable))
            inputs[level:] = [widths[level]] * (len(widths) - level)
        last = widths[: len(widths) - 1]
        self.ida_up = IterativeUp(last, [2**level for level in range(len(last))], channels=channels, deformable=deformable)

    def forward(self, stages: list[Tensor]) -> dict[str, Tensor]:
        """Return the map (B, channels, h, w) under the name ``"0"``."""
        maps = [lateral(stages[place]) for lateral, place in zip(self.lateral, self.places, strict=True)]
        finest = [maps[-1]]
        for step, up in enumerate(self.dla_up):
            first = len(maps) - 2 - step
            maps[first:] = up(maps[first:])
            finest.insert(0, maps[-1])
        return {"0": self.ida_up(finest[:-1])[-1]}


class IterativeUp(nn.Module):
    """Brings maps to the size and width of the finest one after the other, and adds each to the one before.

    Args:
        inputs: channels of the maps, from fine to coarse.
        factors: how many times coarser each is than the first, powers of 2, the first 1.
        channels: of the results.
        deformable: whether the convolutions are.
    """

    def __init__(self, inputs: Sequence[int], factors: Sequence[int], *, channels: int, deformable: bool) -> None:
        super().__init__()
        self.project = nn.ModuleList(_joint(width, channels, deformable) for width in inputs[1:])
        self.up = nn.ModuleList(_upsampling(channels, factor) for factor in factors[1:])
        self.node = nn.ModuleList(_joint(channels, channels, deformable) for _ in inputs[1:])

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return as many maps, all of the size of the first; the last has seen all of them."""
        results = [maps[0]]
        for project, up, node, coarse in zip(self.project, self.up, self.node, maps[1:], strict=True):
            results.append(node(up(project(coarse)) + results[-1]))
        return results


def _joint(inputs: int, outputs: int, deformable: bool | None) -> nn.Sequential:
    """Return a convolution with normalisation: deformable, plain, or (None) of 1 x 1."""
    if deformable:
        convolution: nn.Module = DeformableConv(inputs, outputs)
    else:
        edge = 1 if deformable is None else 3
        convolution = nn.Conv2d(inputs, outputs, edge, padding=edge // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def _upsampling(channels: int, factor: int) -> nn.Module:
    """Return what makes each channel finer for itself, bilinear at the beginning."""
    if factor == 1:
        return nn.Identity()
    layer = nn.ConvTranspose2d(channels, channels, 2 * factor, stride=factor, padding=factor // 2, groups=channels, bias=False)
    distances = (torch.arange(2 * factor) - (factor - 0.5)).abs() / factor
    with torch.no_grad():
        layer.weight.copy_(torch.outer(1 - distances, 1 - distances).expand_as(layer.weight))
    return layer


def build_dla_up(cfg: VisionConfig, extractor: nn.Module) -> DlaUp:
    """Return the neck of ``MODEL.DLA_UP``.

    Raises:
        ConfigError: the backbone has no two stages of strides 4, 8, ..., each twice the one before.
    """
    network = cast("FeatureExtractor", extractor)
    places = [place for place, stride in enumerate(network.strides) if stride >= FINEST]
    expected = [FINEST * 2**level for level in range(len(places))]
    if len(places) < 2 or [network.strides[place] for place in places] != expected:
        raise ConfigError(
            f"MODEL.NECK: dla_up joins stages of the strides 4, 8, 16, ..., but {cfg.MODEL.BACKBONE} has "
            f"{', '.join(map(str, network.strides))}; take another backbone, e.g. timm/dla34 or torchvision/resnet18"
        )
    return DlaUp(
        stage_channels=[network.channels[place] for place in places],
        places=places,
        channels=cfg.MODEL.DLA_UP.CHANNELS,
        deformable=cfg.MODEL.DLA_UP.DEFORMABLE,
    )
