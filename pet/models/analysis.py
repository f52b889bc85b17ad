"""Size and cost of a model, printed before a training."""

import logging

import torch
from torch import nn

from petlib.analyser import Analyser
from petlib.config import CfgNode
from petlib.dist.process_group import is_main_process

logger = logging.getLogger(__name__)


def analyse(model: nn.Module, cfg: CfgNode) -> None:
    """Log parameters, FLOPs and activations of ``model`` for one square image of ``TRAIN.RESIZE.SCALES[0]`` pixels.

    Only the main process does it, and only with ``ANALYSER.ENABLED``. The model, which is on the CPU and not wrapped yet,
    and the random generators stay as they are.
    """
    if not (cfg.ANALYSER.ENABLED and is_main_process()):
        return
    size = cfg.TRAIN.RESIZE.SCALES[0]
    analyser = Analyser(model, ({"image": torch.zeros(1, 3, size, size)},))
    logger.info("%s, for an image of %d x %d: %s", cfg.MODEL.BACKBONE, size, size, analyser.summary())
