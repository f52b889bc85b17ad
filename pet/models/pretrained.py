"""Weights that a model begins with, and weights that are tested."""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import torch
from torch import Tensor, nn

from pet.models.classifiers import LIBRARIES, find_classifier
from petlib.checkpoint.checkpointer import Checkpointer
from petlib.checkpoint.weights import load_weights
from petlib.config import CfgNode
from petlib.dist.collectives import broadcast_object
from petlib.dist.process_group import is_main_process
from petlib.errors import CheckpointError, ConfigError

KEY_PREFIXES = ("backbone.",)
"""Below this the networks of timm and torchvision stand in our models, with their own names."""

logger = logging.getLogger(__name__)


def load_pretrained(model: nn.Module, cfg: CfgNode) -> None:
    """Load what ``TRAIN.WEIGHTS`` names into ``model`` and log which keys fit; nothing where it is empty or a run is continued.

    A layer whose shape differs, such as a classifier for another number of classes, stays random and is reported. Every
    process calls it.

    Raises:
        CheckpointError: the file cannot be read or belongs to another network, or published weights cannot be had.
        ConfigError: weights of a library that the network does not come from.
    """
    source = cfg.TRAIN.WEIGHTS
    if cfg.TRAIN.AUTO_RESUME and Checkpointer(cfg.MISC.CKPT).has_latest():
        return
    if source in LIBRARIES:
        state = _fetch_once(cfg.MODEL.BACKBONE, library=source)
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"{source}.pth"
            torch.save(state, path)
            _load(model, str(path), cfg)
    elif source:
        _load(model, source, cfg)


def load_test_weights(model: nn.Module, cfg: CfgNode) -> None:
    """Load what ``TEST.WEIGHTS`` names: a file, ``latest`` or ``best`` of ``MISC.CKPT``; empty: best where there is one, else latest.

    Raises:
        CheckpointError: there is no such file, it cannot be read, or it does not fit the model in every name and shape.
    """
    path = find_test_weights(cfg)
    load_weights(model, str(path), prefer_ema=cfg.TEST.USE_EMA, key_prefixes=KEY_PREFIXES).require_complete()
    logger.info("testing the weights of %s", path)


def find_test_weights(cfg: CfgNode) -> Path:
    """Return the file that ``TEST.WEIGHTS`` means.

    Raises:
        CheckpointError: the output folder has no such checkpoint.
    """
    checkpointer = Checkpointer(cfg.MISC.CKPT)
    there = {"best": checkpointer.has_best(), "latest": checkpointer.has_latest()}
    if cfg.TEST.WEIGHTS and cfg.TEST.WEIGHTS not in there:
        return Path(cfg.TEST.WEIGHTS)
    wanted = [cfg.TEST.WEIGHTS] if cfg.TEST.WEIGHTS else list(there)
    for name in wanted:
        if there[name]:
            return checkpointer.best_path if name == "best" else checkpointer.latest_path
    raise CheckpointError(
        f"{cfg.MISC.CKPT}: there is no {' and no '.join(wanted)} checkpoint to test; train with this config first, "
        "name the folder of a training with MISC.CKPT, or a file with TEST.WEIGHTS"
    )


def published_weights(name: str, *, library: str) -> dict[str, Tensor]:
    """Return the state dict that ``library`` publishes for a network: those of the tag in timm's name, else its default ones.

    Raises:
        CheckpointError: there are none, or they are neither in the cache of the library nor to be had over the network.
        ConfigError: the network does not come from that library.
    """
    found, own_name = find_classifier(name)
    if found != library:
        raise ConfigError(
            f"TRAIN.WEIGHTS: {library}: the network {name} is {'of ' + found if found else 'not from a library'}; "
            f"name it as MODEL.BACKBONE {library}/NAME, or give a file"
        )
    try:
        return _fetch(own_name, library)
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(
            f"TRAIN.WEIGHTS: {library}: the published weights of {own_name} cannot be had: {reason}\n"
            "  they come over the network; without one, set TRAIN.WEIGHTS to a file with them, or leave it empty for random weights"
        ) from error


def _fetch(name: str, library: str) -> dict[str, Tensor]:
    if library == "timm":
        import timm  # slow to import, and only needed for its weights

        return cast("dict[str, Tensor]", timm.create_model(name, pretrained=True).state_dict())
    from torchvision import models  # slow to import, and only needed for its weights

    if name in ("googlenet", "inception_v3"):
        logger.warning("%s was trained with MODEL.BACKBONE_ARGS {transform_input: True}; without it the colours differ", name)
    return cast("dict[str, Tensor]", models.get_model_weights(name).DEFAULT.get_state_dict(progress=False, check_hash=True))


def _fetch_once(name: str, *, library: str) -> dict[str, Tensor]:
    """Let the main process fetch weights and give them to the others; an error reaches all of them."""
    outcome: dict[str, Tensor] | CheckpointError | ConfigError | None = None
    if is_main_process():
        try:
            outcome = published_weights(name, library=library)
        except (CheckpointError, ConfigError) as error:
            outcome = error
    outcome = broadcast_object(outcome)
    if isinstance(outcome, Exception):
        raise outcome
    assert outcome is not None, "the main process sends weights or an error"
    return outcome


def _load(model: nn.Module, source: str, cfg: CfgNode) -> None:
    report = load_weights(model, source, prefer_ema=True, key_prefixes=KEY_PREFIXES, convert_conv1=cfg.MISC.CONV1_RGB2BGR)
    logger.info(report.summary())
