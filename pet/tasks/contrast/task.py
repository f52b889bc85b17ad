"""Learning without labels as a task."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import nn

from pet.data.targets.dataset import Dataset, Expectation
from pet.exporting.embeddings import embedding_network
from pet.exporting.network import TaskNetwork
from pet.models.selfsup.method import PretrainingMethod
from pet.prediction import FilePredictor
from pet.prediction.embeddings import build_file_embeddings
from pet.task import NO_NAMES, Task
from pet.tasks.contrast.evaluation import ProbeEvaluation, build_probe_evaluation
from pet.tasks.contrast.model import build_model
from pet.typed import ContrastConfig
from petlib.config import ConfigError


class ContrastTask(Task[ContrastConfig]):
    """Images without labels in training; labelled ones where the embeddings are measured."""

    def build_model(self, cfg: ContrastConfig) -> PretrainingMethod:
        """Return the method of ``CONTRAST`` with random weights."""
        return build_model(cfg)

    def expected_data(self, cfg: ContrastConfig) -> Expectation:
        """Return that only images are needed."""
        return Expectation(kinds=())

    def build_evaluation(
        self,
        cfg: ContrastConfig,
        device: torch.device,
        dataset: Dataset | None = None,
        *,
        names: Mapping[str, Sequence[str]] = NO_NAMES,
    ) -> ProbeEvaluation:
        """Return the probes of the embeddings."""
        return build_probe_evaluation(cfg, device, dataset)

    def build_predictor(self, cfg: ContrastConfig, device: torch.device, *, window: int = 0) -> FilePredictor:
        """Return what writes the embeddings of images.

        Raises:
            ConfigError: windows are given.
            CheckpointError: the weights are missing or do not fit.
        """
        if window:
            raise ConfigError(f"build_predictor.window: {window} given, but this model looks at whole images; leave it out")
        return build_file_embeddings(cfg, device, lambda: self.build_model(cfg), flip=False)

    def build_export_network(self, cfg: ContrastConfig, model: nn.Module) -> TaskNetwork:
        """Return the backbone: images to embeddings (B, F), not normalised."""
        return embedding_network(cast("PretrainingMethod", model).handed_over())


TASK = ContrastTask()
