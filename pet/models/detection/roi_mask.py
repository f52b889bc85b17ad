"""The head that outlines the object in each region, of Mask R-CNN (https://arxiv.org/abs/1703.06870)."""

from typing import Any, cast

from torch import Tensor, nn
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.roi_heads import maskrcnn_inference, maskrcnn_loss

from pet.models.detection.roi_pooling import RegionPooling, positive_regions, region_strides
from pet.models.features import FeatureInfo, Features, HeadOutput, Regions
from petlib.config import CfgNode


class MaskHead(nn.Module):
    """Gives each region a mask for every class and takes the one of its class.

    ``head`` and ``predictor`` are torchvision's ``roi_heads.mask_head`` and ``roi_heads.mask_predictor``, so that their weights fit key
    for key. The predictor therefore has a channel more than there are classes: its first is the background, which nothing reads.

    Args:
        strides: of the maps ``"0"``, ``"1"``, ... that regions are pooled from.
        in_channels: channels of these maps.
        channels: of the convolutions.
        num_classes: without the background.
        pool: height and width of the pooled features; masks have M = 2 * pool pixels along each edge.
    """

    def __init__(self, *, strides: tuple[int, ...], in_channels: int, channels: list[int], num_classes: int, pool: int) -> None:
        super().__init__()
        width = channels[-1] if channels else in_channels
        self.pooling = RegionPooling(strides=strides, size=pool)
        self.head = MaskRCNNHeads(in_channels, channels, dilation=1)
        self.predictor = MaskRCNNPredictor(width, width, num_classes + 1)

    def forward(self, features: Features, batch: dict[str, Any], regions: Regions) -> HeadOutput:
        """Return ``loss_mask`` in training, and in evaluation ``masks`` as :meth:`decode` gives them.

        Args:
            features: of the batch.
            batch: in training ``labels``, int64 (N,), and ``masks``, uint8 (N, H, W), for each image.
            regions: what the box head found.
        """
        if not self.training:
            return HeadOutput(predictions=self.decode(self.predict(features, regions.boxes, regions.labels), regions))
        boxes, matched = positive_regions(regions)
        labels = [labels + 1 for labels in batch["labels"]]
        loss = maskrcnn_loss(self._logits(features, boxes), boxes, list(batch["masks"]), labels, matched)
        return HeadOutput(losses={"loss_mask": loss})

    def predict(self, features: Features, boxes: list[Tensor], labels: list[Tensor]) -> list[Tensor]:
        """Return for each image float32 (N, M, M), the probability that a pixel of the box belongs to the object.

        Several views of an image can be averaged before :meth:`decode`.

        Args:
            features: of the batch.
            boxes: for each image float32 (N, 4), XYXY, in the coordinates of the padded batch.
            labels: for each image int64 (N,), classes from 0.
        """
        probabilities = maskrcnn_inference(self._logits(features, boxes), [label + 1 for label in labels])
        return [masks.squeeze(1) for masks in probabilities]

    def decode(self, raw: list[Tensor], regions: Regions) -> list[dict[str, Tensor]]:
        """Return for each image ``masks``, float32 (N, M, M), probabilities over the area of the box."""
        return [{"masks": masks} for masks in raw]

    def _logits(self, features: Features, boxes: list[Tensor]) -> Tensor:
        logits = self.predictor(self.head(self.pooling(features, boxes)))
        return cast("Tensor", logits).float()


def build_mask_head(cfg: CfgNode, info: FeatureInfo) -> MaskHead:
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
