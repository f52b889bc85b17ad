"""What a run does to its model before the loop: cost, weights to begin with, device, processes; and the weights that a test takes."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from petlib import distributed
from petlib.analyser import Analyser
from petlib.checkpoint.checkpointer import Checkpointer
from petlib.checkpoint.origin import RANDOM, UNRECORDED, Origin
from petlib.checkpoint.state_file import existing_file
from petlib.checkpoint.weights import load_weights
from petlib.config.typed import PetlibConfig
from petlib.distributed.process_group import is_main_process
from petlib.engine.state import Batch
from petlib.engine.storage import fetch_trained
from petlib.errors import CheckpointError, name_in_errors
from petlib.solver.build import RULE_KEYS, build_rules
from petlib.solver.parameter_groups import ParameterRule, freeze_parameters

TEST_MAP = {"load_weights.rename": "TEST.WEIGHTS_MAP"}
"""What is called ``TRAIN.WEIGHTS_MAP`` else."""

logger = logging.getLogger(__name__)

CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
"""Dimensions of weights -> their order in memory."""


def analyse(
    model: nn.Module, cfg: PetlibConfig, batch: Batch, *, name: str, forward: Callable[[nn.Module, Any], Any] | None = None
) -> None:
    """Log parameters, FLOPs, activations and parts of ``model`` for a batch, where ``ANALYSER.ENABLED`` says so; the main process does it.

    The model, which is on the CPU and not wrapped yet, and the random generators stay as they are.

    Args:
        model: takes the batch.
        cfg: the config.
        batch: what it computes on, e.g. one sample.
        name: what is printed before the figures.
        forward: how the model is called, ``forward(model, batch)``; None: ``model(batch)``.
    """
    if cfg.ANALYSER.ENABLED and is_main_process():
        analyser = Analyser(model, (batch,), forward=forward)
        logger.info("%s: %s", name, analyser.summary())
        logger.info("parts: %s", analyser.parts())


def load_initial_weights(model: nn.Module, cfg: PetlibConfig) -> Origin:
    """Load the file ``TRAIN.WEIGHTS`` into ``model`` and log what fits; nothing where it is empty or a run is continued.

    A layer whose shape differs stays random and is reported. Every process calls it.

    Returns:
        What the weights began with, for the state of the run.

    Raises:
        CheckpointError: the file cannot be read or belongs to another network.
        ConfigError: a rule of ``TRAIN.WEIGHTS_MAP`` is wrong or finds nothing.
    """
    if not cfg.TRAIN.WEIGHTS or continues(cfg):
        return RANDOM
    report = load_weights(model, cfg.TRAIN.WEIGHTS, prefer_ema=True, rename=cfg.TRAIN.WEIGHTS_MAP)
    logger.info("%s", report.summary())
    return report.origin or UNRECORDED._replace(weights=cfg.TRAIN.WEIGHTS)


def continues(cfg: PetlibConfig) -> bool:
    """Return whether the run goes on from a checkpoint of its output folder, whose weights count then."""
    return bool(cfg.TRAIN.AUTO_RESUME) and Checkpointer(cfg.MISC.CKPT).can_resume()


def load_test_weights(model: nn.Module, cfg: PetlibConfig) -> Mapping[str, Sequence[str]]:
    """Load the weights of :func:`find_test_weights`, their moving average where there is one and ``TEST.USE_EMA`` is on.

    Returns:
        What the numbers of the model are called, by kind of target, as its training knew them; empty: not known.

    Raises:
        CheckpointError: there is no such file, it cannot be read, or it does not fit the model in every name and shape.
    """
    path = find_test_weights(cfg)
    with name_in_errors(TEST_MAP):
        report = load_weights(model, path, prefer_ema=cfg.TEST.USE_EMA, rename=cfg.TEST.WEIGHTS_MAP)
        report.require_complete()
    logger.info("the weights are those of %s", path)
    return report.names or {}


def find_test_weights(cfg: PetlibConfig) -> Path:
    """Return the file that ``TEST.WEIGHTS`` means.

    With ``MISC.STORAGE`` the checkpoints come from there, where the output folder has none or older ones.

    Raises:
        CheckpointError: there is no such file, or the output folder has no such checkpoint.
        StoreError: the store refuses or does not answer.
    """
    if cfg.TEST.WEIGHTS in ("", "best", "latest"):
        fetch_trained(cfg)
    checkpointer = Checkpointer(cfg.MISC.CKPT)
    present = {"best": checkpointer.has_best(), "latest": checkpointer.has_latest()}
    if cfg.TEST.WEIGHTS and cfg.TEST.WEIGHTS not in present:
        return existing_file(Path(cfg.TEST.WEIGHTS))
    wanted = [cfg.TEST.WEIGHTS] if cfg.TEST.WEIGHTS else list(present)
    for name in wanted:
        if present[name]:
            return checkpointer.best_path if name == "best" else checkpointer.latest_path
    raise CheckpointError(
        f"{cfg.MISC.CKPT}: there is no {' and no '.join(wanted)} checkpoint; train with this config first, "
        "name the folder of a training with MISC.CKPT, or a file with TEST.WEIGHTS"
    )


def prepare_model(model: nn.Module, cfg: PetlibConfig, device: torch.device, rules: Sequence[ParameterRule] | None = None) -> nn.Module:
    """Move the model to the device, frozen, in the memory order and compiled as the config wants it.

    With ``MISC.COMPILE`` ``auto`` a hook of the training compiles it. Call this before the model is wrapped for several processes.

    Args:
        model: the network.
        cfg: the config.
        device: where it computes.
        rules: say which parameters are frozen; None: ``SOLVER.OPTIMIZER.RULES``.

    Raises:
        ConfigError: a rule of ``SOLVER.OPTIMIZER.RULES`` is wrong or matches no parameter.
    """
    model = model.to(device=device)
    if cfg.MISC.CHANNELS_LAST:
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.data = tensor.data.contiguous(memory_format=CHANNELS_LAST.get(tensor.ndim, torch.contiguous_format))
    with name_in_errors(RULE_KEYS):
        freeze_parameters(model, build_rules(cfg) if rules is None else rules)
    if cfg.MISC.COMPILE == "always" or (cfg.MISC.COMPILE == "cuda" and device.type == "cuda"):
        model.compile()
    return model


def parallelize(model: nn.Module, cfg: PetlibConfig, device: torch.device, *, ignored: Collection[str] = ()) -> nn.Module:
    """Return ``model``, which is on ``device``, shared among the processes as ``TRAIN.PARALLEL`` says.

    Args:
        model: the network.
        cfg: the config.
        device: where it computes.
        ignored: names of parameters and buffers that each process keeps to itself, see :func:`petlib.distributed.parallelize`.

    Raises:
        ConfigError: ``dp`` with several processes, or ``fsdp`` with several processes and ``ignored``.
    """
    unused = cfg.TRAIN.FIND_UNUSED_PARAMETERS
    with name_in_errors({"mode": "TRAIN.PARALLEL"}):
        return distributed.parallelize(model, cfg.TRAIN.PARALLEL, device=device, find_unused_parameters=unused, ignored=ignored)
