"""The model of land cover from a config."""

import logging

import torch

from pet.models.pretrained import load_pretrained
from pet.projects.landcover.mutual_distillation import MutualDistillation
from pet.segmentation.model import Segmenter
from pet.segmentation.model import build_model as build_segmenter
from petlib.config import CfgNode

logger = logging.getLogger(__name__)


def build_model(cfg: CfgNode) -> Segmenter:
    """Return the model with random weights: with ``SEMI.ENABLED`` a :class:`MutualDistillation`, else a plain segmenter.

    Raises:
        ConfigError: the network, a loss or an argument is unknown, or they do not go together.
    """
    if not cfg.SEMI.ENABLED:
        return build_segmenter(cfg)
    return MutualDistillation(
        students=[build_segmenter(cfg), build_segmenter(cfg)],
        teacher_weight=cfg.SEMI.TEACHER_WEIGHT,
        student_weight=cfg.SEMI.STUDENT_WEIGHT,
        threshold=cfg.SEMI.THRESHOLD,
    )


def load_students(model: MutualDistillation, cfg: CfgNode) -> None:
    """Load what ``TRAIN.WEIGHTS`` names into both students, and begin with teachers that are like them; nothing where it is empty.

    Weights of a segmenter or of a backbone go into both. A checkpoint of this model has each student's own.

    Raises:
        CheckpointError: the file cannot be read or belongs to another network, or published weights cannot be had.
        ConfigError: weights of a library that the network does not come from.
    """
    if not cfg.TRAIN.WEIGHTS:
        return
    second = model.student(1)
    # the whole model comes last: a checkpoint of it has other weights for the second student than for the first
    for part in (second, model):
        load_pretrained(part, cfg, backbone=second.network.encoder_name)
    model.update_teachers(0.0)
    if _equal_students(model):
        logger.warning(
            "TRAIN.WEIGHTS: both students begin with the very same weights, so neither can teach the other anything; give weights of a "
            "backbone, or a checkpoint of a training with SEMI.ENABLED"
        )


def _equal_students(model: MutualDistillation) -> bool:
    first, second = (network.parameters() for network in model.student_networks)
    return all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
