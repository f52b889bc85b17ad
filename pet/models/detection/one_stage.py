"""Detectors with one stage: RetinaNet and FCOS."""

import math
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torchvision.models.detection.fcos import FCOS, FCOSHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.retinanet import RetinaNet, RetinaNetHead
from torchvision.ops import Conv2dNormActivation

from pet.models.detection.detector import RETINANET_SCALES, Float32Anchors, build_anchors, detection_targets, fcos_anchors
from pet.models.detection.suppression import Suppression, as_predictions, build_suppression
from pet.models.features import FeatureInfo, Features, HeadOutput, Regions
from pet.typed import VisionConfig
from petlib.errors import ConfigError

LOSS_NAMES = {"classification": "loss_class", "bbox_regression": "loss_box", "bbox_ctrness": "loss_centerness"}
FCOS_GROUPS = 32
"""Groups of the normalisation in torchvision's FCOS towers."""


class _Backbone(NamedTuple):
    """What torchvision's detectors ask of a backbone while they are made."""

    out_channels: int


class _Levels(NamedTuple):
    """Outputs of a head and anchors, and how many of them each level has."""

    outputs: dict[str, Tensor]
    anchors: list[Tensor]
    counts: list[int]

    def split(self) -> tuple[dict[str, list[Tensor]], list[list[Tensor]]]:
        """Return outputs and anchors level by level."""
        outputs = {name: list(torch.split(value, self.counts, dim=1)) for name, value in self.outputs.items()}
        return outputs, [list(torch.split(anchors, self.counts)) for anchors in self.anchors]


class RetinaNetBoxHead(RetinaNet):  # type: ignore[misc]  # torchvision has no types
    """torchvision's RetinaNet (https://arxiv.org/abs/1708.02002) over maps that are there already.

    Args:
        channels: of the maps.
        num_classes: number of classes.
        anchors: as many for each point of every map.
        convolutions: of each tower.
        prior: probability of an object at the beginning.
        suppression: which detections are given out.
    """

    def __init__(
        self, *, channels: int, num_classes: int, anchors: Float32Anchors, convolutions: int, prior: float, suppression: Suppression
    ) -> None:
        head = RetinaNetHead(channels, anchors.num_anchors_per_location()[0], num_classes)
        if convolutions != len(head.classification_head.conv):
            for branch in (head.classification_head, head.regression_head):
                branch.conv = _tower(channels, convolutions)
        _begin_with(prior, head.classification_head.cls_logits)
        super().__init__(
            _Backbone(channels),
            num_classes,
            anchor_generator=anchors,
            head=head,
            score_thresh=suppression.score_threshold,
            nms_thresh=suppression.hard_threshold,
            detections_per_img=suppression.hard_most,
        )
        self.suppression = suppression

    def forward(self, features: Features, batch: dict[str, Any], regions: Regions | None = None) -> HeadOutput:
        """Return losses in training, detections in evaluation.

        Args:
            features: with maps of a neck.
            batch: in training ``boxes`` and ``labels``.
            regions: of no meaning here.
        """
        levels = _look(self.head, self.anchor_generator, features)
        if self.training:
            targets = detection_targets(batch, first_label=0)
            return _losses(self.compute_loss(targets, levels.outputs, levels.anchors))
        return _detections(self.postprocess_detections(*levels.split(), features.image_sizes), self.suppression)


class FcosBoxHead(FCOS):  # type: ignore[misc]  # torchvision has no types
    """torchvision's FCOS (https://arxiv.org/abs/2006.09214) over maps that are there already.

    Args:
        channels: of the maps, a multiple of 32.
        num_classes: number of classes.
        anchors: one for each point of every map, as wide as its stride.
        convolutions: of each tower.
        prior: probability of an object at the beginning.
        suppression: which detections are given out.
    """

    def __init__(
        self, *, channels: int, num_classes: int, anchors: Float32Anchors, convolutions: int, prior: float, suppression: Suppression
    ) -> None:
        head = FCOSHead(channels, 1, num_classes, convolutions)
        _begin_with(prior, head.classification_head.cls_logits)
        super().__init__(
            _Backbone(channels),
            num_classes,
            anchor_generator=anchors,
            head=head,
            score_thresh=suppression.score_threshold,
            nms_thresh=suppression.hard_threshold,
            detections_per_img=suppression.hard_most,
        )
        self.suppression = suppression

    def forward(self, features: Features, batch: dict[str, Any], regions: Regions | None = None) -> HeadOutput:
        """Return losses in training, detections in evaluation.

        Args:
            features: with maps of a neck.
            batch: in training ``boxes`` and ``labels``.
            regions: of no meaning here.
        """
        levels = _look(self.head, self.anchor_generator, features)
        if self.training:
            targets = detection_targets(batch, first_label=0)
            return _losses(self.compute_loss(targets, levels.outputs, levels.anchors, levels.counts))
        return _detections(self.postprocess_detections(*levels.split(), features.image_sizes), self.suppression)


def build_retinanet(cfg: VisionConfig, info: FeatureInfo) -> RetinaNetBoxHead:
    """Return the head for ``MODEL.BOX``.

    Raises:
        ConfigError: the anchors do not belong to the maps, or the prior is no probability.
    """
    return RetinaNetBoxHead(
        channels=info.map_channels,
        num_classes=cfg.MODEL.NUM_CLASSES,
        anchors=build_anchors(cfg, info, scales=RETINANET_SCALES),
        convolutions=cfg.MODEL.BOX.CONVOLUTIONS,
        prior=_checked_prior(cfg),
        suppression=build_suppression(cfg),
    )


def build_fcos(cfg: VisionConfig, info: FeatureInfo) -> FcosBoxHead:
    """Return the head for ``MODEL.BOX``.

    Raises:
        ConfigError: the maps cannot be normalised in groups, or the prior is no probability.
    """
    if info.map_channels % FCOS_GROUPS:
        raise ConfigError(f"MODEL.FPN.CHANNELS: {info.map_channels} given, for fcos a multiple of {FCOS_GROUPS} expected")
    return FcosBoxHead(
        channels=info.map_channels,
        num_classes=cfg.MODEL.NUM_CLASSES,
        anchors=fcos_anchors(info),
        convolutions=cfg.MODEL.BOX.CONVOLUTIONS,
        prior=_checked_prior(cfg),
        suppression=build_suppression(cfg),
    )


def _checked_prior(cfg: VisionConfig) -> float:
    prior: float = cfg.MODEL.BOX.PRIOR
    if not 0 < prior < 1:
        raise ConfigError(f"MODEL.BOX.PRIOR: {prior:g} given, a probability between 0 and 1 expected, usually 0.01")
    return prior


def _tower(channels: int, depth: int) -> nn.Sequential:
    """Return convolutions that begin as those of torchvision's RetinaNet."""
    tower = nn.Sequential(*(Conv2dNormActivation(channels, channels, norm_layer=None) for _ in range(depth)))
    for layer in tower.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(cast("Tensor", layer.bias))
    return tower


def _begin_with(prior: float, logits: nn.Conv2d) -> None:
    nn.init.constant_(cast("Tensor", logits.bias), -math.log((1 - prior) / prior))


def _look(head: nn.Module, generator: Float32Anchors, features: Features) -> _Levels:
    maps = list(features.maps.values())
    # float32, because boxes are computed from them
    outputs = {name: value.float() for name, value in head(maps).items()}
    anchors: list[Tensor] = generator(ImageList(features.images, features.image_sizes), maps)
    of_each_point = generator.num_anchors_per_location()[0]
    return _Levels(outputs, anchors, [one.shape[-2] * one.shape[-1] * of_each_point for one in maps])


def _losses(losses: dict[str, Tensor]) -> HeadOutput:
    return HeadOutput(losses={LOSS_NAMES[name]: value for name, value in losses.items()})


def _detections(found: list[dict[str, Tensor]], suppression: Suppression) -> HeadOutput:
    images = [(image["boxes"], image["scores"], image["labels"]) for image in found]
    if suppression.is_soft:
        images = [suppression.soften(*image) for image in images]
    boxes, scores, labels = (list(field) for field in zip(*images, strict=True))
    return HeadOutput(predictions=as_predictions(boxes, scores, labels), regions=Regions(boxes=boxes, labels=labels, scores=scores))
