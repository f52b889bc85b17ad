"""What a checkpoint of a run holds, and how a run continues from one."""

import logging
import platform
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from petlib.checkpoint.random_state import random_state, restore_random_state
from petlib.dist.collectives import all_gather_objects
from petlib.dist.process_group import rank, world_size
from petlib.engine.hook import Hook
from petlib.engine.hooks.ema import EmaHook
from petlib.engine.seed import seed_everything
from petlib.engine.state import KeyedState, TrainState

logger = logging.getLogger(__name__)


def snapshot_of(state: TrainState, *, config: str) -> dict[str, Any]:
    """Return all that a run needs to continue exactly; every rank calls this together."""
    return {
        **_parts(state, state.hooks),
        "hooks": {hook.key: hook.state_dict() for hook in state.hooks},
        "iteration": state.iteration,
        "epoch": state.epoch,
        "random": all_gather_objects(random_state()),
        "config": config,
        "versions": {"torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version()},
    }


def resume(state: TrainState, hooks: Sequence[Hook], *, seed: int) -> bool:
    """Continue from the latest checkpoint where there is one, else seed this rank's random generators for a new run.

    With the same number of ranks the run goes on as if it had never been interrupted. With another number the
    order of the data stays, but random numbers that the model itself draws (dropout) begin anew.

    Returns:
        Whether a checkpoint was found.

    Raises:
        CheckpointError: the checkpoint is damaged, or belongs to another network.
    """
    if not state.checkpointer.has_latest():
        seed_everything(seed + 1 + rank())
        return False
    saved = state.checkpointer.restore(_parts(state, hooks))
    for hook in hooks:
        if hook.key in saved["hooks"]:
            hook.load_state_dict(saved["hooks"][hook.key])
    state.iteration = saved["iteration"]
    if len(saved["random"]) == world_size():
        restore_random_state(saved["random"][rank()])
    else:
        logger.warning("the checkpoint is of %d processes, now there are %d: random states begin anew", len(saved["random"]), world_size())
        seed_everything(seed + 1 + rank() + 1_000_003 * state.iteration)
    logger.info("continuing from iteration %d of %d (%s)", state.iteration, state.max_iter, state.checkpointer.latest_path)
    return True


def _parts(state: TrainState, hooks: Sequence[KeyedState]) -> dict[str, Any]:
    """Return the parts that are restored in place."""
    parts: dict[str, Any] = {"model": state.network, "optimizers": state.optimizers, "schedulers": state.schedulers}
    if state.scaler is not None:
        parts["scaler"] = state.scaler
    for hook in hooks:
        if isinstance(hook, EmaHook):
            parts["ema"] = hook.average
    return parts
