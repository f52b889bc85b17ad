"""What all detectors have in common: how one is built, what it learns from, and what it gives."""

from typing import Any, cast

import torch
from torch import Tensor, nn

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
    if not info.map_channels:
        raise ConfigError(f"MODEL.NECK: empty, but {name} looks at the maps of a neck; set it to fpn")
    return cast("nn.Module", import_component(DETECTORS.get(name).build)(cfg, info))


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


def as_predictions(boxes: list[Tensor], scores: list[Tensor], labels: list[Tensor]) -> list[dict[str, Tensor]]:
    """Return one dictionary for each image: ``boxes`` (N, 4), ``scores`` (N,) float32, ``labels`` (N,) int64."""
    return [
        {"boxes": one_boxes.float(), "scores": one_scores.float(), "labels": one_labels.to(torch.int64)}
        for one_boxes, one_scores, one_labels in zip(boxes, scores, labels, strict=True)
    ]
