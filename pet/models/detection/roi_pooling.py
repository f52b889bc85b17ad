"""The features of regions of interest, and which regions a head learns from."""

from collections.abc import Sequence
from math import log2
from typing import cast

import torch
from torch import Tensor, nn
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.poolers import LevelMapper

from pet.models.features import FeatureInfo, Features, Regions
from petlib.errors import ConfigError

COARSEST_STRIDE = 32
SAMPLES = 2
"""Points along each edge of a pooled pixel at which the features are read, as torchvision's detectors have it."""


class RegionPooling(nn.Module):
    """Pools the features of each region to one size, from the map that fits the region's size.

    It is torchvision's ``MultiScaleRoIAlign`` (https://arxiv.org/abs/1703.06870, levels by equation 1 of
    https://arxiv.org/abs/1612.03144) with scales from the known strides. Left alone that module infers them from the first batch that
    it sees, which goes wrong for small images with much padding.

    Args:
        strides: of the maps ``"0"``, ``"1"``, ... that are looked at, powers of two.
        size: height and width of the result, in its pixels.
    """

    def __init__(self, *, strides: tuple[int, ...], size: int) -> None:
        super().__init__()
        self.names = [str(place) for place in range(len(strides))]
        self.align = MultiScaleRoIAlign(self.names, output_size=size, sampling_ratio=SAMPLES)
        self.align.scales = [1 / stride for stride in strides]
        self.align.map_levels = LevelMapper(int(log2(strides[0])), int(log2(strides[-1])))

    def forward(self, features: Features, boxes: list[Tensor]) -> Tensor:
        """Return float (R, C, size, size), the regions of all images one after the other.

        Args:
            features: of the batch.
            boxes: for each image float (R_i, 4), XYXY, in the coordinates of the padded batch.
        """
        missing = [name for name in self.names if name not in features.maps]
        assert not missing, f"the neck gave the maps {list(features.maps)}, regions look into {self.names}"
        return cast("Tensor", self.align(features.maps, boxes, features.image_sizes))


def region_strides(info: FeatureInfo, *, switch: str) -> tuple[int, ...]:
    """Return the strides of the maps that regions look into: those of the backbone's stages, not the extra ones on top.

    Args:
        info: the maps of the network.
        switch: key of the config that turned the head on, for the message.

    Raises:
        ConfigError: there is no such map.
    """
    of_stages = info.map_strides[: len(info.map_strides) - info.num_top_maps]
    strides = tuple(stride for stride in of_stages if stride <= COARSEST_STRIDE)
    if not strides:
        raise ConfigError(
            f"{switch}: True needs the maps of a neck with a stride of at most {COARSEST_STRIDE}, the model has "
            f"{list(info.map_strides) or 'none'}; set build_neck.name to fpn, or {switch} to False"
        )
    return strides


def positive_regions(regions: Regions, known: Sequence[Tensor] | None = None) -> tuple[list[Tensor], list[Tensor]]:
    """Return boxes and matched objects of the sampled regions that hold an object, for each image.

    Args:
        regions: of a training iteration.
        known: for each image which of its objects can be learned from, bool (N,); None: all.

    Returns:
        Float (P_i, 4) and int64 (P_i,) for each image; P_i can be 0.
    """
    assert len(regions.matched) == len(regions.boxes), "regions of training name the object that each belongs to"
    chosen = [labels >= 0 for labels in regions.labels]
    if known is not None:
        # one more, which regions of images without objects point to
        more = [torch.cat([own, own.new_zeros(1)]) for own in known]
        chosen = [some & own[matched.clamp(min=0)] for some, own, matched in zip(chosen, more, regions.matched, strict=True)]
    places = [some.nonzero().squeeze(1) for some in chosen]
    boxes = [boxes[place] for boxes, place in zip(regions.boxes, places, strict=True)]
    return boxes, [matched[place] for matched, place in zip(regions.matched, places, strict=True)]
