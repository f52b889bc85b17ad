"""Heads that look into regions, of Mask R-CNN (https://arxiv.org/abs/1703.06870): the outline of the object in each, and its keypoints."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads, KeypointRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.roi_heads import keypointrcnn_inference, keypointrcnn_loss, maskrcnn_inference, maskrcnn_loss

from pet.models.detection.roi_pooling import RegionPooling, positive_regions, region_strides
from pet.models.features import FeatureInfo, Features, HeadOutput, Regions
from pet.typed import VisionConfig

UNKNOWN = 255
"""All pixels of the mask of an object that has no outline."""


class RegionHead(nn.Module):
    """Pools the features of each region, and makes logits of them.

    ``head`` and ``predictor`` are torchvision's, of its ``roi_heads``, so that their weights fit key for key.

    Args:
        pooling: of the regions.
        head: convolutions.
        predictor: gives the logits.
    """

    def __init__(self, *, pooling: RegionPooling, head: nn.Module, predictor: nn.Module) -> None:
        super().__init__()
        self.pooling = pooling
        self.head = head
        self.predictor = predictor

    def logits(self, features: Features, boxes: list[Tensor]) -> Tensor:
        """Return the logits of the regions of all images one after the other, float32."""
        logits = self.predictor(self.head(self.pooling(features, boxes)))
        return cast("Tensor", logits).float()


class MaskHead(RegionHead):
    """Gives each region a mask for every class and takes the one of its class.

    As in torchvision the predictor has a channel more than there are classes: its first is the background, which nothing reads.

    Args:
        strides: of the maps ``"0"``, ``"1"``, ... that regions are pooled from.
        in_channels: channels of these maps.
        channels: of the convolutions.
        num_classes: without the background.
        pool: height and width of the pooled features; masks have M = 2 * pool pixels along each edge.
    """

    def __init__(self, *, strides: tuple[int, ...], in_channels: int, channels: list[int], num_classes: int, pool: int) -> None:
        width = channels[-1] if channels else in_channels
        super().__init__(
            pooling=RegionPooling(strides=strides, size=pool),
            head=MaskRCNNHeads(in_channels, channels, dilation=1),
            predictor=MaskRCNNPredictor(width, width, num_classes + 1),
        )

    def forward(self, features: Features, batch: dict[str, Any], regions: Regions) -> HeadOutput:
        """Return ``loss_mask`` in training, and in evaluation ``masks`` as :meth:`decode` gives them.

        Args:
            features: of the batch.
            batch: in training ``labels``, int64 (N,), and ``masks``, uint8 (N, H, W), for each image.
            regions: what the box head found.
        """
        if not self.training:
            return HeadOutput(predictions=self.decode(self.predict(features, regions.boxes, regions.labels), regions))
        # of an object without an outline all pixels are 255, so that one of them says it
        boxes, matched = positive_regions(regions, [masks[:, 0, 0] != UNKNOWN for masks in batch["masks"]])
        labels = [labels + 1 for labels in batch["labels"]]
        loss = maskrcnn_loss(self.logits(features, boxes), boxes, list(batch["masks"]), labels, matched)
        return HeadOutput(losses={"loss_mask": loss})

    def predict(self, features: Features, boxes: list[Tensor], labels: list[Tensor]) -> list[Tensor]:
        """Return for each image float32 (N, M, M), the probability that a pixel of the box belongs to the object.

        Several views of an image can be averaged before :meth:`decode`.

        Args:
            features: of the batch.
            boxes: for each image float32 (N, 4), XYXY, in the coordinates of the padded batch.
            labels: for each image int64 (N,), classes from 0.
        """
        probabilities = maskrcnn_inference(self.logits(features, boxes), [label + 1 for label in labels])
        return [masks.squeeze(1) for masks in probabilities]

    def decode(self, raw: list[Tensor], regions: Regions) -> list[dict[str, Tensor]]:
        """Return for each image ``masks``, float32 (N, M, M), probabilities over the area of the box."""
        return [{"masks": masks} for masks in raw]


def build_mask_head(cfg: VisionConfig, info: FeatureInfo) -> MaskHead:
    """Return the head for ``MODEL.MASK``.

    Raises:
        ConfigError: the model has no neck.
    """
    settings = cfg.MODEL.MASK
    return MaskHead(
        strides=region_strides(info, switch="MODEL.HAS_MASK"),
        in_channels=info.map_channels,
        channels=list(settings.CHANNELS),
        num_classes=cfg.MODEL.NUM_CLASSES,
        pool=settings.POOL,
    )


class KeypointHead(RegionHead):
    """Gives each region one heatmap for each keypoint; the keypoint is where its heatmap is greatest.

    Args:
        strides: of the maps ``"0"``, ``"1"``, ... that regions are pooled from.
        in_channels: channels of these maps.
        channels: of the convolutions.
        num_keypoints: K.
        pool: height and width of the pooled features; heatmaps have 4 * pool pixels along each edge.
    """

    def __init__(self, *, strides: tuple[int, ...], in_channels: int, channels: list[int], num_keypoints: int, pool: int) -> None:
        super().__init__(
            pooling=RegionPooling(strides=strides, size=pool),
            head=KeypointRCNNHeads(in_channels, channels),
            predictor=KeypointRCNNPredictor(channels[-1] if channels else in_channels, num_keypoints),
        )

    def forward(self, features: Features, batch: dict[str, Any], regions: Regions) -> HeadOutput:
        """Return ``loss_keypoints`` in training, and in evaluation ``keypoints`` as :meth:`decode` gives them.

        The loss is the mean over the keypoints that are marked, hidden ones too, and lie inside of the region; 0 where there is none.

        Args:
            features: of the batch.
            batch: in training ``keypoints``, float32 (N, K, 3) of x, y, visibility, for each image.
            regions: what the box head found.
        """
        if not self.training:
            return HeadOutput(predictions=self.decode(self.predict(features, regions.boxes, regions.labels), regions))
        boxes, matched = positive_regions(regions)
        # torchvision takes views of logits that do not exist where channels lie last
        loss = keypointrcnn_loss(self.logits(features, boxes).contiguous(), boxes, list(batch["keypoints"]), matched)
        return HeadOutput(losses={"loss_keypoints": loss})

    def predict(self, features: Features, boxes: list[Tensor], labels: list[Tensor]) -> list[Tensor]:
        """Return for each image float32 (N, K, 4 * pool, 4 * pool), the heatmaps over the area of the box, as logits.

        Several views of an image can be averaged before :meth:`decode`.

        Args:
            features: of the batch.
            boxes: for each image float32 (N, 4), XYXY, in the coordinates of the padded batch.
            labels: for each image int64 (N,); of no meaning here, all classes have the same keypoints.
        """
        return list(torch.split(self.logits(features, boxes), [len(box) for box in boxes]))

    def decode(self, raw: list[Tensor], regions: Regions) -> list[dict[str, Tensor]]:
        """Return for each image ``keypoints``, float32 (N, K, 3): x, y in the frame of the boxes, and the logit at that place.

        Args:
            raw: as :meth:`predict` gives it.
            regions: whose ``boxes`` the keypoints lie in.
        """
        points, scores = keypointrcnn_inference(torch.cat(raw), regions.boxes)
        return [{"keypoints": torch.cat([p[..., :2], s[..., None]], dim=-1)} for p, s in zip(points, scores, strict=True)]


def build_keypoint_head(cfg: VisionConfig, info: FeatureInfo) -> KeypointHead:
    """Return the head for ``MODEL.KEYPOINTS``.

    Raises:
        ConfigError: the model has no neck.
    """
    settings = cfg.MODEL.KEYPOINTS
    return KeypointHead(
        strides=region_strides(info, switch="MODEL.HAS_KEYPOINTS"),
        in_channels=info.map_channels,
        channels=list(settings.CHANNELS),
        num_keypoints=settings.NUM_KEYPOINTS,
        pool=settings.POOL,
    )
