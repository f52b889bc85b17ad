"""A detector of points: pillars, a backbone on their map, and a head."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pet.models.classifiers import synchronise_batch_norm
from pet.models.detection3d.anchor_head import Anchor, AnchorHead
from pet.models.detection3d.boxes import Candidates, select_boxes
from pet.models.detection3d.center_head import CenterHead
from pet.models.detection3d.pillars import Grid, MapBackbone, PillarEncoder
from pet.typed import TddetConfig
from petlib.config import keys_in_errors


class PointDetector(nn.Module):
    """Points to losses, or to boxes in space.

    Args:
        encoder: points to a map.
        backbone: of the map.
        head: gives losses, or candidates.
        min_score: see :func:`pet.models.detection3d.boxes.select_boxes`.
        max_overlap: likewise.
        most: likewise.
    """

    def __init__(
        self,
        *,
        encoder: PillarEncoder,
        backbone: MapBackbone,
        head: CenterHead | AnchorHead,
        min_score: float,
        max_overlap: float,
        most: int,
    ) -> None:
        super().__init__()
        self.encoder, self.backbone, self.head = encoder, backbone, head
        self._select = partial(select_boxes, min_score=min_score, max_overlap=max_overlap, most=most)

    def forward(self, batch: dict[str, Any]) -> Any:
        """Return losses and metrics in training, else ``boxes3d``, ``scores3d`` and ``labels3d`` of each frame.

        Args:
            batch: ``points``, a list of float (P, C), and in training ``boxes3d`` and ``labels3d``.
        """
        frames: list[Tensor] = list(batch["points"])
        counts = torch.tensor([len(points) for points in frames], device=frames[0].device)
        places = torch.arange(len(frames), device=frames[0].device).repeat_interleave(counts)
        maps = self.backbone(self.encoder(torch.cat(frames), places, len(frames)))
        if self.training:
            return {"losses": self.head.losses(maps, list(batch["boxes3d"]), list(batch["labels3d"])), "metrics": {}}
        return self._select(self.head.detect(maps))

    def loss_counts(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return what all losses count over that is in each frame, see :class:`petlib.engine.CountsLosses`."""
        return {"loss_": self.head.loss_counts(list(batch["boxes3d"]), list(batch["labels3d"]))}

    def candidates(self, points: Tensor) -> Candidates:
        """Return the boxes of one frame (P, C) before suppression."""
        places = torch.zeros(points.shape[0], dtype=torch.int64, device=points.device)
        return self.head.detect(self.backbone(self.encoder(points, places, 1)))


def build_model(cfg: TddetConfig) -> PointDetector:
    """Return the network of the ``MODEL`` section, with random weights."""
    model, blocks = cfg.MODEL, cfg.MODEL.BLOCKS
    low, high = tuple(model.RANGE[:3]), tuple(model.RANGE[3:])
    grid = Grid((low[0], low[1], low[2]), (high[0], high[1], high[2]), model.PILLAR)
    with keys_in_errors(cfg):
        encoder = PillarEncoder(grid, channels=model.POINT_CHANNELS, width=model.WIDTH)
        backbone = MapBackbone(
            in_channels=model.WIDTH,
            layers=list(blocks.LAYERS),
            strides=list(blocks.STRIDES),
            channels=list(blocks.CHANNELS),
            up_channels=blocks.UP_CHANNELS,
        )
        detector = PointDetector(
            encoder=encoder,
            backbone=backbone,
            head=_build_head(cfg, backbone, grid),
            min_score=cfg.TEST.SCORE_THRESHOLD,
            max_overlap=cfg.TEST.NMS,
            most=cfg.TEST.MAX_BOXES,
        )
    if model.SYNC_BN:
        synchronise_batch_norm(detector, cfg)
    return detector


def _build_head(cfg: TddetConfig, backbone: MapBackbone, grid: Grid) -> CenterHead | AnchorHead:
    if cfg.MODEL.HEAD == "center":
        return CenterHead(
            num_classes=cfg.MODEL.NUM_CLASSES,
            width=cfg.MODEL.HEAD_CHANNELS,
            in_channels=backbone.out_channels,
            grid=grid,
            stride=backbone.stride,
            most=cfg.TEST.CANDIDATES,
        )
    anchors = []
    for entry in cfg.MODEL.ANCHORS:
        length, width, height = map(float, entry["size"])
        anchors.append(Anchor((length, width, height), float(entry["bottom"]), float(entry["matched"]), float(entry["unmatched"])))
    return AnchorHead(anchors=anchors, in_channels=backbone.out_channels, grid=grid, stride=backbone.stride, most=cfg.TEST.CANDIDATES)
