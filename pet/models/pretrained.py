"""Weights that a model begins with, and weights that are tested."""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from pet.models.classifiers import LIBRARIES, find_classifier
from petlib.checkpoint.weights import load_weights
from petlib.config import CfgNode
from petlib.dist.collectives import broadcast_object
from petlib.dist.process_group import is_main_process
from petlib.errors import CheckpointError, ConfigError

KEY_PREFIXES = ("backbone.",)
"""Below this the networks of timm and torchvision stand in our models, with their own names."""

logger = logging.getLogger(__name__)


def load_pretrained(model: nn.Module, cfg: CfgNode) -> None:
    """Load what ``TRAIN.WEIGHTS`` names into ``model`` and log which keys fit; nothing where it is empty.

    A layer whose shape differs, such as a classifier for another number of classes, stays random and is reported.

    Raises:
        CheckpointError: the file cannot be read or belongs to another network, or published weights cannot be had.
        ConfigError: weights of a library that the network does not come from.
    """
    source = cfg.TRAIN.WEIGHTS
    if not source:
        return
    if source not in LIBRARIES:
        _load(model, source, cfg)
        return
    state = published_weights(cfg.MODEL.BACKBONE, library=source)
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{source}.pth"
        torch.save(state, path)
        _load(model, str(path), cfg)
