"""A network that looks at one object at a time."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from pet.models.classifiers import synchronise_batch_norm
from pet.models.feature_extractor import FeatureExtractor
from pet.models.instance.crop_places import CropPlaces
from pet.models.instance.heads import CropHead, HeadSettings, KeypointHead, Learned, MaskHead, ParsingHead, Targets
from pet.models.instance.keypoint_codings import GaussianCoding, KeypointCoding, OffsetCoding
from pet.models.instance.trunks import build_trunk, build_upsampling
from pet.structures.pixel_conventions import CONVENTIONS
from pet.typed import InstanceConfig
from petlib.config import keys_in_errors

OBJECT_FIELDS = ("boxes", "keypoints", "masks", "instance_ids")
PIXEL_FIELDS = ("parsing", "instances")
SWAPS = {"keypoints": "keypoint_swap", "parsing": "part_swap"}
"""Name of a head -> the entry of ``meta`` that says which of its maps is which in a mirrored crop."""


class InstanceNetwork(nn.Module):
    """Crops of objects to what the heads find in them.

    Args:
        backbone: gives maps of a crop, the last of which counts.
        upsampling: makes of it one of a quarter of the crop.
        heads: ``keypoints``, ``mask``, ``parsing``, in any combination.
        origin: of the coordinates of keypoints in files, see :class:`pet.structures.pixel_conventions.PixelConvention`.
    """

    def __init__(self, *, backbone: nn.Module, upsampling: nn.Module, heads: dict[str, CropHead], origin: float = 0.0) -> None:
        super().__init__()
        self.origin = origin
        self.backbone = backbone
        self.upsampling = upsampling
        self.heads = nn.ModuleDict(heads)

    def forward(self, batch: dict[str, Any]) -> Any:
        """Return losses and metrics in training, else the predictions of each crop in the coordinates of its image file.

        Args:
            batch: ``image``, float (B, 3, H, W); in training the targets of the heads and ``boxes``, of one object a crop or of none where
                a transform lost it; in evaluation ``meta`` with ``box``, ``label``, ``score``, ``size`` and ``matrix``.

        Returns:
            In training ``{"losses": {name: scalar}, "metrics": {name: scalar}}``. In evaluation for each crop, as a detector gives
            them for an image with one object: ``boxes`` (1, 4), ``scores`` (1,), ``labels`` (1,); ``keypoints`` (1, K, 3) and
            ``keypoint_scores`` (1,); ``masks`` (1, h, w) over the area of the box and ``mask_scores``; ``parsing`` (1, P, h, w) likewise
            and ``parsing_scores``.
        """
        if not self.training:
            return self.predict(batch, mirrored=False)
        features = self.extract(batch["image"])
        targets, kept = _targets(batch)
        features = features if kept is None else features[kept]
        learned = [head.learn(head(features), targets) for head in self.named_heads().values()]
        return Learned(
            {name: value for one in learned for name, value in one.losses.items()},
            {name: value for one in learned for name, value in one.metrics.items()},
        )._asdict()

    def extract(self, images: Tensor) -> Tensor:
        """Return the map that heads look at, (B, C, H / 4, W / 4)."""
        features: Tensor = self.upsampling(cast("FeatureExtractor", self.backbone)(images)[-1])
        return features

    def predict(self, batch: dict[str, Any], *, mirrored: bool) -> list[dict[str, Tensor]]:
        """Return the predictions as in evaluation; ``mirrored``: the mean of each crop and of its mirrored one.

        Where ``meta`` does not say which keypoints or parts are left and right, these come from the crop alone.
        """
        images: Tensor = batch["image"]
        metas: Sequence[dict[str, Any]] = batch.get("meta") or [{}] * len(images)
        features = self.extract(images)
        turned = self.extract(images.flip(-1)) if mirrored else None
        places = CropPlaces((images.shape[2], images.shape[3]), metas, images.device, origin=self.origin)
        found: dict[str, Tensor] = {}
        for name, head in self.named_heads().items():
            probabilities = head.probabilities(head(features))
            swap = _swap(name, metas)
            if turned is not None and swap is not None:
                probabilities = (probabilities + head.turned_back(head.probabilities(head(turned)), swap)) / 2
            found |= head.decode(probabilities, places.crops)
        return places.to_file(found)

    def named_heads(self) -> dict[str, CropHead]:
        """Return the heads by name."""
        return cast("dict[str, CropHead]", dict(self.heads.items()))


class MirroredViews(nn.Module):
    """The network, which looks at each crop as it is and mirrored.

    Args:
        network: the network.
    """

    def __init__(self, network: InstanceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: dict[str, Any]) -> list[dict[str, Tensor]]:
        """Return the predictions of each crop."""
        return self.network.predict(batch, mirrored=True)


def _targets(batch: dict[str, Any]) -> tuple[Targets, list[int] | None]:
    """Return the targets of the crops that have their object, and which these are; None: all."""
    images: Tensor = batch["image"]
    size = images.shape[2], images.shape[3]
    if isinstance(batch["boxes"], Tensor) and batch["boxes"].shape[1] == 1:
        fields = {name: batch[name][:, 0] for name in OBJECT_FIELDS if name in batch}
        return Targets(fields | {name: batch[name] for name in PIXEL_FIELDS if name in batch}, size, len(images)), None
    kept = [place for place, boxes in enumerate(batch["boxes"]) if len(boxes)]
    fields = {name: _stacked([batch[name][place][0] for place in kept], batch[name][0]) for name in OBJECT_FIELDS if name in batch}
    return Targets(fields | {name: batch[name][kept] for name in PIXEL_FIELDS if name in batch}, size, len(images)), kept


def _stacked(objects: list[Tensor], example: Tensor) -> Tensor:
    return torch.stack(objects) if objects else example.new_zeros((0, *example.shape[1:]))


def _swap(name: str, metas: Sequence[dict[str, Any]]) -> list[int] | None:
    """Return which maps of a head change places in a mirrored crop, empty: none; None: it is not known."""
    entry = SWAPS.get(name)
    if entry is None:
        return []
    return list(metas[0][entry]) if all(entry in meta for meta in metas) else None


def build_model(cfg: InstanceConfig) -> InstanceNetwork:
    """Return the network of the ``MODEL`` section, with random weights.

    Raises:
        ConfigError: the network is unknown, does not take its arguments, or gives no map that suits.
    """
    model = cfg.MODEL
    with keys_in_errors(cfg):
        backbone = build_trunk(model.BACKBONE, model.BACKBONE_ARGS)
        info = cast("FeatureExtractor", backbone)
        upsampling, channels = build_upsampling(
            in_channels=info.channels[-1],
            stride=info.strides[-1],
            method=model.UPSAMPLING.METHOD,
            # of bilinear stretching the map keeps its own
            channels=model.UPSAMPLING.CHANNELS if model.UPSAMPLING.METHOD == "deconvolution" else 0,
        )
    network = InstanceNetwork(backbone=backbone, upsampling=upsampling, heads=_build_heads(cfg, channels), origin=keypoint_origin(cfg))
    return cast("InstanceNetwork", synchronise_batch_norm(network, cfg)) if model.SYNC_BN else network


def keypoint_origin(cfg: InstanceConfig) -> float:
    """Return what the coordinates of keypoints in files lack to Pet's, as ``MODEL.KEYPOINTS.CONVENTION`` has it."""
    return CONVENTIONS[cfg.MODEL.KEYPOINTS.CONVENTION].origin if cfg.MODEL.HAS_KEYPOINTS else 0.0


def _build_heads(cfg: InstanceConfig, channels: int) -> dict[str, CropHead]:
    heads: dict[str, CropHead] = {}
    if cfg.MODEL.HAS_KEYPOINTS:
        heads["keypoints"] = _build_keypoint_head(cfg, channels)
    if cfg.MODEL.HAS_MASK:
        own = cfg.MODEL.MASK
        settings = HeadSettings(tuple(own.CHANNELS), own.KERNEL, own.LOSS_WEIGHT, own.QUALITY, own.QUALITY_LOSS_WEIGHT)
        heads["mask"] = MaskHead(in_channels=channels, settings=settings)
    if cfg.MODEL.HAS_PARSING:
        heads["parsing"] = _build_parsing_head(cfg, channels)
    return heads


def _build_keypoint_head(cfg: InstanceConfig, channels: int) -> KeypointHead:
    own = cfg.MODEL.KEYPOINTS
    convention = CONVENTIONS[own.CONVENTION]
    coding: KeypointCoding = (
        OffsetCoding(radius=own.RADIUS)
        if own.TARGET == "offsets"
        else GaussianCoding(sigma=own.SIGMA, decoding=cfg.TEST.DECODING, convention=convention)
    )
    return KeypointHead(
        in_channels=channels,
        num_keypoints=own.NUM_KEYPOINTS,
        coding=coding,
        convention=convention,
        settings=HeadSettings(tuple(own.CHANNELS), own.KERNEL, own.LOSS_WEIGHT, own.QUALITY, own.QUALITY_LOSS_WEIGHT),
    )


def _build_parsing_head(cfg: InstanceConfig, channels: int) -> ParsingHead:
    own = cfg.MODEL.PARSING
    settings = HeadSettings(tuple(own.CHANNELS), own.KERNEL, own.LOSS_WEIGHT, own.QUALITY, own.QUALITY_LOSS_WEIGHT)
    return ParsingHead(in_channels=channels, num_parts=own.NUM_PARTS, settings=settings)
