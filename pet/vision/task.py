"""The general CNN as a task."""

import re
from collections.abc import Sequence

import torch
from torch import nn

from pet import exporting, prediction, vision
from pet.data.targets.dataset import Dataset, Expectation
from pet.evaluation.evaluator import Evaluator
from pet.models.classifiers import last_layer_names
from pet.task import Task
from pet.typed import VisionConfig
from pet.vision.heads.table import build_evaluators
from pet.vision.model import GeneralizedCNN, add_training_parts, expected_data, expected_test_data
from pet.vision.test_time import build_test_model


class VisionTask(Task[VisionConfig]):
    """One network with the heads that a config switches on; every head that is on is measured."""

    def expected_data(self, cfg: VisionConfig) -> Expectation:
        """Return what the heads that are on want of their data."""
        return expected_data(cfg)

    def expected_test_data(self, cfg: VisionConfig) -> Expectation:
        """Return the same without the identities, which are others in a test."""
        return expected_test_data(cfg)

    def add_training_parts(self, cfg: VisionConfig, model: nn.Module) -> None:
        """Put into the model what only a training needs; see :func:`pet.vision.model.add_training_parts`."""
        add_training_parts(cfg, _own(model))

    def build_model(self, cfg: VisionConfig) -> GeneralizedCNN:
        """Return the network of the ``MODEL`` section, with random weights."""
        return GeneralizedCNN(cfg)

    def head_pattern(self, cfg: VisionConfig, model: nn.Module) -> str:
        """Return the last layer of a classifier, else all outside of the backbone."""
        if cfg.FINETUNE.HEAD or not cfg.MODEL.HAS_CLS:
            return super().head_pattern(cfg, model)
        names = "|".join(map(re.escape, last_layer_names(model.get_submodule("backbone"))))
        return rf"^backbone\.({names})\."

    def build_evaluators(self, cfg: VisionConfig, dataset: Dataset, *, keep_predictions: bool) -> Sequence[Evaluator]:
        """Return the evaluator of each head."""
        return build_evaluators(cfg, dataset, keep_predictions=keep_predictions)

    def build_test_model(self, cfg: VisionConfig, model: nn.Module) -> nn.Module:
        """Return the model, or what looks at each image several times as ``TEST.VIEWS`` says."""
        return build_test_model(_own(model), cfg)

    def build_predictor(self, cfg: VisionConfig, device: torch.device, *, window: int = 0) -> "prediction.FilePredictor":
        """Return the model with the weights of ``TEST.WEIGHTS``, ready to predict files."""
        return vision.build_predictor(cfg, device, window=window)

    def check_export(self, cfg: VisionConfig) -> None:
        """Check whether the heads that are on can be exported."""
        vision.check_exportable(cfg)

    def build_export_network(self, cfg: VisionConfig, model: nn.Module) -> "exporting.TaskNetwork":
        """Return the network that an exported file holds; see :func:`pet.vision.export.build_export_network`."""
        return vision.build_export_network(cfg, _own(model))


def _own(model: nn.Module) -> GeneralizedCNN:
    assert isinstance(model, GeneralizedCNN), f"a {type(model).__name__} is no model of this task"
    return model


TASK = VisionTask()
