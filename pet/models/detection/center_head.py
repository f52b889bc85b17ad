"""CenterNet: objects are peaks of a heatmap of their centres (https://arxiv.org/abs/1904.07850)."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import batched_nms

from pet.losses.centers import START, center_focal_loss, center_l1_loss, mean_count
from pet.models.detection.suppression import Suppression, as_predictions, build_suppression
from pet.models.features import FeatureInfo, Features, HeadOutput, Regions
from pet.structures.centers import draw_centers, find_peaks, gaussian_radius, locate_centers, values_at_peaks
from pet.typed import VisionConfig
from petlib.distributed.collectives import all_reduce_mean
from petlib.errors import ConfigError

CANDIDATES = 1000
"""Peaks of an image that are looked at before suppression, as many as torchvision's one-stage detectors take of each level."""


class CenterHead(nn.Module):
    """Heatmap, size and exact place of objects on the finest map of a neck.

    Args:
        channels: of the map.
        stride: of it.
        num_classes: number of classes.
        hidden: channels between the two convolutions of each branch.
        edges: learn how far the four edges are from the centre, as FairMOT does, in place of width and height.
        size_weight: of the loss of the sizes.
        offset_weight: of the loss of the exact places.
        suppression: which detections are given out.
    """

    waits_for_others = True

    def __init__(
        self,
        *,
        channels: int,
        stride: int,
        num_classes: int,
        hidden: int,
        edges: bool,
        size_weight: float,
        offset_weight: float,
        suppression: Suppression,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.num_classes = num_classes
        self.edges = edges
        self.size_weight = size_weight
        self.offset_weight = offset_weight
        self.suppression = suppression
        self.heatmap = point_branch(channels, hidden, num_classes)
        self.size = point_branch(channels, hidden, 4 if edges else 2)
        self.offset = point_branch(channels, hidden, 2)
        # as large as a cell: boxes without an area would be no detections
        nn.init.ones_(self.size[-1].bias)  # type: ignore[arg-type]  # the last is a convolution
        # in the middle of a cell: at its edge rounding would decide which cell the centre of a box is in
        nn.init.constant_(self.offset[-1].bias, 0.5)  # type: ignore[arg-type]  # the last is a convolution
        # larger weights than the other branches: equal scores would leave it to rounding which cells are peaks
        self.heatmap[-1].reset_parameters()  # type: ignore[operator]  # the last is a convolution
        nn.init.constant_(self.heatmap[-1].bias, math.log(START / (1 - START)))  # type: ignore[arg-type]  # the last is a convolution

    def forward(self, features: Features, batch: dict[str, Any], regions: Regions | None = None) -> HeadOutput:
        """Return losses in training, detections in evaluation.

        Args:
            features: with maps of a neck.
            batch: in training ``boxes`` and ``labels``.
            regions: of no meaning here.
        """
        finest = finest_map(features)
        if self.training:
            return HeadOutput(losses=self._losses(finest, batch))
        sizes = torch.tensor(features.image_sizes, device=finest.device)
        found = [self._detect(*image) for image in zip(*self.decode(finest), sizes.unbind(0), strict=True)]
        boxes, scores, labels = (list(field) for field in zip(*found, strict=True))
        return HeadOutput(predictions=as_predictions(boxes, scores, labels), regions=Regions(boxes=boxes, labels=labels, scores=scores))

    def loss_counts(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return how many objects each sample has that the losses count over, a mean over the processes: by :func:`mean_count`."""
        counts = torch.tensor([float(len(of_image)) for of_image in batch["boxes"]], device=batch["image"].device)
        return dict.fromkeys(("loss_heatmap", "loss_size", "loss_offset"), all_reduce_mean(counts))

    def decode(self, finest: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the highest peaks, the best first: boxes float32 (B, N, 4) XYXY, scores (B, N) and labels (B, N).

        Args:
            finest: the map that the branches look at.
        """
        # float32, because boxes are computed from them
        peaks = find_peaks(self.heatmap(finest).float().sigmoid(), most=CANDIDATES)
        sizes = values_at_peaks(self.size(finest).float(), peaks)
        if not self.edges:
            sizes = torch.cat([sizes, sizes], dim=2) / 2
        centers = peaks.cells + values_at_peaks(self.offset(finest).float(), peaks)
        boxes = torch.cat([centers - sizes[..., :2], centers + sizes[..., 2:]], dim=2) * self.stride
        return boxes, peaks.scores, peaks.labels

    def _detect(self, boxes: Tensor, scores: Tensor, labels: Tensor, size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what is left of an image's detections, inside of the image, whose ``size`` is (height, width)."""
        limits = size.flip(0).repeat(2)
        boxes = torch.minimum(boxes.clamp(min=0), limits)
        rows = torch.where((scores > self.suppression.score_threshold) & (boxes[:, 2:] > boxes[:, :2]).all(dim=1))[0]
        boxes, scores, labels = boxes[rows], scores[rows], labels[rows]
        if self.suppression.is_soft:
            return self.suppression.soften(boxes, scores, labels)
        kept = batched_nms(boxes, scores, labels, self.suppression.iou_threshold)[: self.suppression.most]
        return boxes[kept], scores[kept], labels[kept]

    def _losses(self, finest: Tensor, batch: dict[str, Any]) -> dict[str, Tensor]:
        size = (finest.shape[2], finest.shape[3])
        boxes = [of_image.reshape(-1, 4).float() / self.stride for of_image in batch["boxes"]]
        points = [(of_image[:, :2] + of_image[:, 2:]) / 2 for of_image in boxes]
        centers = locate_centers(points, size)
        together = torch.cat(boxes)
        lengths = together[:, 2:] - together[:, :2]
        counts = [len(of_image) for of_image in boxes]
        radii = torch.split(gaussian_radius(lengths.ceil()), counts)
        drawn = [
            draw_centers(*image, num_classes=self.num_classes, size=size)
            for image in zip(torch.split(centers.cells, counts), radii, batch["labels"], strict=True)
        ]
        count = mean_count(centers)
        wanted = lengths.repeat(1, 2) / 2 if self.edges else lengths
        return {
            "loss_heatmap": center_focal_loss(self.heatmap(finest), torch.stack(drawn), count=count),
            "loss_size": self.size_weight * center_l1_loss(self.size(finest), centers, wanted, count=count),
            "loss_offset": self.offset_weight * center_l1_loss(self.offset(finest), centers, centers.offsets, count=count),
        }


def finest_map(features: Features) -> Tensor:
    """Return the neck's map of the smallest stride, (B, C, h, w)."""
    return next(iter(features.maps.values()))


def point_branch(channels: int, hidden: int, outputs: int) -> nn.Sequential:
    """Return two convolutions, 3 x 3 and 1 x 1, of which the last begins with small weights."""
    last = nn.Conv2d(hidden, outputs, 1)
    nn.init.normal_(last.weight, std=0.001)
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]  # it has one
    return nn.Sequential(nn.Conv2d(channels, hidden, 3, padding=1), nn.ReLU(inplace=True), last)


def build_centernet(cfg: VisionConfig, info: FeatureInfo) -> CenterHead:
    """Return the head for ``MODEL.BOX``.

    Raises:
        ConfigError: the neck gives several maps, or the suppression is wrong.
    """
    if len(info.map_strides) > 1:
        raise ConfigError(
            f"MODEL.NECK: {cfg.MODEL.NECK} gives {len(info.map_strides)} maps, but centernet looks at one, so that the others would not "
            "learn; set it to dla_up"
        )
    settings = cfg.MODEL.BOX.CENTERNET
    return CenterHead(
        channels=info.map_channels,
        stride=info.map_strides[0],
        num_classes=cfg.MODEL.NUM_CLASSES,
        hidden=settings.HIDDEN,
        edges=settings.EDGES,
        size_weight=settings.SIZE_WEIGHT,
        offset_weight=settings.OFFSET_WEIGHT,
        suppression=build_suppression(cfg),
    )
