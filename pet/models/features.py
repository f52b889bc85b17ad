"""What the parts of the general CNN hand to each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, cast

from torch import Tensor, nn

from pet.models.registries import NECKS
from pet.typed import VisionConfig
from petlib.registry import import_component


class FeatureInfo(NamedTuple):
    """The feature maps that a head will get, known when it is built.

    Attributes:
        stage_channels: channels of the backbone's maps, from fine to coarse.
        stage_strides: pixels of the image for one of theirs, e.g. 2, 4, 8, 16, 32.
        map_channels: channels of all maps of the neck; 0 without a neck.
        map_strides: strides of the neck's maps, e.g. 4, 8, 16, 32, 64.
        num_top_maps: how many of the last maps of the neck lie on top of the backbone's stages.
    """

    stage_channels: tuple[int, ...]
    stage_strides: tuple[int, ...]
    map_channels: int
    map_strides: tuple[int, ...]
    num_top_maps: int = 0


@dataclass
class Features:
    """A batch of images and what backbone and neck made of them.

    Attributes:
        images: float (B, 3, H, W), normalised, padded on the right and at the bottom.
        image_sizes: (height, width) of each image without the padding.
        stages: the backbone's maps, from fine to coarse.
        maps: the neck's maps by name, ``"0"``, ``"1"``, ... and for extra ones ``"pool"`` or ``"p6"``, ``"p7"`` (torchvision's
            names); empty without a neck.
    """

    images: Tensor
    image_sizes: list[tuple[int, int]]
    stages: list[Tensor]
    maps: dict[str, Tensor]


@dataclass
class Regions:
    """The regions of interest that the box head hands to the heads that look into boxes, one element for each image.

    Attributes:
        boxes: float32 (R, 4), XYXY, in the coordinates of the padded batch. In training the sampled proposals, in evaluation the
            detections.
        labels: int64 (R,), classes from 0; -1 in training for background.
        matched: in training int64 (R,): place of the object in the image's ``boxes`` that a region belongs to (0 for
            background); empty list in evaluation.
        scores: in evaluation float32 (R,); empty list in training.
    """

    boxes: list[Tensor]
    labels: list[Tensor]
    matched: list[Tensor] = field(default_factory=list)
    scores: list[Tensor] = field(default_factory=list)


class HeadOutput(NamedTuple):
    """What a head returns.

    Attributes:
        losses: in training, scalars by name.
        metrics: in training, scalars by name.
        predictions: in evaluation, one dictionary for each image.
        regions: of the box head, for the heads after it.
    """

    losses: dict[str, Tensor] = {}
    metrics: dict[str, Tensor] = {}
    predictions: Sequence[dict[str, Any]] = ()
    regions: Regions | None = None


class WindowedHead(Protocol):
    """A head that, alone, looks at large images through windows in evaluation (``TEST.SLIDING``)."""

    def look_through_windows(
        self, extract: Callable[[dict[str, Any]], Features], batch: dict[str, Any], *, window: int, overlap: float
    ) -> list[dict[str, Any]]:
        """Return the predictions for each image of a batch.

        Args:
            extract: gives the features of ``{"image": (B, C, h, w)}``.
            batch: as in evaluation.
            window: edge of a window, pixels.
            overlap: share of a window that its neighbour covers too.
        """
        ...


class Neck(Protocol):
    """What turns the stages of a backbone, from fine to coarse, into maps of one width by name: ``"0"``, ``"1"``, ...

    Attributes:
        channels: of every map.
        strides: of the maps, from fine to coarse.
        num_top: how many of the last maps lie on top of the stages; regions are not pooled from these.
    """

    channels: int
    strides: tuple[int, ...]
    num_top: int

    def __call__(self, stages: list[Tensor]) -> dict[str, Tensor]:
        """Return the maps (B, channels, h, w)."""


def build_neck(cfg: VisionConfig, extractor: nn.Module) -> nn.Module | None:
    """Return the :class:`Neck` of ``MODEL.NECK``, or None without one.

    Raises:
        ConfigError: there is no such neck, or it does not suit the backbone.
    """
    return cast("nn.Module", import_component(NECKS.get(cfg.MODEL.NECK).build)(cfg, extractor)) if cfg.MODEL.NECK else None
