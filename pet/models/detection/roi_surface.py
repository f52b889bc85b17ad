"""The head that finds places of a surface in each region, of DensePose R-CNN (https://arxiv.org/abs/1802.00434)."""

from math import log2
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import box_iou

from pet.losses.surface import UNKNOWN, crop_masks, points_in_regions, surface_mask_loss, surface_part_loss, surface_uv_loss
from pet.models.detection.parsing_modules import build_region_body, initialize
from pet.models.detection.roi_pooling import RegionPooling, positive_regions, region_strides
from pet.models.features import FeatureInfo, Features, HeadOutput, Regions
from pet.typed import VisionConfig

OBJECT = 2
"""Channels that say whether a place belongs to the object: background, object."""


class SurfaceWeights(NamedTuple):
    """Weights of the losses.

    Attributes:
        part: of the parts of points.
        mask: of object and background.
        uv: of u and v.
    """

    part: float
    mask: float
    uv: float


class SurfaceDecoder(nn.Module):
    """Joins the maps of a neck to one at the finest stride, as the semantic branch of https://arxiv.org/abs/1901.02446 does.

    Args:
        strides: of the maps ``"0"``, ``"1"``, ..., powers of two.
        channels: of the maps and of the result.
    """

    def __init__(self, *, strides: tuple[int, ...], channels: int) -> None:
        super().__init__()
        steps = [round(log2(stride // strides[0])) for stride in strides]
        self.branches = nn.ModuleList(_decoder_branch(channels, count) for count in steps)
        self.join = nn.Conv2d(channels, channels, 1)
        initialize(self)

    def forward(self, maps: dict[str, Tensor]) -> Tensor:
        """Return float (B, channels, H, W), of the size of the finest map."""
        finest = maps["0"].shape[2:]
        # a map of an odd length is half a pixel too long when it is doubled
        parts = [branch(maps[str(place)])[:, :, : finest[0], : finest[1]] for place, branch in enumerate(self.branches)]
        return cast("Tensor", self.join(torch.stack(parts).sum(dim=0)))


def _decoder_branch(channels: int, doublings: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for place in range(max(doublings, 1)):
        layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(inplace=True)]
        if place < doublings:
            layers.append(nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=False))
    return nn.Sequential(*layers)


class SurfaceHead(nn.Module):
    """Gives each region, at every place, whether the object is there, its part, and u and v for each part.

    Args:
        strides: of the maps ``"0"``, ``"1"``, ... that regions are pooled from.
        in_channels: channels of these maps.
        channels: of the convolutions; the first is also that of the context encoding.
        num_parts: with the background.
        pool: height and width of the pooled features; maps have M = 4 * pool cells along each edge.
        context: begin with :class:`~pet.models.detection.parsing_modules.ContextEncoding`.
        decoder: join all maps first and pool regions of every size from the result.
        positive_iou: overlap with its object from which a region is learned from.
        weights: of the losses.
    """

    def __init__(
        self,
        *,
        strides: tuple[int, ...],
        in_channels: int,
        channels: list[int],
        num_parts: int,
        pool: int,
        context: bool,
        decoder: bool,
        positive_iou: float,
        weights: SurfaceWeights,
    ) -> None:
        super().__init__()
        self.num_parts = num_parts
        self.positive_iou = positive_iou
        self.weights = weights
        self.decoder = SurfaceDecoder(strides=strides, channels=in_channels) if decoder else None
        self.pooling = RegionPooling(strides=strides[:1] if decoder else strides, size=pool)
        self.context, self.head, width = build_region_body(in_channels=in_channels, channels=channels, context=context)
        self.predictor = nn.ConvTranspose2d(width, OBJECT + 3 * num_parts, 4, stride=2, padding=1)
        # u and v begin in the middle, parts and background equal
        nn.init.normal_(self.predictor.weight, std=0.001)
        nn.init.constant_(cast("Tensor", self.predictor.bias), 0.0)
        nn.init.constant_(cast("Tensor", self.predictor.bias)[OBJECT + num_parts :], 0.5)

    def forward(self, features: Features, batch: dict[str, Any], regions: Regions) -> HeadOutput:
        """Return losses in training, and in evaluation ``surface`` as :meth:`decode` gives it.

        Args:
            features: of the batch.
            batch: in training for each image ``boxes``, ``surface``, float32 (N, Q, 8), and ``surface_masks``, uint8 (N, H, W).
            regions: what the box head found.
        """
        if not self.training:
            return HeadOutput(predictions=self.decode(self.predict(features, regions.boxes, regions.labels), regions))
        boxes, matched = self._learned_regions(batch, regions)
        maps = self.maps(features, boxes)
        in_regions = zip(batch["surface"], matched, strict=True)
        most = max(points.shape[1] for points in batch["surface"])
        own = torch.cat([functional.pad(points[places], (0, 0, 0, most - points.shape[1])) for points, places in in_regions])
        points = points_in_regions(torch.cat(boxes), own)
        crops = [crop_masks(*one, size=maps.shape[-1]) for one in zip(batch["surface_masks"], boxes, matched, strict=True)]
        target, known = (torch.cat(part) for part in zip(*crops, strict=True))
        objects, parts, uv = self.split(maps)
        losses = {
            "loss_surface_part": self.weights.part * surface_part_loss(parts, points),
            "loss_surface_mask": self.weights.mask * surface_mask_loss(objects, target, known),
            "loss_surface_uv": self.weights.uv * surface_uv_loss(uv, points, images=len(boxes)),
        }
        return HeadOutput(losses=losses)

    def predict(self, features: Features, boxes: list[Tensor], labels: list[Tensor]) -> list[Tensor]:
        """Return for each image float32 (N, 2 + 3 P, M, M) over the area of the box; several views can be averaged before :meth:`decode`.

        Args:
            features: of the batch.
            boxes: for each image float32 (N, 4), XYXY, in the coordinates of the padded batch.
            labels: for each image int64 (N,); of no meaning here, all classes have the same parts.
        """
        return list(torch.split(self.maps(features, boxes), [len(box) for box in boxes]))

    def decode(self, raw: list[Tensor], regions: Regions) -> list[dict[str, Tensor]]:
        """Return for each image ``surface``, uint8 (N, 3, M, M): the most probable part, 0 for the background, its u, its v in 255ths."""
        return [{"surface": self.decode_maps(maps)} for maps in raw]

    def decode_maps(self, maps: Tensor) -> Tensor:
        """Return uint8 (N, 3, M, M) for what :meth:`predict` gives for an image."""
        objects, parts, uv = self.split(maps)
        part = parts.max(dim=1).indices * objects.max(dim=1).indices
        values = uv.gather(2, part[:, None, None].expand(-1, 2, 1, -1, -1))[:, :, 0]
        # the background has neither
        values = torch.where(part[:, None] > 0, values, 0.0)
        return torch.cat([part[:, None].to(torch.uint8), (values.clamp(0, 1) * 255).round().to(torch.uint8)], dim=1)

    def maps(self, features: Features, boxes: list[Tensor]) -> Tensor:
        """Return the raw maps of the regions of all images one after the other, float32 (R, 2 + 3 P, M, M)."""
        if self.decoder is not None:
            features = Features(features.images, features.image_sizes, features.stages, {"0": self.decoder(features.maps)})
        pooled = self.pooling(features, boxes)
        raw = self.predictor(self.head(pooled if self.context is None else self.context(pooled))).float()
        return functional.interpolate(raw, scale_factor=2.0, mode="bilinear", align_corners=False)

    def split(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return object (R, 2, M, M), parts (R, P, M, M), and u and v (R, 2, P, M, M) of raw maps."""
        objects, parts, uv = torch.split(maps, [OBJECT, self.num_parts, 2 * self.num_parts], dim=1)
        return objects, parts, uv.reshape(uv.shape[0], 2, self.num_parts, *uv.shape[-2:])

    def _learned_regions(self, batch: dict[str, Any], regions: Regions) -> tuple[list[Tensor], list[Tensor]]:
        """Return boxes and objects of the regions that lie well enough on an object of which something is known, for each image."""
        annotated = zip(batch["surface"], batch["surface_masks"], strict=True)
        known = [(points[..., 2] > 0).any(dim=1) | (masks[:, 0, 0] != UNKNOWN) for points, masks in annotated]
        near, of_near = positive_regions(regions, known)
        boxes, matched = [], []
        for own, places, objects in zip(near, of_near, batch["boxes"], strict=True):
            overlap = box_iou(own, objects.to(own)).gather(1, places[:, None])[:, 0] if len(own) else own.new_zeros(0)
            boxes.append(own[overlap >= self.positive_iou])
            matched.append(places[overlap >= self.positive_iou])
        return boxes, matched


def build_surface_head(cfg: VisionConfig, info: FeatureInfo) -> SurfaceHead:
    """Return the head for ``MODEL.SURFACE``.

    Raises:
        ConfigError: the model has no neck.
    """
    settings = cfg.MODEL.SURFACE
    weights = cfg.MODEL.SURFACE.LOSS_WEIGHTS
    return SurfaceHead(
        strides=region_strides(info, switch="MODEL.HAS_SURFACE"),
        in_channels=info.map_channels,
        channels=list(settings.CHANNELS),
        num_parts=settings.NUM_PARTS,
        pool=settings.POOL,
        context=settings.CONTEXT,
        decoder=settings.DECODER,
        positive_iou=settings.POSITIVE_IOU,
        weights=SurfaceWeights(weights.PART, weights.MASK, weights.UV),
    )
