"""Networks that look at one object at a time, as a task."""

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import nn

from pet import evaluation, exporting, prediction
from pet.data.objects import ObjectCrops
from pet.data.targets.dataset import Dataset, Expectation
from pet.data.targets.names import NO_NAMES
from pet.evaluation.evaluator import Evaluator
from pet.task import Task
from pet.tasks import instance
from pet.tasks.instance.data import crop_objects, expected_data
from pet.tasks.instance.evaluation import build_evaluators, evaluated_samples
from pet.tasks.instance.export import build_export_network, check_exportable
from pet.tasks.instance.model import InstanceNetwork, MirroredViews, build_model, keypoint_origin
from pet.typed import InstanceConfig


class InstanceTask(Task[InstanceConfig]):
    """Keypoints, outline and parts of one object at a time."""

    def expected_data(self, cfg: InstanceConfig) -> Expectation:
        """Return what the heads that are on want of their data."""
        return expected_data(cfg)

    def prepare_data(self, cfg: InstanceConfig, dataset: Dataset) -> ObjectCrops:
        """Return the objects of a data set, a sample each."""
        return crop_objects(cfg, dataset)

    def build_model(self, cfg: InstanceConfig) -> InstanceNetwork:
        """Return the network of the ``MODEL`` section, with random weights."""
        return build_model(cfg)

    def build_test_model(self, cfg: InstanceConfig, model: nn.Module) -> nn.Module:
        """Return the model, or what looks at each crop also mirrored as ``TEST.VIEWS.FLIP`` says."""
        return MirroredViews(_own(model)) if cfg.TEST.VIEWS.FLIP else model

    def build_evaluators(self, cfg: InstanceConfig, dataset: Dataset, *, keep_predictions: bool) -> Sequence[Evaluator]:
        """Return what measures each head; ``dataset`` has the images."""
        return build_evaluators(cfg, dataset, keep_predictions=keep_predictions)

    def build_evaluation(
        self,
        cfg: InstanceConfig,
        device: torch.device,
        dataset: Dataset | None = None,
        *,
        names: Mapping[str, Sequence[str]] = NO_NAMES,
    ) -> "evaluation.Evaluation":
        """Return the evaluation on the objects of ``TEST.DATASETS``, and on the boxes of a detector where ``TEST.BOXES`` names them."""
        return evaluation.build_evaluation(
            cfg,
            device,
            self.expected_data(cfg),
            lambda found, keep_predictions: self.build_evaluators(cfg, found, keep_predictions=keep_predictions),
            dataset=dataset,
            names=names,
            prepare=lambda found: evaluated_samples(cfg, found),
        )

    def build_predictor(self, cfg: InstanceConfig, device: torch.device, *, window: int = 0) -> "prediction.FilePredictor":
        """Return the model, behind the detector of ``TEST.DETECTOR``, ready to predict files."""
        return instance.build_predictor(cfg, device, window=window)

    def build_exported_model(self, cfg: InstanceConfig, file: "exporting.ExportedFile") -> nn.Module:
        """Return what looks at the crops of objects."""
        return prediction.ExportedModel(file, place=partial(instance.place_exported, origin=keypoint_origin(cfg)))

    def check_export(self, cfg: InstanceConfig) -> None:
        """Check whether the model looks at a crop once."""
        check_exportable(cfg)

    def build_export_network(self, cfg: InstanceConfig, model: nn.Module) -> "exporting.TaskNetwork":
        """Return the network that an exported file holds, which takes crops."""
        return build_export_network(cfg, _own(model))


def _own(model: nn.Module) -> InstanceNetwork:
    assert isinstance(model, InstanceNetwork), f"a {type(model).__name__} is no model of this task"
    return model


TASK = InstanceTask()
