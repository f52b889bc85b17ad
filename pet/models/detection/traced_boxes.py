"""The detectors' last steps, from outputs of convolutions to detections, without a branch or loop that depends on values.

torchvision's own code asks how many boxes there are and walks over lists of images, which graphs cannot follow. What is written here
computes the same for one image; exports compare the two.
"""

from collections.abc import Sequence
from math import isqrt
from typing import NamedTuple, cast

import torch
from torch import Tensor
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import nms

from pet.models.detection.box_regions import BoxRegions
from pet.models.detection.center_head import CenterHead, finest_map
from pet.models.detection.one_stage import FcosBoxHead, RetinaNetBoxHead
from pet.models.detection.rcnn import CascadeRcnnHead, FasterRcnnHead
from pet.models.features import Features

SMALLEST_EDGE = 1e-2
"""Detections of regions with a shorter edge are dropped, as torchvision's RoIHeads do."""

Size = tuple[int | Tensor, int | Tensor]
"""Height and width of the image without padding; scalars of float32 where they are an input of the file."""


class Detections(NamedTuple):
    """What was found in an image.

    Attributes:
        boxes: float32 (N, 4), XYXY.
        scores: float32 (N,).
        labels: int64 (N,), classes from 0, of proposals the level.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor

    def take(self, rows: Tensor) -> "Detections":
        """Return some of them."""
        return Detections(self.boxes[rows], self.scores[rows], self.labels[rows])


def detect_in_regions(head: FasterRcnnHead, features: Features) -> Detections:
    """Return the detections of Faster R-CNN in a batch of one image, the best first."""
    return _detect_in_stages([head.roi_heads], head.rpn, features)


def detect_in_cascade(head: CascadeRcnnHead, features: Features) -> Detections:
    """Return the detections of Cascade R-CNN in a batch of one image, the best first."""
    return _detect_in_stages([cast("BoxRegions", stage) for stage in head.stages], head.rpn, features)


def suppress(found: Detections, *, groups: int, size: Size, threshold: float, most: int) -> Detections:
    """Return what is left after the suppression of each group by itself, the best first.

    The boxes of each group are moved to a cell of their own in a square of cells: nearer to zero, and so more exact, than in a row.

    Args:
        found: ``labels`` say the group.
        groups: how many there are.
        size: of the image, which all boxes lie in.
        threshold: intersection over union from which the weaker one is dropped.
        most: greatest number of those that are left.
    """
    edge = isqrt(groups - 1) + 1
    x, y = (found.labels % edge) * (size[1] + 1), (found.labels // edge) * (size[0] + 1)
    moved = found.boxes + torch.stack([x, y, x, y], dim=1).to(found.boxes.dtype)
    return found.take(nms(moved, found.scores, threshold)[:most])


def _clip(boxes: Tensor, size: Size) -> Tensor:
    height, width = size
    x, y = boxes[:, 0::2].clamp(min=0).clamp(max=width), boxes[:, 1::2].clamp(min=0).clamp(max=height)
    return torch.stack([x, y], dim=2).reshape(-1, 4)


def _wide_enough(boxes: Tensor, edge: float) -> Tensor:
    return (boxes[:, 2] - boxes[:, 0] >= edge) & (boxes[:, 3] - boxes[:, 1] >= edge)


def _joined(parts: Sequence[Detections]) -> Detections:
    return Detections(*(torch.cat(fields) for fields in zip(*parts, strict=True)))


def _propose(rpn: RegionProposalNetwork, features: Features, size: Size) -> Tensor:
    """Return the proposals, (R, 4)."""
    maps = list(features.maps.values())
    scores, offsets = rpn.head(maps)
    anchors = rpn.anchor_generator(ImageList(features.images, features.image_sizes), maps)[0]
    counts = [one.shape[1] * one.shape[2] * one.shape[3] for one in scores]
    levels = []
    for level, (of_scores, of_offsets, of_anchors) in enumerate(zip(scores, offsets, anchors.split(counts), strict=True)):
        best, places = _best(of_scores[0].permute(1, 2, 0).reshape(-1), rpn.pre_nms_top_n())
        shape = (of_scores.shape[1], 4, *of_offsets.shape[2:])
        turned = of_offsets[0].reshape(shape).permute(2, 3, 0, 1).reshape(-1, 4)
        boxes = _clip(rpn.box_coder.decode_single(turned[places], of_anchors[places]), size)
        levels.append(Detections(boxes, best.sigmoid(), torch.full_like(places, level)))
    found = _joined(levels)
    rows = torch.where(_wide_enough(found.boxes, rpn.min_size) & (found.scores >= rpn.score_thresh))[0]
    return suppress(found.take(rows), groups=len(levels), size=size, threshold=rpn.nms_thresh, most=rpn.post_nms_top_n()).boxes


def _detect_in_stages(stages: Sequence[BoxRegions], rpn: RegionProposalNetwork, features: Features) -> Detections:
    """Return the detections of the last stage, with the mean scores of all."""
    size = features.image_sizes[0]
    boxes = _propose(rpn, features, size)
    probabilities = []
    for place, stage in enumerate(stages):
        logits, offsets = stage.predict(features, [boxes])
        probabilities.append(logits.softmax(-1))
        if place + 1 < len(stages):
            boxes = _clip(stage.box_coder.decode_single(offsets[:, :4], boxes), size)
    last, scores = stages[-1], torch.stack(probabilities).mean(dim=0)
    classes = scores.shape[1] - 1
    # the first class is the background
    decoded = last.box_coder.decode_single(offsets, boxes).reshape(-1, classes + 1, 4)[:, 1:].reshape(-1, 4)
    labels = torch.arange(classes).repeat(scores.shape[0])
    found = Detections(_clip(decoded, size), scores[:, 1:].reshape(-1), labels)
    rows = torch.where((found.scores > last.score_thresh) & _wide_enough(found.boxes, SMALLEST_EDGE))[0]
    return suppress(found.take(rows), groups=classes, size=size, threshold=last.nms_thresh, most=last.detections_per_img)


def detect_densely(head: RetinaNetBoxHead | FcosBoxHead, features: Features) -> Detections:
    """Return the detections of a detector with one stage in a batch of one image, the best first."""
    size = features.image_sizes[0]
    maps = list(features.maps.values())
    outputs = {name: value[0].float() for name, value in head.head(maps).items()}
    anchors = head.anchor_generator(ImageList(features.images, features.image_sizes), maps)[0]
    of_each_point = head.anchor_generator.num_anchors_per_location()[0]
    counts = [one.shape[2] * one.shape[3] * of_each_point for one in maps]
    scores, classes = outputs["cls_logits"].sigmoid(), outputs["cls_logits"].shape[1]
    if "bbox_ctrness" in outputs:
        scores = (scores * outputs["bbox_ctrness"].sigmoid()).sqrt()
    decode = head.box_coder.decode if isinstance(head, FcosBoxHead) else head.box_coder.decode_single
    parts = (scores.split(counts), outputs["bbox_regression"].split(counts), anchors.split(counts))
    levels = []
    for of_scores, of_offsets, of_anchors in zip(*parts, strict=True):
        best, places = _best(of_scores.flatten(), head.topk_candidates)
        points = places // classes
        levels.append(Detections(_clip(decode(of_offsets[points], of_anchors[points]), size), best, places % classes))
    found = _joined(levels)
    rows = torch.where(found.scores > head.score_thresh)[0]
    return suppress(found.take(rows), groups=classes, size=size, threshold=head.nms_thresh, most=head.detections_per_img)


def detect_peaks(head: CenterHead, features: Features) -> Detections:
    """Return the detections of CenterNet in a batch of one image, the best first."""
    size = features.image_sizes[0]
    boxes, scores, labels = (field[0] for field in head.decode(finest_map(features)))
    found = Detections(_clip(boxes, size), scores, labels)
    rules = head.suppression
    rows = torch.where((found.scores > rules.score_threshold) & (found.boxes[:, 2:] > found.boxes[:, :2]).all(dim=1))[0]
    return suppress(found.take(rows), groups=head.num_classes, size=size, threshold=rules.iou_threshold, most=rules.most)


def _best(scores: Tensor, most: int) -> tuple[Tensor, Tensor]:
    best, places = scores.topk(min(most, scores.shape[0]))
    return best, places
