"""Evaluation of a classifier."""

from collections.abc import Sequence

import torch

from pet.evaluation.classification import ClassificationEvaluator
from pet.evaluation.evaluation import Evaluation
from pet.evaluation.evaluation import build_evaluation as build_shared_evaluation
from pet.evaluation.evaluator import Evaluator
from petlib.config import CfgNode


def build_evaluation(cfg: CfgNode, device: torch.device) -> Evaluation:
    """Return the evaluation on ``TEST.DATASETS``.

    Raises:
        ConfigError: there are no ``TEST.DATASETS``.
        DataError: a data set is missing or cannot be used.
    """

    def build_evaluators(classes: Sequence[str], keep_predictions: bool) -> list[Evaluator]:
        return [ClassificationEvaluator(classes=classes, num_classes=cfg.MODEL.NUM_CLASSES, keep_predictions=keep_predictions)]

    return build_shared_evaluation(cfg, device, build_evaluators)
