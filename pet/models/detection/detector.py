"""What all detectors have in common: how one is built, its anchors, what it learns from, and what it gives."""

from typing import Any, cast

from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from pet.models.features import FeatureInfo
from pet.models.registries import DETECTORS
from pet.typed import VisionConfig
from petlib.errors import ConfigError
from petlib.registry import import_component


def build_box_head(cfg: VisionConfig, info: FeatureInfo) -> nn.Module:
    """Return the head of ``MODEL.BOX.DETECTOR``, called as ``head(features, batch, regions)``.

    In training it returns losses, and with two stages the sampled proposals as regions; in evaluation ``boxes``, ``scores`` and
    ``labels`` of each image in the coordinates of the batch, which are its regions too.

    Raises:
        ConfigError: there is no neck, or settings do not belong together.
    """
    name = cfg.MODEL.BOX.DETECTOR
    entry = DETECTORS.get(name)
    if not info.map_channels and not entry.whole:
        raise ConfigError(f"MODEL.NECK: empty, but {name} looks at the maps of a neck; set it to {entry.neck}")
    return cast("nn.Module", import_component(entry.build)(cfg, info))


def detection_targets(batch: dict[str, Any], *, first_label: int) -> list[dict[str, Tensor]]:
    """Return boxes and labels of each image as torchvision's detectors take them.

    Args:
        batch: ``boxes``, for each image float (N, 4), XYXY, and ``labels``, int64 (N,), classes from 0.
        first_label: number of class 0; 1 where torchvision counts the background as a class.
    """
    return [
        {"boxes": boxes.reshape(-1, 4).float(), "labels": labels.long() + first_label}
        for boxes, labels in zip(batch["boxes"], batch["labels"], strict=True)
    ]


DEFAULT_SIZES = (32, 64, 128, 256, 512)
RETINANET_SCALES = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))
"""Three anchors of each size (https://arxiv.org/abs/1708.02002, section 4)."""


class Float32Anchors(AnchorGenerator):  # type: ignore[misc]  # torchvision has no types
    """torchvision's anchors, also where features are of half precision, which does not hold the coordinates of large images."""

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        """Return the anchors of each image, float32 (A, 4), XYXY."""
        anchors: list[Tensor] = super().forward(image_list, [one[:1, :1].float() for one in feature_maps])
        return anchors


def build_anchors(cfg: VisionConfig, info: FeatureInfo, *, scales: tuple[float, ...] = (1.0,)) -> Float32Anchors:
    """Return the anchors of ``MODEL.BOX``.

    Args:
        cfg: the config.
        info: the maps of the neck.
        scales: anchors for each of the default sizes; sizes of the config are taken as they are.

    Raises:
        ConfigError: they do not belong to the maps.
    """
    given = cfg.MODEL.BOX.ANCHOR_SIZES
    sizes = tuple(map(tuple, given)) or tuple(tuple(int(size * scale) for scale in scales) for size in DEFAULT_SIZES)
    ratios = tuple(cfg.MODEL.BOX.ASPECT_RATIOS)
    if len(sizes) != len(info.map_strides):
        raise ConfigError(
            f"MODEL.BOX.ANCHOR_SIZES: sizes for {len(sizes)} levels{'' if given else ' (the default)'}, but the neck gives "
            f"{len(info.map_strides)} maps, of the strides {', '.join(map(str, info.map_strides))}; give one list of sizes for each"
        )
    if len({len(of_level) for of_level in sizes}) > 1 or not sizes[0]:
        raise ConfigError(f"MODEL.BOX.ANCHOR_SIZES: {given} given; every level needs the same number of sizes, at least one")
    if not ratios or min(ratios) <= 0 or min(map(min, sizes)) <= 0:
        raise ConfigError("MODEL.BOX.ANCHOR_SIZES, MODEL.BOX.ASPECT_RATIOS: numbers above 0 expected")
    return Float32Anchors(sizes, (ratios,) * len(sizes))


def fcos_anchors(info: FeatureInfo) -> Float32Anchors:
    """Return one square for each point of the maps, as wide as the stride, which torchvision's FCOS takes for points and scales."""
    return Float32Anchors(tuple((stride,) for stride in info.map_strides), ((1.0,),) * len(info.map_strides))
