"""Evaluation of the general CNN: every head that is on is measured."""

from collections.abc import Sequence

import torch

from pet.evaluation.evaluation import Evaluation
from pet.evaluation.evaluation import build_evaluation as build_shared_evaluation
from pet.evaluation.evaluator import Evaluator
from pet.vision.heads.protocol import head_module
from pet.vision.heads.table import head_switches
from petlib.config import CfgNode


def build_evaluation(cfg: CfgNode, device: torch.device) -> Evaluation:
    """Return the evaluation on ``TEST.DATASETS``.

    Raises:
        ConfigError: there are no ``TEST.DATASETS``.
        DataError: a data set is missing or cannot be used.
    """

    def build_evaluators(classes: Sequence[str], keep_predictions: bool) -> list[Evaluator]:
        modules = [head_module(switch) for switch in head_switches(cfg)]
        return [module.build_evaluator(cfg, classes, keep_predictions=keep_predictions) for module in modules]

    return build_shared_evaluation(cfg, device, build_evaluators)
