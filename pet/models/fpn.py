"""The feature pyramid, a neck: it turns the stages of a backbone into maps of one width."""

from itertools import pairwise
from typing import cast

from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock, LastLevelMaxPool, LastLevelP6P7

from pet.models.feature_extractor import FeatureExtractor
from pet.models.registries import DETECTORS, DetectorEntry
from pet.typed import VisionConfig
from petlib.errors import ConfigError


class Fpn(FeaturePyramidNetwork):  # type: ignore[misc]  # torchvision has no types
    """A feature pyramid (https://arxiv.org/abs/1612.03144) over chosen stages.

    Attributes:
        channels: of every map.
        strides: of the maps, from fine to coarse, with those on top.
        num_top: maps on top.

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
        self.num_top = {"pool": 1, "p6p7": 2, "none": 0}[top]
        for _ in range(self.num_top):
            strides.append(strides[-1] * 2)
        self.strides = tuple(strides)

    def forward(self, stages: list[Tensor]) -> dict[str, Tensor]:
        """Return the maps by name: ``"0"``, ``"1"``, ..., and those on top ``"pool"`` or ``"p6"``, ``"p7"``."""
        maps: dict[str, Tensor] = super().forward({str(name): stages[place] for name, place in enumerate(self.places)})
        return maps


def build_fpn(cfg: VisionConfig, extractor: nn.Module) -> Fpn:
    """Return the feature pyramid of ``MODEL.FPN``.

    Raises:
        ConfigError: the backbone has no stage of a level that the pyramid takes.
    """
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


def pyramid_levels(cfg: VisionConfig) -> list[int]:
    """Return the levels of ``MODEL.FPN.LEVELS``, or the usual ones of the detector where it is empty.

    Raises:
        ConfigError: they do not go from fine to coarse.
    """
    levels = list(cfg.MODEL.FPN.LEVELS) or list(_detector(cfg).levels)
    if any(after != before + 1 for before, after in pairwise(levels)):
        raise ConfigError(f"MODEL.FPN.LEVELS: {levels} given; expected consecutive levels from fine to coarse, e.g. [2, 3, 4, 5]")
    return levels


def _top(cfg: VisionConfig) -> str:
    top: str = cfg.MODEL.FPN.TOP
    return _detector(cfg).top if top == "auto" else top


def _detector(cfg: VisionConfig) -> DetectorEntry:
    """Return the detector that looks at the pyramid; without one that whose pyramid is the usual one."""
    return DETECTORS.get(cfg.MODEL.BOX.DETECTOR if cfg.MODEL.HAS_BOX else "faster_rcnn")
