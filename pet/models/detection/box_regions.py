"""The second stage of detectors: what regions hold, and where exactly it is."""

from typing import NamedTuple

from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.roi_heads import RoIHeads, fastrcnn_loss

from pet.models.detection.roi_pooling import RegionPooling
from pet.models.detection.suppression import Suppression
from pet.models.features import Features, Regions


class Sample(NamedTuple):
    """Proposals of a batch that are learned from; one element for each image.

    Attributes:
        boxes: (R, 4), XYXY.
        matched: (R,), place of the object of each; 0 for background.
        labels: (R,), 0 for background, classes from 1.
        offsets: (R, 4), from the box to its object, as the box coder writes them.
    """

    boxes: list[Tensor]
    matched: list[Tensor]
    labels: list[Tensor]
    offsets: list[Tensor]

    def regions(self) -> Regions:
        """Return them for the heads after the box head."""
        return Regions(boxes=self.boxes, labels=[labels - 1 for labels in self.labels], matched=self.matched)


class BoxPredictor(FastRCNNPredictor):  # type: ignore[misc]  # torchvision has no types
    """torchvision's predictor, float32 under mixed precision too.

    Args:
        in_channels: length of the features of a region.
        num_classes: with the background.
        class_agnostic: one box for each region instead of one for each class.
    """

    def __init__(self, in_channels: int, num_classes: int, *, class_agnostic: bool = False) -> None:
        super().__init__(in_channels, num_classes)
        self.repeats = 1
        if class_agnostic:
            self.bbox_pred = nn.Linear(in_channels, 4)
            self.repeats = num_classes

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (R, C) and offsets (R, 4 * C); class-agnostic ones are repeated C times."""
        logits, offsets = super().forward(x)
        return logits.float(), offsets.float().repeat(1, self.repeats)


class BoxRegions(RoIHeads):  # type: ignore[misc]  # torchvision has no types
    """torchvision's box branch with our rules of suppression; matching, sampling, loss and decoding are torchvision's.

    Args:
        pool: maps and regions to features of regions.
        head: those to vectors.
        predictor: vectors to logits and offsets.
        positive_iou: intersection over union from which a proposal is an object.
        batch_size: proposals of an image that are learned from.
        positive_fraction: greatest share of objects among them.
        coder_weights: factors of the offsets x, y, width, height.
        suppression: which detections are given out.
    """

    def __init__(
        self,
        *,
        pool: RegionPooling,
        head: nn.Module,
        predictor: nn.Module,
        positive_iou: float,
        batch_size: int,
        positive_fraction: float,
        coder_weights: tuple[float, float, float, float],
        suppression: Suppression,
    ) -> None:
        super().__init__(
            pool,
            head,
            predictor,
            positive_iou,
            positive_iou,
            batch_size,
            positive_fraction,
            coder_weights,
            suppression.score_threshold,
            suppression.hard_threshold,
            suppression.hard_most,
        )
        self.suppression = suppression

    def sample(self, proposals: list[Tensor], targets: list[dict[str, Tensor]]) -> Sample:
        """Choose what to learn from among the proposals and the objects themselves."""
        boxes, matched, labels, offsets = self.select_training_samples(list(proposals), targets)
        return Sample(boxes, matched, labels, list(offsets))

    def predict(self, features: Features, boxes: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return logits (R, C) and offsets (R, 4 * C) of the regions of all images."""
        logits, offsets = self.box_predictor(self.box_head(self.box_roi_pool(features, boxes)))
        return logits, offsets

    def loss(self, logits: Tensor, offsets: Tensor, sample: Sample) -> tuple[Tensor, Tensor]:
        """Return the losses of classes and boxes; 0 where there is nothing to learn from."""
        if not len(logits):
            return logits.sum(), offsets.sum()
        classes, boxes = fastrcnn_loss(logits, offsets, sample.labels, sample.offsets)
        return classes, boxes

    def postprocess_detections(
        self, class_logits: Tensor, box_regression: Tensor, proposals: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Return boxes, scores and labels (from 1) of each image, the best first."""
        found = super().postprocess_detections(class_logits, box_regression, proposals, image_shapes)
        if self.suppression.is_soft:
            found = zip(*(self.suppression.soften(*image) for image in zip(*found, strict=True)), strict=True)
        boxes, scores, labels = map(list, found)
        return boxes, scores, labels
