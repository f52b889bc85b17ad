"""What D-FINE and RF-DETR have in common as a box head of the general CNN: the batch that they take, and the detections that they give."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import box_convert

from pet.losses.set_masks import masks_in_boxes
from pet.losses.set_prediction import ObjectCounts, Objects, agree_on_counts, count_objects
from pet.models.detection.suppression import as_predictions
from pet.models.detection.traced_boxes import Detections
from pet.models.features import Features, HeadOutput, Regions
from petlib.engine.step import TARGET_COUNTS


class Found(NamedTuple):
    """What a network finds in B images.

    Attributes:
        logits: of each query and class, (B, Q, K).
        boxes: (B, Q, 4), centre, width and height as shares of the image.
        masks: logits over the whole image, (B, Q, h, w); None: it finds none.
    """

    logits: Tensor
    boxes: Tensor
    masks: Tensor | None = None


class SetDetections(NamedTuple):
    """The detections of an image, and their masks: logits over the whole image (N, h, w); None: there are none."""

    detections: Detections
    masks: Tensor | None = None


class SetDetectionHead(nn.Module, ABC):
    """A whole network that looks at images itself and gives a set of objects: no anchors, and no suppression.

    Its queries are matched with the objects one to one, so that two of them do not find the same one. Detections are the best pairs of
    query and class.

    Args:
        network: of transformers.
        num_queries: objects of an image that it can find.
        divisor: of height and width of the images that it takes; others are padded on the right and at the bottom.
        square: it takes square images only.
        score_threshold: detections with a lower score are dropped.
        most: greatest number of detections of an image.
        mask_edge: height and width of the masks over their boxes; 0: it finds none.
    """

    waits_for_others = True

    def __init__(
        self,
        network: nn.Module,
        *,
        num_queries: int,
        divisor: int,
        square: bool,
        score_threshold: float,
        most: int,
        mask_edge: int = 0,
    ) -> None:
        super().__init__()
        self.network = network
        self.num_queries = num_queries
        self.divisor = divisor
        self.square = square
        self.score_threshold = score_threshold
        self.most = most
        self.mask_edge = mask_edge

    def forward(self, features: Features, batch: dict[str, Any], regions: Regions | None = None) -> HeadOutput:
        """Return losses in training, detections in evaluation.

        Args:
            features: with the images.
            batch: in training ``boxes`` and ``labels``, and of an accumulated step what :meth:`count_targets` gave for all its parts.
            regions: of no meaning here.
        """
        images = self.fit(features.images)
        if self.training:
            counts = agree_on_counts(batch[TARGET_COUNTS] if TARGET_COUNTS in batch else self.count_targets(batch)[None])
            return HeadOutput(losses=self.learn(images, objects_of(batch, images, most=counts.most), counts, batch))
        found = [self.finish(one, images, size) for one, size in zip(self.detect(images), features.image_sizes, strict=True)]
        boxes, scores, labels = (list(field) for field in zip(*(one.detections for one in found), strict=True))
        predictions = as_predictions(boxes, scores, labels)
        if self.mask_edge:
            predictions = [{**image, "masks": one.masks} for image, one in zip(predictions, found, strict=True) if one.masks is not None]
        return HeadOutput(predictions=predictions, regions=Regions(boxes=boxes, labels=labels, scores=scores))

    def count_targets(self, batch: dict[str, Any]) -> Tensor:
        """Return how many objects a batch has, for the losses of a step with several parts."""
        return count_objects(batch, num_queries=self.num_queries)

    def fit(self, images: Tensor) -> Tensor:
        """Return images that the network takes, padded where they are not."""
        height, width = (-(-length // self.divisor) * self.divisor for length in images.shape[2:])
        if self.square:
            height = width = max(height, width)
        return functional.pad(images, (0, width - images.shape[3], 0, height - images.shape[2]))

    def detect(self, images: Tensor) -> list[SetDetections]:
        """Return the best detections of each image, in its pixels, the best first."""
        logits, boxes, masks = self.find(images)
        scores, places = logits.float().sigmoid().flatten(1).topk(min(self.most, logits.shape[1] * logits.shape[2]), dim=1)
        queries, labels = places // logits.shape[2], places % logits.shape[2]
        corners = box_convert(boxes.float(), "cxcywh", "xyxy") * _sides(images)
        chosen = corners.gather(1, queries[..., None].expand(-1, -1, 4))
        outlines = [None] * len(images) if masks is None else [image[own] for image, own in zip(masks, queries, strict=True)]
        detections = [Detections(*image) for image in zip(chosen, scores, labels, strict=True)]
        return [SetDetections(*image) for image in zip(detections, outlines, strict=True)]

    def finish(self, found: SetDetections, images: Tensor, size: tuple[Any, Any]) -> SetDetections:
        """Return the detections of an image that are strong enough, inside of its height and width, with masks over their boxes.

        Args:
            found: the detections.
            images: the batch, padded as the network takes it.
            size: height and width of the image without padding.
        """
        (boxes, scores, labels), (height, width) = found.detections, size
        x, y = boxes[:, 0::2].clamp(min=0).clamp(max=width), boxes[:, 1::2].clamp(min=0).clamp(max=height)
        boxes = torch.stack([x, y], dim=2).flatten(1)
        rows = torch.where((scores > self.score_threshold) & (boxes[:, 2:] > boxes[:, :2]).all(dim=1))[0]
        kept = Detections(boxes, scores, labels).take(rows)
        if found.masks is None:
            return SetDetections(kept)
        return SetDetections(kept, masks_in_boxes(found.masks[rows], kept.boxes, _sides(images), edge=self.mask_edge))

    @abstractmethod
    def find(self, images: Tensor) -> Found:
        """Return what an evaluation finds."""

    @abstractmethod
    def learn(self, images: Tensor, objects: Objects, counts: ObjectCounts, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the losses of a training."""


def detect_set(head: SetDetectionHead, features: Features) -> tuple[Tensor, ...]:
    """Return boxes, scores, labels and, where there are any, masks in a batch of one image, the best first, without branches on values."""
    images = head.fit(features.images)
    found = head.finish(head.detect(images)[0], images, features.image_sizes[0])
    return (*found.detections, *([] if found.masks is None else [found.masks]))


def _sides(images: Tensor) -> Tensor:
    """Return width, height, width and height of images, float32 (4,)."""
    return torch.tensor([images.shape[3], images.shape[2]] * 2, dtype=torch.float32, device=images.device)


def objects_of(batch: dict[str, Any], images: Tensor, *, most: int) -> Objects:
    """Return the objects of a batch, with ``most`` places an image.

    Args:
        batch: ``boxes``, for each image float (N, 4), XYXY in pixels, and ``labels``, int64 (N,).
        images: (B, C, H, W), padded as the network takes them.
        most: at least the largest N.
    """
    labels = torch.zeros(len(images), most, dtype=torch.int64, device=images.device)
    boxes = torch.zeros(len(images), most, 4, device=images.device)
    sides = _sides(images)
    for place, (own_boxes, own_labels) in enumerate(zip(batch["boxes"], batch["labels"], strict=True)):
        labels[place, : len(own_labels)] = own_labels
        boxes[place, : len(own_boxes)] = box_convert(own_boxes.reshape(-1, 4).float() / sides, "xyxy", "cxcywh")
    return Objects(labels, boxes, [len(own) for own in batch["boxes"]])
