"""Finding objects (``MODEL.HAS_BOX``)."""

from torch import nn

from pet.data.targets.kinds import VisionDataset
from pet.evaluation.detection import build_box_evaluator
from pet.evaluation.evaluator import Evaluator
from pet.models.detection.box_heads import build_box_head
from pet.models.features import FeatureInfo
from petlib.config import CfgNode


def build_head(cfg: CfgNode, info: FeatureInfo) -> nn.Module:
    """Return the detector of ``MODEL.BOX``."""
    return build_box_head(cfg, info)


def build_evaluator(cfg: CfgNode, dataset: VisionDataset, *, keep_predictions: bool) -> Evaluator:
    """Return what computes average precisions."""
    return build_box_evaluator(cfg, dataset, keep_predictions=keep_predictions)
