"""A detector of images: a backbone, the neck of CenterNet, and a head that knows how a camera sees."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from pet.models.detection3d.boxes import Candidates, select_boxes
from pet.models.detection3d.camera_angles import BinAngle, VectorAngle
from pet.models.detection3d.camera_depths import DepthCode, DepthEnsemble, DirectDepth, LogDepth
from pet.models.detection3d.camera_geometry import mirrored, place_boxes
from pet.models.detection3d.camera_head import CameraHead, Sightings
from pet.models.dla_up import DlaUp, build_dla_up
from pet.models.feature_extractor import build_feature_extractor
from pet.structures.affine import is_mirrored
from pet.structures.calibration import Calibration
from pet.typed import AnyConfig
from petlib.config import keys_in_errors

Metas = Sequence[Mapping[str, Any]]
"""``calibration`` of the file of each image and, where a transform moved it, ``matrix``."""


class CameraDetector(nn.Module):
    """Images to losses, or to boxes in space.

    Args:
        backbone: images to stages.
        neck: of these, one map.
        head: gives losses, or how a camera sees the boxes.
        min_score: see :func:`pet.models.detection3d.boxes.select_boxes`.
        max_overlap: likewise.
        most: likewise.
    """

    def __init__(self, *, backbone: nn.Module, neck: DlaUp, head: CameraHead, min_score: float, max_overlap: float, most: int) -> None:
        super().__init__()
        self.backbone, self.neck, self.head = backbone, neck, head
        self._select = partial(select_boxes, min_score=min_score, max_overlap=max_overlap, most=most, frame="camera")

    def forward(self, batch: dict[str, Any]) -> Any:
        """Return losses and metrics in training, else ``boxes3d``, ``scores3d`` and ``labels3d`` of each image before its camera.

        Args:
            batch: ``image``, float (B, 3, H, W), ``image_sizes``, (height, width) of each without padding (by default all of it), ``meta``
                with calibrations, and in training ``boxes3d``, frame ``camera``, and ``labels3d``.
        """
        maps = self.extract(batch["image"])
        if not self.training:
            return self.place(self.head.detect(maps, _sizes_of(batch)), batch["meta"])
        return {"losses": self.head.losses(maps, *_targets_of(batch)), "metrics": {}}

    def loss_counts(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return how many objects of each image all losses count over, see :class:`petlib.engine.CountsLosses`."""
        return {"loss_": self.head.loss_counts(*_targets_of(batch))}

    def extract(self, images: Tensor) -> Tensor:
        """Return the map (B, C, h, w) of normalised images."""
        return cast("Tensor", self.neck(self.backbone(images))["0"])

    def place(self, sightings: Sightings, metas: Metas) -> list[dict[str, Tensor]]:
        """Return what is left of sightings, before the cameras of the files; see :meth:`forward`."""
        projections = projections_of(metas, sightings.views.device)
        boxes = place_boxes(sightings.views, projections[:, None], focal=self.head.focal)
        candidates = Candidates(boxes, sightings.scores, sightings.labels)
        found = self._select(candidates)
        return [
            {**own, "boxes3d": mirrored(own["boxes3d"])} if is_mirrored(_matrix_of(meta)) else own
            for own, meta in zip(found, metas, strict=True)
        ]


def _sizes_of(batch: Mapping[str, Any]) -> list[tuple[int, int]]:
    images: Tensor = batch["image"]
    return batch.get("image_sizes") or [(images.shape[2], images.shape[3])] * len(images)


def _targets_of(batch: Mapping[str, Any]) -> tuple[list[Tensor], list[Tensor], Tensor, list[tuple[int, int]]]:
    """Return boxes, classes, projections and sizes of the images of a batch."""
    projections = projections_of(batch["meta"], batch["image"].device)
    return list(batch["boxes3d"]), list(batch["labels3d"]), projections, _sizes_of(batch)


def projections_of(metas: Metas, device: torch.device) -> Tensor:
    """Return how the cameras of images project to the pixels of the network's input, float32 (B, 3, 4)."""
    calibrations: list[Calibration] = [meta["calibration"].with_moved_image(_matrix_of(meta)) for meta in metas]
    return torch.from_numpy(np.stack([own.projection for own in calibrations])).float().to(device)


def _matrix_of(meta: Mapping[str, Any]) -> np.ndarray:
    return cast("np.ndarray", meta.get("matrix", np.eye(3)))


def build_camera_detector(cfg: AnyConfig) -> CameraDetector:
    """Return the network of ``MODEL.BACKBONE``, ``MODEL.DLA_UP`` and ``MODEL.CAMERA``, with random weights."""
    settings = cfg.MODEL.CAMERA
    backbone = build_feature_extractor(cfg)
    with keys_in_errors(cfg):
        neck = build_dla_up(cfg, backbone)
    (stride,) = neck.strides
    head = CameraHead(
        channels=neck.channels,
        stride=stride,
        mean_sizes=settings.MEAN_SIZES,
        depth=_build_depth(cfg, stride),
        angle=VectorAngle(weight=settings.ANGLE_WEIGHT) if settings.ANGLE == "vector" else BinAngle(),
        hidden=settings.HIDDEN,
        focal=settings.FOCAL,
        edge_centers=settings.EDGE_CENTERS,
        edge_fusion=settings.EDGE_CENTERS and settings.EDGE_FUSION,
        corner_weight=settings.CORNER_WEIGHT,
        offset_weight=settings.OFFSET_WEIGHT,
        most=cfg.TEST.CANDIDATES,
        rows=settings.ROWS,
        reach=settings.REACH,
    )
    return CameraDetector(
        backbone=backbone,
        neck=neck,
        head=head,
        min_score=cfg.TEST.SCORE_THRESHOLD,
        max_overlap=cfg.TEST.NMS,
        most=cfg.TEST.MAX_BOXES,
    )


def _build_depth(cfg: AnyConfig, stride: int) -> DepthCode:
    """Return the code of ``MODEL.CAMERA.DEPTH``."""
    settings = cfg.MODEL.CAMERA
    if settings.DEPTH == "ensemble":
        return DepthEnsemble(focal=settings.FOCAL, stride=stride)
    code = DirectDepth if settings.DEPTH == "direct" else LogDepth
    return code(mean=settings.DEPTH_MEAN, deviation=settings.DEPTH_DEVIATION)
