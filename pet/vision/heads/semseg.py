"""Semantic segmentation (``MODEL.HAS_SEMSEG``)."""

from torch import nn

from pet.data.targets.kinds import VisionDataset
from pet.evaluation.segmentation import SegmentationEvaluator, build_semseg_evaluator
from pet.models.features import FeatureInfo
from pet.models.segmentation.head import build_semseg_head
from petlib.config import CfgNode


def build_head(cfg: CfgNode, info: FeatureInfo) -> nn.Module:
    """Return the head for the ``MODEL.SEMSEG`` section of a config."""
    return build_semseg_head(cfg, info)


def build_evaluator(cfg: CfgNode, dataset: VisionDataset, *, keep_predictions: bool) -> SegmentationEvaluator:
    """Return what computes mIoU and its kin."""
    return build_semseg_evaluator(cfg, dataset, keep_predictions=keep_predictions)
