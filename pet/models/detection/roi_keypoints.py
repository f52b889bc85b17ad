"""The head that finds the keypoints of the object in each region, of Mask R-CNN (https://arxiv.org/abs/1703.06870, section 5)."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads, KeypointRCNNPredictor
from torchvision.models.detection.roi_heads import keypointrcnn_inference, keypointrcnn_loss

from pet.models.detection.roi_pooling import RegionPooling, positive_regions, region_strides
from pet.models.features import FeatureInfo, Features, HeadOutput, Regions
from petlib.config import CfgNode


class KeypointHead(nn.Module):
    """Gives each region one heatmap for each keypoint; the keypoint is where its heatmap is greatest.

    ``head`` and ``predictor`` are torchvision's ``roi_heads.keypoint_head`` and ``roi_heads.keypoint_predictor``, so that their weights
    fit key for key.

    Args:
        strides: of the maps ``"0"``, ``"1"``, ... that regions are pooled from.
        in_channels: channels of these maps.
        channels: of the convolutions.
        num_keypoints: K.
        pool: height and width of the pooled features; heatmaps have 4 * pool pixels along each edge.
    """

    def __init__(self, *, strides: tuple[int, ...], in_channels: int, channels: list[int], num_keypoints: int, pool: int) -> None:
        super().__init__()
        self.pooling = RegionPooling(strides=strides, size=pool)
        self.head = KeypointRCNNHeads(in_channels, channels)
        self.predictor = KeypointRCNNPredictor(channels[-1] if channels else in_channels, num_keypoints)

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
        loss = keypointrcnn_loss(self._logits(features, boxes), boxes, list(batch["keypoints"]), matched)
        return HeadOutput(losses={"loss_keypoints": loss})

    def predict(self, features: Features, boxes: list[Tensor], labels: list[Tensor]) -> list[Tensor]:
        """Return for each image float32 (N, K, 4 * pool, 4 * pool), the heatmaps over the area of the box, as logits.

        Several views of an image can be averaged before :meth:`decode`.

        Args:
            features: of the batch.
            boxes: for each image float32 (N, 4), XYXY, in the coordinates of the padded batch.
            labels: for each image int64 (N,); of no meaning here, all classes have the same keypoints.
        """
        return list(torch.split(self._logits(features, boxes), [len(box) for box in boxes]))

    def decode(self, raw: list[Tensor], regions: Regions) -> list[dict[str, Tensor]]:
        """Return for each image ``keypoints``, float32 (N, K, 3): x, y in the frame of the boxes, and the logit at that place.

        Args:
            raw: as :meth:`predict` gives it.
            regions: whose ``boxes`` the keypoints lie in.
        """
        points, scores = keypointrcnn_inference(torch.cat(raw), regions.boxes)
        return [{"keypoints": torch.cat([p[..., :2], s[..., None]], dim=-1)} for p, s in zip(points, scores, strict=True)]

    def _logits(self, features: Features, boxes: list[Tensor]) -> Tensor:
        logits = self.predictor(self.head(self.pooling(features, boxes)))
        return cast("Tensor", logits).float()


def build_keypoint_head(cfg: CfgNode, info: FeatureInfo) -> KeypointHead:
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
