"""RF-DETR (https://arxiv.org/abs/2511.09554): a DINOv2 that looks through windows, a decoder that learns from groups of queries."""

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from pet.losses.set_prediction import Costs, ObjectCounts, Objects, box_losses, match_queries, matched_overlaps, overlap_aware_loss
from pet.models.detr.head import SetDetectionHead
from pet.models.detr.networks import build_network
from pet.models.detr.sizes import RFDETR_SIZES
from pet.models.features import FeatureInfo
from pet.typed import VisionConfig
from petlib.config import keys_in_errors


class Weights(NamedTuple):
    """Of the losses: scores, differences of boxes, and overlaps; and the share of the score in what scores are to be."""

    score: float
    box: float
    overlap: float
    alpha: float


class RfDetrHead(SetDetectionHead):
    """RF-DETR. In training there are several groups of queries, each of which is matched with all objects by itself.

    Args:
        network: ``transformers.RfDetrForObjectDetection``.
        costs: what queries and objects are matched by.
        weights: of the losses.
        score_threshold: detections with a lower score are dropped.
        most: greatest number of detections of an image.
    """

    def __init__(self, network: nn.Module, *, costs: Costs, weights: Weights, score_threshold: float, most: int) -> None:
        config = cast("Any", network).config
        backbone = config.backbone_config
        super().__init__(
            network,
            num_queries=config.num_queries,
            divisor=backbone.patch_size * backbone.num_windows,
            square=True,
            score_threshold=score_threshold,
            most=most,
        )
        self.groups: int = config.group_detr
        self.costs = costs
        self.weights = weights

    def find(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the last layer says of the first group."""
        outputs: Any = self.network(images)
        return outputs.logits, outputs.pred_boxes

    def learn(self, images: Tensor, objects: Objects, counts: ObjectCounts, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the losses of all layers and groups."""
        del batch
        network = cast("Any", self.network)
        outputs = network.model(images)
        logits, boxes = network.predict_class_and_boxes(outputs.intermediate_hidden_states, outputs.intermediate_reference_points)
        first = network.predict_encoder_class_logits(outputs.enc_outputs_class)
        with torch.autocast(images.device.type, enabled=False):
            logits = self._by_group(torch.cat([logits.float(), first.float()[None]]))
            boxes = self._by_group(torch.cat([boxes.float(), outputs.enc_outputs_coord_logits.float()[None]]))
            matches = match_queries(logits, boxes, objects, self.costs)
            overlaps, weights, count = matched_overlaps(boxes, objects, matches), self.weights, counts.objects * self.groups
            score = overlap_aware_loss(logits, overlaps, objects.labels, matches, alpha=weights.alpha) / count
            box, overlap = box_losses(boxes, objects, matches, count=count)
        return {"loss_score": weights.score * score, "loss_box": weights.box * box, "loss_overlap": weights.overlap * overlap}

    def _by_group(self, values: Tensor) -> Tensor:
        """Return (L G, B, Q, ...) of (L, B, G Q, ...): groups are matched as layers are."""
        layers, images, _, length = values.shape
        return values.reshape(layers, images, self.groups, -1, length).transpose(1, 2).flatten(0, 1)


def build_rfdetr(cfg: VisionConfig, _: FeatureInfo) -> RfDetrHead:
    """Return the network of ``MODEL.BOX.RFDETR`` with random weights as a box head; it looks at no maps.

    Raises:
        ConfigError: transformers is missing, or does not take the arguments.
    """
    settings = cfg.MODEL.BOX.RFDETR
    own = {"num_labels": cfg.MODEL.NUM_CLASSES}
    with keys_in_errors(cfg):
        network = build_network("rf_detr", "ForObjectDetection", RFDETR_SIZES[settings.SIZE], settings.ARGS, own)
    config = network.config
    return RfDetrHead(
        network,
        costs=Costs(config.class_cost, config.bbox_cost, config.giou_cost),
        weights=Weights(config.class_loss_coefficient, config.bbox_loss_coefficient, config.giou_loss_coefficient, config.focal_alpha),
        score_threshold=cfg.TEST.SCORE_THRESHOLD,
        most=cfg.TEST.DETECTIONS_PER_IMAGE,
    )
