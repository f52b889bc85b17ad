"""Outlines of objects (``MODEL.HAS_MASK``)."""

from pet.data.targets.kinds import VisionDataset
from pet.evaluation.detection import build_mask_evaluator
from pet.evaluation.evaluator import Evaluator
from pet.models.detection.roi_mask import MaskHead, build_mask_head
from pet.models.features import FeatureInfo
from petlib.config import CfgNode


def build_head(cfg: CfgNode, info: FeatureInfo) -> MaskHead:
    """Return the head for the ``MODEL`` section of a config."""
    return build_mask_head(cfg, info)


def build_evaluator(cfg: CfgNode, dataset: VisionDataset, *, keep_predictions: bool) -> Evaluator:
    """Return what computes mask AP."""
    return build_mask_evaluator(cfg, dataset, keep_predictions=keep_predictions)
