"""Keypoints of objects (``MODEL.HAS_KEYPOINTS``)."""

from pet.data.targets.kinds import VisionDataset
from pet.evaluation.detection import build_keypoint_evaluator
from pet.evaluation.evaluator import Evaluator
from pet.models.detection.roi_keypoints import KeypointHead, build_keypoint_head
from pet.models.features import FeatureInfo
from petlib.config import CfgNode


def build_head(cfg: CfgNode, info: FeatureInfo) -> KeypointHead:
    """Return the head for the ``MODEL`` section of a config."""
    return build_keypoint_head(cfg, info)


def build_evaluator(cfg: CfgNode, dataset: VisionDataset, *, keep_predictions: bool) -> Evaluator:
    """Return what computes keypoint AP."""
    return build_keypoint_evaluator(cfg, dataset, keep_predictions=keep_predictions)
