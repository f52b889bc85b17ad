"""The detector that a config names."""

from torch import nn

from pet.models.config import ONE_STAGE_DETECTORS
from pet.models.detection.one_stage import build_fcos, build_retinanet
from pet.models.detection.rcnn import build_cascade_rcnn, build_faster_rcnn
from pet.models.detection.roi_pooling import region_strides
from pet.models.features import FeatureInfo
from petlib.config import CfgNode
from petlib.errors import ConfigError


def build_box_head(cfg: CfgNode, info: FeatureInfo) -> nn.Module:
    """Return the head of ``MODEL.BOX.DETECTOR``, called as ``head(features, batch, regions)``.

    In training it returns losses, and with two stages the sampled proposals as regions; in evaluation ``boxes``, ``scores`` and
    ``labels`` of each image in the coordinates of the batch, which are its regions too.

    Raises:
        ConfigError: there is no neck, or settings do not belong together.
    """
    detector = cfg.MODEL.BOX.DETECTOR
    if not info.map_channels:
        raise ConfigError(f"MODEL.NECK: empty, but {detector} looks at the maps of a neck; set it to fpn")
    if detector in ONE_STAGE_DETECTORS:
        return build_retinanet(cfg, info) if detector == "retinanet" else build_fcos(cfg, info)
    build = build_cascade_rcnn if detector == "cascade_rcnn" else build_faster_rcnn
    return build(cfg, info, strides=region_strides(cfg, info, switch="MODEL.HAS_BOX"))
