"""The region proposal network of detectors with two stages."""

from torch import Tensor
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead

from pet.models.detection.anchors import build_anchors
from pet.models.features import FeatureInfo
from pet.typed import VisionConfig
from petlib.errors import ConfigError


class Float32RpnHead(RPNHead):  # type: ignore[misc]  # torchvision has no types
    """torchvision's head; what boxes are computed from is float32 under mixed precision too."""

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return scores and offsets of each level."""
        logits, offsets = super().forward(x)
        return [one.float() for one in logits], [one.float() for one in offsets]


def build_proposals(cfg: VisionConfig, info: FeatureInfo) -> RegionProposalNetwork:
    """Return the network of ``MODEL.BOX.RPN`` (https://arxiv.org/abs/1506.01497).

    Raises:
        ConfigError: the anchors do not belong to the maps, or the thresholds to each other.
    """
    settings = cfg.MODEL.BOX.RPN
    if settings.NEGATIVE_IOU > settings.POSITIVE_IOU:
        raise ConfigError(
            f"MODEL.BOX.RPN.NEGATIVE_IOU: {settings.NEGATIVE_IOU:g} given, at most POSITIVE_IOU ({settings.POSITIVE_IOU:g}) expected"
        )
    anchors = build_anchors(cfg, info)
    return RegionProposalNetwork(
        anchors,
        Float32RpnHead(info.map_channels, anchors.num_anchors_per_location()[0]),
        fg_iou_thresh=settings.POSITIVE_IOU,
        bg_iou_thresh=settings.NEGATIVE_IOU,
        batch_size_per_image=settings.BATCH_SIZE,
        positive_fraction=settings.POSITIVE_FRACTION,
        pre_nms_top_n={"training": settings.PRE_NMS_TRAIN, "testing": settings.PRE_NMS_TEST},
        post_nms_top_n={"training": settings.POST_NMS_TRAIN, "testing": settings.POST_NMS_TEST},
        nms_thresh=settings.NMS,
    )
