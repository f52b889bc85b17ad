"""Necks: what turns the stages of a backbone into maps of one width."""

from itertools import pairwise
from typing import cast

from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock, LastLevelMaxPool, LastLevelP6P7

from pet.models.config import ONE_STAGE_DETECTORS
from pet.models.feature_extractor import FeatureExtractor
from petlib.config import CfgNode
from petlib.errors import ConfigError


class Fpn(FeaturePyramidNetwork):  # type: ignore[misc]  # torchvision has no types
    """A feature pyramid (https://arxiv.org/abs/1612.03144) over chosen stages.

    Attributes:
        channels: of every map.
        strides: of the maps, from fine to coarse, with those on top.

    Args:
        stage_channels: channels of all stages of the backbone.
        stage_strides: their strides.
        places: which stages the pyramid takes.
        channels: of every map.
        top: ``pool``: one more map, every second pixel of the last; ``p6p7``: two more, convolved from the last; ``none``.
    """

    def __init__(
        self, *, stage_channels: tuple[int, ...], stage_strides: tuple[int, ...], places: tuple[int, ...], channels: int, top: str
    ) -> None:
        blocks: dict[str, ExtraFPNBlock | None] = {
            "pool": LastLevelMaxPool() if top == "pool" else None,
            "p6p7": LastLevelP6P7(channels, channels) if top == "p6p7" else None,
            "none": None,
        }
        super().__init__([stage_channels[place] for place in places], channels, extra_blocks=blocks[top])
        self.places = places
        self.channels = channels
        strides = [stage_strides[place] for place in places]
        for _ in range({"pool": 1, "p6p7": 2, "none": 0}[top]):
            strides.append(strides[-1] * 2)
        self.strides = tuple(strides)

    def forward(self, stages: list[Tensor]) -> dict[str, Tensor]:
        """Return the maps by name: ``"0"``, ``"1"``, ..., and those on top ``"pool"`` or ``"p6"``, ``"p7"``."""
        maps: dict[str, Tensor] = super().forward({str(name): stages[place] for name, place in enumerate(self.places)})
        return maps


def build_neck(cfg: CfgNode, extractor: nn.Module) -> Fpn | None:
    """Return the neck of ``MODEL.NECK``, or None without one.

    Raises:
        ConfigError: the backbone has no stage of a level that the pyramid takes.
    """
    if not cfg.MODEL.NECK:
        return None
    network = cast("FeatureExtractor", extractor)
    levels = pyramid_levels(cfg)
    has = {stride: place for place, stride in enumerate(network.strides)}  # of equal strides the last, which has seen most
    for level in levels:
        if 2**level not in has:
            there = ", ".join(str(stride.bit_length() - 1) for stride in has)
            raise ConfigError(f"MODEL.FPN.LEVELS: {level} given, but {cfg.MODEL.BACKBONE} has the levels {there}")
    return Fpn(
        stage_channels=network.channels,
        stage_strides=network.strides,
        places=tuple(has[2**level] for level in levels),
        channels=cfg.MODEL.FPN.CHANNELS,
        top=_top(cfg),
    )


def pyramid_levels(cfg: CfgNode) -> list[int]:
    """Return the levels of ``MODEL.FPN.LEVELS``, or the usual ones of the detector where it is empty.

    Raises:
        ConfigError: they do not go from fine to coarse.
    """
    levels: list[int] = cfg.MODEL.FPN.LEVELS or ([3, 4, 5] if _is_one_stage(cfg) else [2, 3, 4, 5])
    if any(after != before + 1 for before, after in pairwise(levels)):
        raise ConfigError(f"MODEL.FPN.LEVELS: {levels} given; expected consecutive levels from fine to coarse, e.g. [2, 3, 4, 5]")
    return levels


def _top(cfg: CfgNode) -> str:
    top: str = cfg.MODEL.FPN.TOP
    return ("p6p7" if _is_one_stage(cfg) else "pool") if top == "auto" else top


def _is_one_stage(cfg: CfgNode) -> bool:
    return bool(cfg.MODEL.HAS_BOX) and cfg.MODEL.BOX.DETECTOR in ONE_STAGE_DETECTORS
