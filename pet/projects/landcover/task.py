"""Land cover as a task."""

import torch

from pet.projects.landcover.data import build_training_data
from pet.projects.landcover.model import build_model
from pet.segmentation.model import Segmenter
from pet.segmentation.task import SegmentationTask
from petlib.config import CfgNode
from petlib.data.train_loader import TrainLoader


class LandcoverTask(SegmentationTask):
    """Segmentation that may learn from unlabelled images too; of two students the first is tested, exported and predicts."""

    def build_model(self, cfg: CfgNode) -> Segmenter:
        """Return the model with random weights: with ``SEMI.ENABLED`` two students with their teachers, else a plain segmenter."""
        return build_model(cfg)

    def build_training_data(self, cfg: CfgNode, device: torch.device) -> TrainLoader:
        """Return the batches of ``TRAIN.DATASETS``, with ``SEMI.ENABLED`` with the views of unlabelled images beside."""
        return build_training_data(cfg, device) if cfg.SEMI.ENABLED else super().build_training_data(cfg, device)


TASK = LandcoverTask()
