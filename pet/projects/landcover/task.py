"""Land cover as a task."""

import torch

from pet.data.targets.dataset import Dataset
from pet.projects.landcover.data import build_training_data
from pet.projects.landcover.model import build_model
from pet.segmentation.model import Segmenter
from pet.segmentation.task import SegmentationTask
from petlib.config import CfgNode
from petlib.data.protocols import Dataset as Samples
from petlib.data.train_loader import TrainLoader


class LandcoverTask(SegmentationTask):
    """Segmentation that may learn from unlabelled images too; of two students the first is tested, exported and predicts.

    Args:
        unlabelled: samples with an ``image``; None: ``SEMI.DATASETS``.
    """

    def __init__(self, unlabelled: Samples | None = None) -> None:
        self._unlabelled = unlabelled

    def build_model(self, cfg: CfgNode) -> Segmenter:
        """Return the model with random weights: with ``SEMI.ENABLED`` two students with their teachers, else a plain segmenter."""
        return build_model(cfg)

    def build_training_data(self, cfg: CfgNode, device: torch.device, dataset: Dataset | None = None) -> TrainLoader:
        """Return the batches of ``TRAIN.DATASETS``, or of ``dataset``, with ``SEMI.ENABLED`` next to views of unlabelled images."""
        if not cfg.SEMI.ENABLED:
            return super().build_training_data(cfg, device, dataset)
        return build_training_data(cfg, device, dataset, self._unlabelled)


TASK = LandcoverTask()
