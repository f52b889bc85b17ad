"""What a checkpoint of a run holds, and how a run continues from one."""

import logging
import platform
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from petlib.checkpoint.random_state import random_state, restore_random_state
from petlib.config.node import CfgNode
from petlib.dist.collectives import all_gather_objects
from petlib.dist.process_group import rank, world_size
from petlib.engine.hook import Hook
from petlib.engine.hooks.ema import EmaHook
from petlib.engine.seed import seed_everything
from petlib.engine.state import KeyedState, TrainState

logger = logging.getLogger(__name__)

# a large prime: seeds of ranks and iterations do not meet
ITERATION_STRIDE = 1_000_003


def snapshot_of(state: TrainState, *, config: str) -> dict[str, Any]:
    """Return all that a run needs to continue exactly; every rank calls this together."""
    return {
        **parts_of(state, state.hooks),
        "iteration": state.iteration,
        "epoch": state.epoch,
        "random": all_gather_objects(random_state()),
        "config": config,
        "versions": {"torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version()},
    }


def resume(state: TrainState, hooks: Sequence[Hook], cfg: CfgNode) -> bool:
    """Continue from the latest checkpoint where there is one, else seed this rank's random generators for a new run.

    With the same number of ranks the run goes on as if it had never been interrupted. With another number the
    order of the data stays, but random numbers that the model itself draws (dropout) begin anew.

    Returns:
        Whether a checkpoint was found. With ``TRAIN.AUTO_RESUME`` off none is looked for.

    Raises:
        CheckpointError: the checkpoint is damaged, or belongs to another network.
    """
    saved = state.checkpointer.restore(parts_of(state, hooks)) if cfg.TRAIN.AUTO_RESUME else None
    if saved is None:
        seed_everything(cfg.MISC.SEED + 1 + rank())
        return False
    state.iteration = saved["iteration"]
    if len(saved["random"]) == world_size():
        restore_random_state(saved["random"][rank()])
    else:
        logger.warning("the checkpoint is of %d processes, now there are %d: random states begin anew", len(saved["random"]), world_size())
        seed_everything(cfg.MISC.SEED + 1 + rank() + ITERATION_STRIDE * state.iteration)
    logger.info("continuing from iteration %d of %d (%s)", state.iteration, state.max_iter, state.checkpointer.restored_path)
    return True


def parts_of(state: TrainState, hooks: Sequence[KeyedState]) -> dict[str, Any]:
    """Return the parts that are restored in place."""
    averages = [hook.average for hook in hooks if isinstance(hook, EmaHook)]
    return {
        "model": state.network,
        "optimizers": state.optimizers,
        "schedulers": state.schedulers,
        "scaler": state.scaler,
        "ema": averages[0] if averages else None,
        "hooks": {hook.key: hook for hook in hooks if type(hook).state_dict is not Hook.state_dict},
    }
