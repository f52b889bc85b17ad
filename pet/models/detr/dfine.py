"""D-FINE (https://arxiv.org/abs/2410.13842): edges of boxes are distributions, which layers refine and learn from the last one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from pet.losses.fine_grained import EdgeScale, EdgeShare, distillation_loss, fine_grained_loss
from pet.losses.set_prediction import (
    Costs,
    Matches,
    ObjectCounts,
    Objects,
    box_losses,
    match_queries,
    matched_overlaps,
    varifocal_loss,
)
from pet.models.classifiers import synchronise_batch_norm
from pet.models.detr.denoising import NoiseRules, NoisyQueries, make_noisy_queries
from pet.models.detr.head import Found, SetDetectionHead
from pet.models.detr.networks import build_network
from pet.models.detr.sizes import DFINE_SIZES
from pet.models.features import FeatureInfo
from pet.typed import VisionConfig
from petlib.config import keys_in_errors

EDGES = 4


class Weights(NamedTuple):
    """Of the losses: scores, differences of boxes, overlaps, distances of edges, distillation; and the numbers of the varifocal loss."""

    score: float
    box: float
    overlap: float
    edge: float
    distillation: float
    alpha: float
    gamma: float


class Layers(NamedTuple):
    """What all layers of the decoder say of the same queries.

    Attributes:
        logits: float32 (L + 1, B, Q, K), with the first boxes in front.
        boxes: float32 (L + 1, B, Q, 4), likewise.
        edges: float32 (L, B, Q, 4, N + 1).
        starts: float32 (L, B, Q, 4): the first boxes, without gradients.
    """

    logits: Tensor
    boxes: Tensor
    edges: Tensor
    starts: Tensor


class DFineHead(SetDetectionHead):
    """D-FINE.

    The losses are those of the paper with two differences: they are divided by the objects of all processes and of all parts of a step,
    and each layer learns from its own matches, not from the union of all layers', whose number is only known when all parts are done.

    Args:
        network: ``transformers.DFineModel`` with the heads of its decoder.
        noise: of the further queries of a training.
        costs: what queries and objects are matched by.
        weights: of the losses.
        score_threshold: detections with a lower score are dropped.
        most: greatest number of detections of an image.
    """

    def __init__(self, network: nn.Module, *, noise: NoiseRules, costs: Costs, weights: Weights, score_threshold: float, most: int) -> None:
        config = cast("Any", network).config
        super().__init__(
            network,
            num_queries=config.num_queries,
            divisor=max(config.feat_strides),
            square=False,
            score_threshold=score_threshold,
            most=most,
        )
        self.num_classes: int = config.num_labels
        self.noise = noise
        self.costs = costs
        self.weights = weights

    def find(self, images: Tensor) -> Found:
        """Return what the last layer says."""
        outputs: Any = self.network(images)
        return Found(outputs.intermediate_logits[:, -1], outputs.intermediate_reference_points[:, -1])

    def learn(self, images: Tensor, objects: Objects, counts: ObjectCounts, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the losses of all layers, and of those queries that are objects with noise."""
        noisy = None
        if self.noise.queries:
            noisy = make_noisy_queries(
                objects, batch, most=counts.most, num_classes=self.num_classes, num_queries=self.num_queries, rules=self.noise
            )
        with self._with_queries(noisy):
            outputs: Any = self.network(images)
        with torch.autocast(images.device.type, enabled=False):
            layers = _layers(outputs)
            others = 0 if noisy is None else noisy.labels.shape[1]
            losses = self._losses_of_found(_cut(layers, others, None), outputs, objects, counts)
            if noisy is not None:
                losses["loss_denoising"] = self._loss_of_noisy(_cut(layers, 0, others), noisy, objects, counts)
        return losses

    @contextmanager
    def _with_queries(self, noisy: NoisyQueries | None) -> Iterator[None]:
        """Put further queries in front of those of the decoder."""
        if noisy is None:
            yield
            return
        network = cast("Any", self.network)
        embeddings = network.denoising_class_embed(noisy.labels)

        def add(_: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
            found = named["inputs_embeds"]
            return args, {
                **named,
                "inputs_embeds": torch.cat([embeddings.to(found.dtype), found], dim=1),
                "reference_points": torch.cat([noisy.boxes.to(found.dtype), named["reference_points"]], dim=1),
                "encoder_attention_mask": noisy.mask.to(found.dtype),
            }

        handle = network.decoder.register_forward_pre_hook(add, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()

    def _losses_of_found(self, layers: Layers, outputs: Any, objects: Objects, counts: ObjectCounts) -> dict[str, Tensor]:
        logits = torch.cat([layers.logits, outputs.enc_topk_logits.float()[None]])
        boxes = torch.cat([layers.boxes, outputs.enc_topk_bboxes.float()[None]])
        matches = match_queries(logits, boxes, objects, self.costs)
        losses = self._score_and_box_losses(logits, boxes, objects, matches, count=counts.objects)
        edges = layers.edges.shape[2] * counts.images
        share = EdgeShare(EDGES * counts.matched, EDGES * (edges - counts.matched))
        return {**losses, **self._edge_losses(layers, objects, matches, count=counts.objects, share=share)}

    def _loss_of_noisy(self, layers: Layers, noisy: NoisyQueries, objects: Objects, counts: ObjectCounts) -> Tensor:
        matches = _repeated(noisy.matches, len(layers.logits))
        count = counts.objects * noisy.groups
        losses = self._score_and_box_losses(layers.logits, layers.boxes, objects, matches, count=count)
        near = counts.objects * noisy.groups
        share = EdgeShare(EDGES * near, EDGES * (layers.edges.shape[2] * counts.images - near))
        losses |= self._edge_losses(layers, objects, matches, count=count, share=share)
        return torch.stack([*losses.values()]).sum()

    def _score_and_box_losses(
        self, logits: Tensor, boxes: Tensor, objects: Objects, matches: Matches, *, count: float
    ) -> dict[str, Tensor]:
        overlaps, weights = matched_overlaps(boxes, objects, matches), self.weights
        score = varifocal_loss(logits, overlaps, objects.labels, matches, alpha=weights.alpha, gamma=weights.gamma) / count
        box, overlap = box_losses(boxes, objects, matches, count=count)
        return {"loss_score": weights.score * score, "loss_box": weights.box * box, "loss_overlap": weights.overlap * overlap}

    def _edge_losses(self, layers: Layers, objects: Objects, matches: Matches, *, count: float, share: EdgeShare) -> dict[str, Tensor]:
        """Return the losses of the layers that have edges; the first boxes, and those of the encoder, have none."""
        has_edges = (matches.layers > 0) & (matches.layers <= len(layers.edges))
        own = Matches(*(column[has_edges] for column in matches))
        own = own._replace(layers=own.layers - 1)
        overlaps = matched_overlaps(layers.boxes[1:], objects, own)
        decoder = cast("Any", self.network).decoder
        scale = EdgeScale(decoder.up.float(), decoder.reg_scale.float())
        edge = fine_grained_loss(layers.edges, layers.starts, overlaps, objects, own, scale=scale, count=count)
        distillation = distillation_loss(layers.edges, layers.logits[-1], overlaps, own, share=share)
        return {"loss_edge": self.weights.edge * edge, "loss_distillation": self.weights.distillation * distillation}


def _layers(outputs: Any) -> Layers:
    edges = outputs.intermediate_predicted_corners.float()
    return Layers(
        logits=outputs.intermediate_logits.float().transpose(0, 1),
        boxes=outputs.intermediate_reference_points.float().transpose(0, 1),
        edges=edges.unflatten(-1, (EDGES, -1)).transpose(0, 1),
        starts=outputs.initial_reference_points.float().transpose(0, 1),
    )


def _cut(layers: Layers, first: int, end: int | None) -> Layers:
    """Return what the layers say of some queries."""
    return Layers(*(field[:, :, first:end] for field in layers))


def _repeated(matches: Matches, count: int) -> Matches:
    """Return the same matches for each of ``count`` layers."""
    layers = torch.arange(count, device=matches.images.device).repeat_interleave(len(matches.images))
    return Matches(layers, *(column.repeat(count) for column in matches[1:]))


def build_dfine(cfg: VisionConfig, _: FeatureInfo) -> nn.Module:
    """Return the network of ``MODEL.BOX.DFINE`` with random weights as a box head; it looks at no maps.

    Raises:
        ConfigError: transformers is missing, or does not take the arguments.
    """
    settings = cfg.MODEL.BOX.DFINE
    own = {"num_labels": cfg.MODEL.NUM_CLASSES, "freeze_backbone_batch_norms": cfg.MODEL.FROZEN_BN}
    with keys_in_errors(cfg):
        network = build_network("d_fine", "ForObjectDetection", DFINE_SIZES[settings.SIZE], settings.ARGS, own).model
    for convolution in network.modules():
        # transformers begins with weights so small that no image makes a difference until batch norms have seen some
        if isinstance(convolution, nn.Conv2d) and convolution.bias is None:
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    config = network.config
    head = DFineHead(
        network,
        noise=NoiseRules(config.num_denoising, config.label_noise_ratio, config.box_noise_scale),
        costs=Costs(
            config.matcher_class_cost, config.matcher_bbox_cost, config.matcher_giou_cost, config.matcher_alpha, config.matcher_gamma
        ),
        weights=Weights(
            config.weight_loss_vfl,
            config.weight_loss_bbox,
            config.weight_loss_giou,
            config.weight_loss_fgl,
            config.weight_loss_ddf,
            config.focal_loss_alpha,
            config.focal_loss_gamma,
        ),
        score_threshold=cfg.TEST.SCORE_THRESHOLD,
        most=cfg.TEST.DETECTIONS_PER_IMAGE,
    )
    return synchronise_batch_norm(head, cfg) if cfg.MODEL.SYNC_BN else head
