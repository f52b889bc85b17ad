"""Detectors with two stages: Faster R-CNN and Cascade R-CNN."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import clip_boxes_to_image, remove_small_boxes

from pet.models.detection.box_regions import BoxPredictor, BoxRegions
from pet.models.detection.detector import build_anchors, detection_targets
from pet.models.detection.roi_pooling import RegionPooling, region_strides
from pet.models.detection.suppression import as_predictions, build_suppression
from pet.models.features import FeatureInfo, Features, HeadOutput, Regions
from pet.typed import VisionConfig
from petlib.errors import ConfigError

CODER_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
CASCADE_CODER_WEIGHTS = ((10.0, 10.0, 5.0, 5.0), (20.0, 20.0, 10.0, 10.0), (30.0, 30.0, 15.0, 15.0))
"""Of the three stages (https://arxiv.org/abs/1712.00726): later ones correct less."""
CASCADE_LOSS_WEIGHTS = (1.0, 0.5, 0.25)
"""Of the three stages, as the authors' implementation has them (https://github.com/zhaoweicai/cascade-rcnn)."""


class Float32RpnHead(RPNHead):  # type: ignore[misc]  # torchvision has no types
    """torchvision's head; what boxes are computed from is float32 under mixed precision too."""

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return scores and offsets of each level."""
        logits, offsets = super().forward(x)
        return [one.float() for one in logits], [one.float() for one in offsets]


class FasterRcnnHead(nn.Module):
    """Proposals and what is in them (https://arxiv.org/abs/1506.01497).

    Args:
        rpn: finds proposals.
        roi_heads: predict what they are.
    """

    def __init__(self, *, rpn: RegionProposalNetwork, roi_heads: BoxRegions) -> None:
        super().__init__()
        self.rpn = rpn
        self.roi_heads = roi_heads

    def forward(self, features: Features, batch: dict[str, Any], regions: Regions | None = None) -> HeadOutput:
        """Return losses and sampled proposals in training, detections in evaluation.

        Args:
            features: with maps of a neck.
            batch: in training ``boxes`` and ``labels``.
            regions: of no meaning here.
        """
        targets = detection_targets(batch, first_label=1) if self.training else None
        proposals, losses = propose(self.rpn, features, targets)
        if targets is None:
            logits, offsets = self.roi_heads.predict(features, proposals)
            return detections(*self.roi_heads.postprocess_detections(logits, offsets, proposals, features.image_sizes))
        sample = self.roi_heads.sample(proposals, targets)
        logits, offsets = self.roi_heads.predict(features, sample.boxes)
        losses["loss_box_class"], losses["loss_box_regression"] = self.roi_heads.loss(logits, offsets, sample)
        return HeadOutput(losses=losses, regions=sample.regions())


class CascadeRcnnHead(nn.Module):
    """Stages that begin with the boxes of the stage before and ask for better ones (https://arxiv.org/abs/1712.00726).

    Every stage matches and samples anew. Detections have the boxes of the last stage and the mean scores of all.

    Args:
        rpn: finds proposals.
        stages: their predictors give one box for each region, whatever its class.
        loss_weights: of the stages.
    """

    def __init__(self, *, rpn: RegionProposalNetwork, stages: Sequence[BoxRegions], loss_weights: Sequence[float]) -> None:
        super().__init__()
        self.rpn = rpn
        self.stages = nn.ModuleList(stages)
        self.loss_weights = tuple(loss_weights)

    def forward(self, features: Features, batch: dict[str, Any], regions: Regions | None = None) -> HeadOutput:
        """Return losses and the last stage's sampled proposals in training, detections in evaluation.

        Args:
            features: with maps of a neck.
            batch: in training ``boxes`` and ``labels``.
            regions: of no meaning here.
        """
        targets = detection_targets(batch, first_label=1) if self.training else None
        boxes, losses = propose(self.rpn, features, targets)
        return self._detect(features, boxes) if targets is None else self._learn(features, boxes, targets, losses)

    def _learn(self, features: Features, boxes: list[Tensor], targets: list[dict[str, Tensor]], losses: dict[str, Tensor]) -> HeadOutput:
        regions = None
        for place, (module, weight) in enumerate(zip(self.stages, self.loss_weights, strict=True)):
            stage = cast("BoxRegions", module)
            sample = stage.sample(boxes, targets)
            logits, offsets = stage.predict(features, sample.boxes)
            of_classes, of_boxes = stage.loss(logits, offsets, sample)
            losses[f"loss_box_class_stage{place + 1}"] = weight * of_classes
            losses[f"loss_box_regression_stage{place + 1}"] = weight * of_boxes
            refined = _refine(stage, offsets, sample.boxes, features.image_sizes)
            boxes = [image[remove_small_boxes(image, 1e-2)] for image in refined]
            regions = sample.regions()
        return HeadOutput(losses=losses, regions=regions)

    def _detect(self, features: Features, boxes: list[Tensor]) -> HeadOutput:
        probabilities: list[Tensor] = []
        *earlier, last = (cast("BoxRegions", stage) for stage in self.stages)
        for stage in (*earlier, last):
            logits, offsets = stage.predict(features, boxes)
            probabilities.append(logits.softmax(-1))
            if stage is not last:
                boxes = _refine(stage, offsets, boxes, features.image_sizes)
        # The softmax of the logarithm of probabilities are the probabilities
        logits = torch.stack(probabilities).mean(dim=0).log()
        return detections(*last.postprocess_detections(logits, offsets, boxes, features.image_sizes))


def propose(
    rpn: RegionProposalNetwork, features: Features, targets: list[dict[str, Tensor]] | None
) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Return the proposals of each image, (R, 4), and in training the losses."""
    proposals, losses = rpn(ImageList(features.images, features.image_sizes), features.maps, targets)
    names = {"loss_objectness": "loss_rpn_objectness", "loss_rpn_box_reg": "loss_rpn_box"}
    return proposals, {names[name]: value for name, value in losses.items()}


def detections(boxes: list[Tensor], scores: list[Tensor], labels: list[Tensor]) -> HeadOutput:
    """Return detections whose labels count the background as class 0."""
    labels = [image - 1 for image in labels]
    return HeadOutput(predictions=as_predictions(boxes, scores, labels), regions=Regions(boxes=boxes, labels=labels, scores=scores))


def build_proposals(cfg: VisionConfig, info: FeatureInfo) -> RegionProposalNetwork:
    """Return the network of ``MODEL.BOX.RPN`` (https://arxiv.org/abs/1506.01497).

    Raises:
        ConfigError: the anchors do not belong to the maps, or the thresholds to each other.
    """
    settings = cfg.MODEL.BOX.RPN
    if settings.NEGATIVE_IOU > settings.POSITIVE_IOU:
        raise ConfigError(
            f"MODEL.BOX.RPN.NEGATIVE_IOU: {settings.NEGATIVE_IOU:g} given, at most POSITIVE_IOU ({settings.POSITIVE_IOU:g}) expected"
        )
    anchors = build_anchors(cfg, info)
    return RegionProposalNetwork(
        anchors,
        Float32RpnHead(info.map_channels, anchors.num_anchors_per_location()[0]),
        fg_iou_thresh=settings.POSITIVE_IOU,
        bg_iou_thresh=settings.NEGATIVE_IOU,
        batch_size_per_image=settings.BATCH_SIZE,
        positive_fraction=settings.POSITIVE_FRACTION,
        pre_nms_top_n={"training": settings.PRE_NMS_TRAIN, "testing": settings.PRE_NMS_TEST},
        post_nms_top_n={"training": settings.POST_NMS_TRAIN, "testing": settings.POST_NMS_TEST},
        nms_thresh=settings.NMS,
    )


def build_faster_rcnn(cfg: VisionConfig, info: FeatureInfo) -> FasterRcnnHead:
    """Return the head for ``MODEL.BOX``.

    Raises:
        ConfigError: the anchors do not belong to the maps, the thresholds to each other, or no map is fine enough for regions.
    """
    roi_heads = _build_regions(cfg, info, positive_iou=cfg.MODEL.BOX.ROI.POSITIVE_IOU, coder_weights=CODER_WEIGHTS, class_agnostic=False)
    return FasterRcnnHead(rpn=build_proposals(cfg, info), roi_heads=roi_heads)


def build_cascade_rcnn(cfg: VisionConfig, info: FeatureInfo) -> CascadeRcnnHead:
    """Return the head for ``MODEL.BOX``.

    Raises:
        ConfigError: as for :func:`build_faster_rcnn`, or there is not one threshold for each of the three stages.
    """
    ious = cfg.MODEL.BOX.ROI.CASCADE_IOUS
    if len(ious) != len(CASCADE_CODER_WEIGHTS):
        raise ConfigError(
            f"MODEL.BOX.ROI.CASCADE_IOUS: {ious} given; the cascade has {len(CASCADE_CODER_WEIGHTS)} stages, e.g. [0.5, 0.6, 0.7]"
        )
    stages = [
        _build_regions(cfg, info, positive_iou=iou, coder_weights=weights, class_agnostic=True)
        for iou, weights in zip(ious, CASCADE_CODER_WEIGHTS, strict=True)
    ]
    return CascadeRcnnHead(rpn=build_proposals(cfg, info), stages=stages, loss_weights=CASCADE_LOSS_WEIGHTS)


def _build_regions(
    cfg: VisionConfig,
    info: FeatureInfo,
    *,
    positive_iou: float,
    coder_weights: tuple[float, float, float, float],
    class_agnostic: bool,
) -> BoxRegions:
    settings = cfg.MODEL.BOX.ROI
    suppression = build_suppression(cfg)
    return BoxRegions(
        pool=RegionPooling(strides=region_strides(info, switch="MODEL.HAS_BOX"), size=settings.POOL),
        head=TwoMLPHead(info.map_channels * settings.POOL**2, settings.HIDDEN),
        predictor=BoxPredictor(settings.HIDDEN, cfg.MODEL.NUM_CLASSES + 1, class_agnostic=class_agnostic),
        positive_iou=positive_iou,
        batch_size=settings.BATCH_SIZE,
        positive_fraction=settings.POSITIVE_FRACTION,
        coder_weights=coder_weights,
        suppression=suppression,
    )


def _refine(stage: BoxRegions, offsets: Tensor, boxes: list[Tensor], image_sizes: list[tuple[int, int]]) -> list[Tensor]:
    """Return the boxes that the offsets of a class-agnostic stage lead to, clipped to the images; no gradient goes through them."""
    decoded = stage.box_coder.decode_single(offsets.detach()[:, :4], torch.cat(boxes))
    return [clip_boxes_to_image(image, size) for image, size in zip(decoded.split([len(one) for one in boxes]), image_sizes, strict=True)]
