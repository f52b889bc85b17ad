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

    def loss_counts(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return how many points of each sample learn a box: the losses are divided by their number."""
        images: Tensor = batch["image"]
        # each map rounds half of the one before up, as convolutions with padding do
        shapes = [[-(-length // stride) for length in images.shape[2:]] for (stride,) in self.anchor_generator.sizes]
        maps = [images.new_empty((1, 1, *shape)) for shape in shapes]
        (anchors,) = self.anchor_generator(ImageList(images[:1], [(images.shape[2], images.shape[3])]), maps)
        points = _Points.of_anchors(anchors, [height * width for height, width in shapes])
        counts = [points.count_learning(boxes, radius=self.center_sampling_radius) for boxes in batch["boxes"]]
        return dict.fromkeys(LOSS_NAMES.values(), torch.stack(counts).float())


class _Points(NamedTuple):
    """The P points of FCOS's maps.

    Attributes:
        places: float32 (P, 2), x and y.
        strides: float32 (P,).
        reach: smallest and largest distance to the furthest edge of a box that a point learns, float32 (P, 2).
    """

    places: Tensor
    strides: Tensor
    reach: Tensor

    @classmethod
    def of_anchors(cls, anchors: Tensor, counts: list[int]) -> "_Points":
        """Return the points of squares (P, 4) as wide as the strides, of levels with so many of them."""
        strides = anchors[:, 2] - anchors[:, 0]
        reach = torch.stack([strides * 4, strides * 8], dim=1)
        reach[: counts[0], 0] = 0
        reach[-counts[-1] :, 1] = torch.inf
        return cls((anchors[:, :2] + anchors[:, 2:]) / 2, strides, reach)

    def count_learning(self, boxes: Tensor, *, radius: float) -> Tensor:
        """Return how many points learn one of the boxes (N, 4): inside of it, near its centre, and of its size."""
        if not len(boxes):
            return torch.zeros((), dtype=torch.int64, device=boxes.device)
        centers = (boxes[:, :2] + boxes[:, 2:]) / 2
        is_near = (self.places[:, None] - centers).abs().amax(dim=2) < radius * self.strides[:, None]
        edges = torch.cat([self.places[:, None] - boxes[:, :2], boxes[:, 2:] - self.places[:, None]], dim=2)
        furthest = edges.amax(dim=2)
        fits = (furthest > self.reach[:, :1]) & (furthest < self.reach[:, 1:])
        return (is_near & fits & (edges.amin(dim=2) > 0)).any(dim=1).sum()


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
