"""Classification of whole images (``MODEL.HAS_CLS``)."""

from collections.abc import Sequence

from pet.evaluation.classification import ClassificationEvaluator
from pet.models.classification import ClassificationHead, build_classification_head
from petlib.config import CfgNode


def build_head(cfg: CfgNode) -> ClassificationHead:
    """Return the head for the ``MODEL`` section of a config."""
    return build_classification_head(cfg)


def build_evaluator(cfg: CfgNode, classes: Sequence[str], *, keep_predictions: bool) -> ClassificationEvaluator:
    """Return what computes accuracies."""
    return ClassificationEvaluator(classes=classes, num_classes=cfg.MODEL.NUM_CLASSES, keep_predictions=keep_predictions)
