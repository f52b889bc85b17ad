"""What D-FINE and RF-DETR have in common as a box head of the general CNN: the batch that they take, and the detections that they give."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import box_convert

from pet.losses.set_prediction import ObjectCounts, Objects, agree_on_counts, count_objects
from pet.models.detection.suppression import as_predictions
from pet.models.detection.traced_boxes import Detections
from pet.models.features import Features, HeadOutput, Regions
from petlib.engine.step import TARGET_COUNTS


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
    """

    waits_for_others = True

    def __init__(self, network: nn.Module, *, num_queries: int, divisor: int, square: bool, score_threshold: float, most: int) -> None:
        super().__init__()
        self.network = network
        self.num_queries = num_queries
        self.divisor = divisor
        self.square = square
        self.score_threshold = score_threshold
        self.most = most

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
        found = [self.drop_weak(one, size) for one, size in zip(self.detect(images), features.image_sizes, strict=True)]
        boxes, scores, labels = (list(field) for field in zip(*found, strict=True))
        return HeadOutput(predictions=as_predictions(boxes, scores, labels), regions=Regions(boxes=boxes, labels=labels, scores=scores))

    def count_targets(self, batch: dict[str, Any]) -> Tensor:
        """Return how many objects a batch has, for the losses of a step with several parts."""
        return count_objects(batch, num_queries=self.num_queries)

    def fit(self, images: Tensor) -> Tensor:
        """Return images that the network takes, padded where they are not."""
        height, width = (-(-length // self.divisor) * self.divisor for length in images.shape[2:])
        if self.square:
            height = width = max(height, width)
        return functional.pad(images, (0, width - images.shape[3], 0, height - images.shape[2]))

    def detect(self, images: Tensor) -> list[Detections]:
        """Return the best detections of each image, in its pixels, the best first."""
        logits, boxes = self.find(images)
        scores, places = logits.float().sigmoid().flatten(1).topk(min(self.most, logits.shape[1] * logits.shape[2]), dim=1)
        queries, labels = places // logits.shape[2], places % logits.shape[2]
        sides = torch.tensor([images.shape[3], images.shape[2]] * 2, dtype=torch.float32, device=images.device)
        corners = box_convert(boxes.float(), "cxcywh", "xyxy") * sides
        chosen = corners.gather(1, queries[..., None].expand(-1, -1, 4))
        return [Detections(*image) for image in zip(chosen, scores, labels, strict=True)]

    def drop_weak(self, found: Detections, size: tuple[Any, Any]) -> Detections:
        """Return the detections of an image that are strong enough, inside of its height and width."""
        height, width = size
        x, y = found.boxes[:, 0::2].clamp(min=0).clamp(max=width), found.boxes[:, 1::2].clamp(min=0).clamp(max=height)
        boxes = torch.stack([x, y], dim=2).flatten(1)
        strong = (found.scores > self.score_threshold) & (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
        return Detections(boxes, found.scores, found.labels).take(torch.where(strong)[0])

    @abstractmethod
    def find(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, Q, K) and boxes (B, Q, 4), centre, width and height as shares of the image, of an evaluation."""

    @abstractmethod
    def learn(self, images: Tensor, objects: Objects, counts: ObjectCounts, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the losses of a training."""


def detect_set(head: SetDetectionHead, features: Features) -> Detections:
    """Return the detections in a batch of one image, the best first, without branches on values."""
    return head.drop_weak(head.detect(head.fit(features.images))[0], features.image_sizes[0])


def objects_of(batch: dict[str, Any], images: Tensor, *, most: int) -> Objects:
    """Return the objects of a batch, with ``most`` places an image.

    Args:
        batch: ``boxes``, for each image float (N, 4), XYXY in pixels, and ``labels``, int64 (N,).
        images: (B, C, H, W), padded as the network takes them.
        most: at least the largest N.
    """
    labels = torch.zeros(len(images), most, dtype=torch.int64, device=images.device)
    boxes = torch.zeros(len(images), most, 4, device=images.device)
    sides = torch.tensor([images.shape[3], images.shape[2]] * 2, dtype=torch.float32, device=images.device)
    for place, (own_boxes, own_labels) in enumerate(zip(batch["boxes"], batch["labels"], strict=True)):
        labels[place, : len(own_labels)] = own_labels
        boxes[place, : len(own_boxes)] = box_convert(own_boxes.reshape(-1, 4).float() / sides, "xyxy", "cxcywh")
    return Objects(labels, boxes, [len(own) for own in batch["boxes"]])
