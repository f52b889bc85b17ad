"""The training data of the general CNN."""

import torch

from pet.data.loading.build import build_training_data as build_shared_training_data
from pet.data.targets.check import Expectation
from pet.vision.heads.table import target_kinds
from petlib.config import CfgNode
from petlib.data.train_loader import TrainLoader


def expected_data(cfg: CfgNode) -> Expectation:
    """Return what the heads that are on want of their data."""
    return Expectation(
        kinds=target_kinds(cfg),
        num_classes=cfg.MODEL.NUM_CLASSES,
        num_semseg_classes=cfg.MODEL.SEMSEG.NUM_CLASSES or cfg.MODEL.NUM_CLASSES,
        num_keypoints=cfg.MODEL.KEYPOINTS.NUM_KEYPOINTS,
        num_parts=cfg.MODEL.PARSING.NUM_PARTS,
    )


def build_training_data(cfg: CfgNode, device: torch.device) -> TrainLoader:
    """Return the batches of ``TRAIN.DATASETS`` with the targets that the heads learn from, after a first look at the samples.

    Raises:
        ConfigError: a name is unknown or a setting wrong.
        DataError: the data are missing, wrong, or do not fit the model.
    """
    return build_shared_training_data(cfg, device, expected_data(cfg))
