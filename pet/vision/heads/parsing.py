"""Parts of objects (``MODEL.HAS_PARSING``)."""

from pet.data.targets.kinds import VisionDataset
from pet.evaluation.evaluator import Evaluator
from pet.evaluation.parsing import build_parsing_evaluator
from pet.models.detection.roi_parsing import ParsingHead, build_parsing_head
from pet.models.features import FeatureInfo
from petlib.config import CfgNode


def build_head(cfg: CfgNode, info: FeatureInfo) -> ParsingHead:
    """Return the head for the ``MODEL`` section of a config."""
    return build_parsing_head(cfg, info)


def build_evaluator(cfg: CfgNode, dataset: VisionDataset, *, keep_predictions: bool) -> Evaluator:
    """Return what computes the metrics of human parsing."""
    return build_parsing_evaluator(cfg, dataset, keep_predictions=keep_predictions)
