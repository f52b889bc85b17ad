"""The head that finds the parts of the object in each region, of Parsing R-CNN (https://arxiv.org/abs/1811.12596)."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from pet.losses.parsing import crop_part_labels, part_iou_loss, part_map_loss
from pet.models.detection.parsing_modules import PartPredictor, QualityEstimate, build_region_body
from pet.models.detection.roi_pooling import RegionPooling, positive_regions, region_strides
from pet.models.features import FeatureInfo, Features, HeadOutput, Regions
from pet.typed import VisionConfig


class ParsingHead(nn.Module):
    """Gives each region a probability of every part at every pixel, and an estimate of how good that map is.

    Regions of every size are pooled from the finest map, as the paper does: parts are small.

    Args:
        stride: of the finest map, ``"0"``.
        in_channels: channels of this map.
        channels: of the convolutions; the first is also that of the context encoding.
        num_parts: P, with the background.
        pool: height and width of the pooled features; part maps have M = 4 * pool pixels along each edge.
        context: begin with :class:`~pet.models.detection.parsing_modules.ContextEncoding`.
        rescore: learn the estimate and multiply scores with it.
        loss_weight: of ``loss_parsing``.
        rescore_loss_weight: of ``loss_parsing_iou``.
    """

    def __init__(
        self,
        *,
        stride: int,
        in_channels: int,
        channels: list[int],
        num_parts: int,
        pool: int,
        context: bool,
        rescore: bool,
        loss_weight: float,
        rescore_loss_weight: float,
    ) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.rescore_loss_weight = rescore_loss_weight
        self.pooling = RegionPooling(strides=(stride,), size=pool)
        self.context, self.head, width = build_region_body(in_channels=in_channels, channels=channels, context=context)
        self.predictor = PartPredictor(in_channels=width, num_parts=num_parts)
        self.quality = QualityEstimate(num_parts=num_parts) if rescore else None

    def forward(self, features: Features, batch: dict[str, Any], regions: Regions) -> HeadOutput:
        """Return losses in training, and in evaluation ``parsing`` and ``parsing_scores`` as :meth:`decode` gives them.

        Args:
            features: of the batch.
            batch: in training for each image ``parsing``, uint8 (H, W), ``instances``, integers (H, W), and ``instance_ids``, int64
                (N,); nothing is learnt from objects whose id is 0.
            regions: what the box head found.
        """
        if not self.training:
            return HeadOutput(predictions=self.decode(self.predict(features, regions.boxes, regions.labels), regions))
        boxes, matched = positive_regions(regions)
        logits = self._logits(features, boxes)
        target = part_targets(batch, boxes, matched, size=logits.shape[-1])
        losses = {"loss_parsing": self.loss_weight * part_map_loss(logits, target)}
        if self.quality is not None:
            # the estimate judges the map and does not shape it
            estimate = self.quality(logits.detach().softmax(dim=1))
            losses["loss_parsing_iou"] = self.rescore_loss_weight * part_iou_loss(estimate, logits, target)
        return HeadOutput(losses=losses)

    def predict(self, features: Features, boxes: list[Tensor], labels: list[Tensor]) -> list[Tensor]:
        """Return for each image float32 (N, P, M, M), probabilities of the parts over the area of the box.

        Several views of an image can be averaged before :meth:`decode`.

        Args:
            features: of the batch.
            boxes: for each image float32 (N, 4), XYXY, in the coordinates of the padded batch.
            labels: for each image int64 (N,); of no meaning here, all classes have the same parts.
        """
        return list(torch.split(self._logits(features, boxes).softmax(dim=1), [len(box) for box in boxes]))

    def decode(self, raw: list[Tensor], regions: Regions) -> list[dict[str, Tensor]]:
        """Return for each image ``parsing``, float32 (N, P, M, M), and ``parsing_scores``, float32 (N,) from 0 to 1.

        The score is that of the box, times the estimated mean intersection over union of the parts where that is learnt.

        Args:
            raw: as :meth:`predict` gives it.
            regions: the detections, with ``scores``.
        """
        return [{"parsing": maps, "parsing_scores": self._scores(maps, scores)} for maps, scores in zip(raw, regions.scores, strict=True)]

    def _scores(self, maps: Tensor, scores: Tensor) -> Tensor:
        return scores if self.quality is None else scores * self.quality(maps).float().clamp(0, 1)

    def _logits(self, features: Features, boxes: list[Tensor]) -> Tensor:
        pooled = self.pooling(features, boxes)
        logits = self.predictor(self.head(pooled if self.context is None else self.context(pooled)))
        return cast("Tensor", logits).float()


def part_targets(batch: dict[str, Any], boxes: list[Tensor], matched: list[Tensor], *, size: int) -> Tensor:
    """Return the target of each region, int64 (R, size, size): its object's part labels, 0 for others, 255 for ignored.

    Args:
        batch: ``parsing``, ``instances`` and ``instance_ids`` for each image.
        boxes: float (R_i, 4) for each image, XYXY, in the coordinates of the padded batch.
        matched: int64 (R_i,) for each image, places in ``instance_ids``.
        size: height and width of the result.
    """
    fields = zip(batch["parsing"], batch["instances"], batch["instance_ids"], boxes, matched, strict=True)
    crops = [
        crop_part_labels(parsing, instances, boxes=image_boxes, instance_ids=ids[places], size=size)
        for parsing, instances, ids, image_boxes, places in fields
    ]
    return torch.cat(crops)


def build_parsing_head(cfg: VisionConfig, info: FeatureInfo) -> ParsingHead:
    """Return the head for ``MODEL.PARSING``.

    Raises:
        ConfigError: the model has no neck.
    """
    settings = cfg.MODEL.PARSING
    return ParsingHead(
        stride=region_strides(info, switch="MODEL.HAS_PARSING")[0],
        in_channels=info.map_channels,
        channels=list(settings.CHANNELS),
        num_parts=settings.NUM_PARTS,
        pool=settings.POOL,
        context=settings.CONTEXT,
        rescore=settings.RESCORE,
        loss_weight=settings.LOSS_WEIGHT,
        rescore_loss_weight=settings.RESCORE_LOSS_WEIGHT,
    )
