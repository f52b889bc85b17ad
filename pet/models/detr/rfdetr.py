"""RF-DETR (https://arxiv.org/abs/2511.09554): a DINOv2 that looks through windows, a decoder that learns from groups of queries."""

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from pet.losses.set_masks import MaskRules, draw_points, mask_costs, mask_losses
from pet.losses.set_prediction import Costs, ObjectCounts, Objects, box_losses, match_queries, matched_overlaps, overlap_aware_loss
from pet.models.detr.head import Found, SetDetectionHead
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
        network: ``transformers.RfDetrForObjectDetection``, or ``RfDetrForInstanceSegmentation`` where ``masks`` are given.
        costs: what queries and objects are matched by.
        weights: of the losses.
        score_threshold: detections with a lower score are dropped.
        most: greatest number of detections of an image.
        masks: how masks are compared, in matching and in the losses; None: it finds none.
        mask_edge: height and width of the masks over their boxes.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        costs: Costs,
        weights: Weights,
        score_threshold: float,
        most: int,
        masks: MaskRules | None = None,
        mask_edge: int = 0,
    ) -> None:
        config = cast("Any", network).config
        backbone = config.backbone_config
        super().__init__(
            network,
            num_queries=config.num_queries,
            divisor=backbone.patch_size * backbone.num_windows,
            square=True,
            score_threshold=score_threshold,
            most=most,
            mask_edge=mask_edge if masks else 0,
        )
        self.groups: int = config.group_detr
        self.costs = costs
        self.weights = weights
        self.masks = masks

    def find(self, images: Tensor) -> Found:
        """Return what the last layer says of the first group."""
        outputs: Any = self.network(images)
        return Found(outputs.logits, outputs.pred_boxes, outputs.pred_masks if self.masks else None)

    def learn(self, images: Tensor, objects: Objects, counts: ObjectCounts, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the losses of all layers and groups."""
        network = cast("Any", self.network)
        detector = network.model if self.masks else network
        outputs = detector.model(images)
        logits, boxes = detector.predict_class_and_boxes(outputs.intermediate_hidden_states, outputs.intermediate_reference_points)
        first = detector.predict_encoder_class_logits(outputs.enc_outputs_class)
        masks = self._masks_of_layers(outputs, images) if self.masks else None
        with torch.autocast(images.device.type, enabled=False):
            logits = self._by_group(torch.cat([logits.float(), first.float()[None]]))
            boxes = self._by_group(torch.cat([boxes.float(), outputs.enc_outputs_coord_logits.float()[None]]))
            count = counts.objects * self.groups
            further = None
            if masks is not None and self.masks is not None:
                wanted = _stacked_masks(batch, images, most=objects.labels.shape[1])
                points = draw_points(batch, images, max(masks.shape[3] * masks.shape[4] // self.masks.share, 1), purpose="mask costs")
                further = mask_costs(masks, wanted, points, self.masks)
            matches = match_queries(logits, boxes, objects, self.costs, further)
            overlaps, weights = matched_overlaps(boxes, objects, matches), self.weights
            score = overlap_aware_loss(logits, overlaps, objects.labels, matches, alpha=weights.alpha) / count
            box, overlap = box_losses(boxes, objects, matches, count=count)
            losses = {"loss_score": weights.score * score, "loss_box": weights.box * box, "loss_overlap": weights.overlap * overlap}
            if masks is not None and self.masks is not None:
                entropy, dice = mask_losses(
                    masks,
                    wanted,
                    matches,
                    lambda number, purpose: draw_points(batch, images, number, purpose=purpose),
                    share=self.masks.share,
                    count=count,
                )
                losses |= {"loss_mask": self.masks.label * entropy, "loss_dice": self.masks.dice * dice}
        return losses

    def _masks_of_layers(self, outputs: Any, images: Tensor) -> Tensor:
        """Return the logits of masks, (L G, B, Q, h, w): of all layers, and last of the queries that the encoder proposes."""
        network, size = cast("Any", self.network), images.shape[2:]
        layers = network.segmentation_head(outputs.backbone_features, outputs.intermediate_hidden_states, size)
        first = network.segmentation_head(outputs.backbone_features, outputs.enc_outputs_class, size, skip_blocks=True)
        return self._by_group(torch.stack([*layers, first]))

    def _by_group(self, values: Tensor) -> Tensor:
        """Return (L G, B, Q, ...) of (L, B, G Q, ...): groups are matched as layers are."""
        layers, images, _, *rest = values.shape
        return values.reshape(layers, images, self.groups, -1, *rest).transpose(1, 2).flatten(0, 1)


def _stacked_masks(batch: dict[str, Any], images: Tensor, *, most: int) -> Tensor:
    """Return the masks of a batch with ``most`` places an image, uint8 (B, most, H, W), padded as the images are."""
    stacked = torch.zeros(len(images), most, *images.shape[2:], dtype=torch.uint8, device=images.device)
    for place, masks in enumerate(batch["masks"]):
        stacked[place, : len(masks), : masks.shape[1], : masks.shape[2]] = masks
    return stacked


def build_rfdetr(cfg: VisionConfig, _: FeatureInfo) -> RfDetrHead:
    """Return the network of ``MODEL.BOX.RFDETR`` with random weights as a box head, with masks where ``MODEL.HAS_MASK`` is on.

    Raises:
        ConfigError: transformers is missing, or does not take the arguments.
    """
    settings, has_masks = cfg.MODEL.BOX.RFDETR, cfg.MODEL.HAS_MASK
    own = {"num_labels": cfg.MODEL.NUM_CLASSES}
    kind = "ForInstanceSegmentation" if has_masks else "ForObjectDetection"
    with keys_in_errors(cfg):
        network = build_network("rf_detr", kind, RFDETR_SIZES[settings.SIZE], settings.ARGS, own)
    config = network.config
    rules = MaskRules(config.mask_class_loss_coefficient, config.mask_dice_loss_coefficient, config.mask_point_sample_ratio)
    return RfDetrHead(
        network,
        costs=Costs(config.class_cost, config.bbox_cost, config.giou_cost),
        weights=Weights(config.class_loss_coefficient, config.bbox_loss_coefficient, config.giou_loss_coefficient, config.focal_alpha),
        score_threshold=cfg.TEST.SCORE_THRESHOLD,
        most=cfg.TEST.DETECTIONS_PER_IMAGE,
        masks=rules if has_masks else None,
        mask_edge=settings.MASK_EDGE if has_masks else 0,
    )
