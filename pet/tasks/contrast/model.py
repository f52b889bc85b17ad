"""The network of a training without labels, as a config describes it."""

from typing import Any

from torch import nn

from pet.models import load_pretrained
from pet.models.classifiers import synchronise_batch_norm
from pet.models.embedding import build_embedding_network
from pet.models.selfsup.method import PretrainingMethod
from pet.models.selfsup.projector import PrototypeHead, build_mlp
from pet.models.selfsup.siamese import BarlowTwins, SimCLR
from pet.models.selfsup.student_teacher import BYOL, DINO, MoCo, MoCoV3, StudentTeacher
from pet.typed import ContrastConfig
from petlib.checkpoint.origin import Origin
from petlib.config import ConfigError, keys_in_errors
from petlib.distributed.process_group import world_size
from petlib.engine.gradient_cache import check_parts
from petlib.errors import name_in_errors


def build_model(cfg: ContrastConfig) -> PretrainingMethod:
    """Return the method of ``CONTRAST`` on the network ``MODEL.BACKBONE``, with random weights.

    Raises:
        ConfigError: the network is unknown or does not take its arguments, or has batch norms where parts of a batch are encoded.
    """
    with keys_in_errors(cfg):
        backbone, features = build_embedding_network(cfg.MODEL.BACKBONE, dict(cfg.MODEL.BACKBONE_ARGS))
    parts = {"backbone": backbone, "projector": _build_projector(cfg, features)}
    model = _build_method(cfg, parts)
    if cfg.CONTRAST.GRADIENT_CACHE:
        with name_in_errors({"GradientCacheStep": "CONTRAST.GRADIENT_CACHE"}):
            check_parts(model)
    return _synchronised(model, cfg) if cfg.MODEL.SYNC_BN else model


def load_backbone(model: PretrainingMethod, cfg: ContrastConfig) -> Origin:
    """Load what ``TRAIN.WEIGHTS`` names into the backbone, and let a teacher begin as its student; nothing where it is empty.

    Returns:
        What it begins with, for the state of the run.

    Raises:
        CheckpointError: the file cannot be read or belongs to another network, or published weights cannot be had.
        ConfigError: weights of a library that the network does not come from.
    """
    origin = load_pretrained(model, cfg)
    if cfg.TRAIN.WEIGHTS and isinstance(model, StudentTeacher):
        model.update_teacher(0.0)
    return origin


def _build_projector(cfg: ContrastConfig, features: int) -> nn.Module:
    options = cfg.CONTRAST.PROJECTOR
    if cfg.CONTRAST.METHOD == "dino":
        return PrototypeHead(
            features, hidden=options.HIDDEN, bottleneck=options.DIM, out=cfg.CONTRAST.DINO.PROTOTYPES, layers=options.LAYERS
        )
    return build_mlp(
        features, hidden=options.HIDDEN, out=options.DIM, layers=options.LAYERS, norm=options.NORM, norm_at_end=options.NORM_AT_END
    )


def _build_predictor(cfg: ContrastConfig) -> nn.Module:
    options, length = cfg.CONTRAST.PREDICTOR, cfg.CONTRAST.PROJECTOR.DIM
    return build_mlp(length, hidden=options.HIDDEN, out=length, layers=options.LAYERS, norm=cfg.CONTRAST.PROJECTOR.NORM)


def _build_method(cfg: ContrastConfig, parts: dict[str, Any]) -> PretrainingMethod:
    options = cfg.CONTRAST
    match options.METHOD:
        case "simclr":
            return SimCLR(**parts, temperature=options.TEMPERATURE)
        case "barlow_twins":
            return BarlowTwins(**parts, off_diagonal=options.BARLOW.OFF_DIAGONAL, scale=options.BARLOW.SCALE)
        case "moco":
            return MoCo(
                **parts,
                temperature=options.TEMPERATURE,
                queue=options.QUEUE,
                length=options.PROJECTOR.DIM,
                groups=_groups_of_a_process(cfg),
                shuffles=options.BATCH_NORM_GROUPS > 1,
            )
        case "mocov3":
            return MoCoV3(**parts, predictor=_build_predictor(cfg), temperature=options.TEMPERATURE)
        case "byol":
            return BYOL(**parts, predictor=_build_predictor(cfg))
        case "dino":
            return DINO(
                **parts,
                out=options.DINO.PROTOTYPES,
                student_temperature=options.TEMPERATURE,
                teacher_temperature=options.DINO.TEACHER_TEMPERATURE[0],
                centre_momentum=options.DINO.CENTRE_MOMENTUM,
            )
    raise ConfigError(f"CONTRAST.METHOD: {options.METHOD!r} is unknown")


def _groups_of_a_process(cfg: ContrastConfig) -> int:
    groups = cfg.CONTRAST.BATCH_NORM_GROUPS
    if groups > 1 and groups % world_size():
        raise ConfigError(
            f"CONTRAST.BATCH_NORM_GROUPS: {groups} given, but {world_size()} processes share them; give a multiple "
            f"of {world_size()}, or 1 for no groups"
        )
    return max(groups // world_size(), 1)


def _synchronised(model: PretrainingMethod, cfg: ContrastConfig) -> PretrainingMethod:
    converted = synchronise_batch_norm(model, cfg)
    assert isinstance(converted, PretrainingMethod), "batch norms are replaced in place"
    return converted
