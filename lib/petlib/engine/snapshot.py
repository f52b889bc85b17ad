"""What a checkpoint of a run holds, and how a run continues from one."""

import logging
import platform
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from petlib.checkpoint.origin import FIELD, UNRECORDED, origin_in
from petlib.config.typed import PetlibConfig
from petlib.data.seeding import random_state, restore_random_state, seed_everything
from petlib.distributed.collectives import all_gather_objects
from petlib.distributed.process_group import is_main_process, rank, world_size
from petlib.engine.changed_settings import SavedSettings
from petlib.engine.hook import Hook
from petlib.engine.hooks.ema import EmaHook
from petlib.engine.optimizer_settings import keep_settings, settings_of
from petlib.engine.run import write_record
from petlib.engine.state import KeyedState, TrainState
from petlib.errors import CheckpointError
from petlib.events.storage import EventStorage

logger = logging.getLogger(__name__)

# a large prime: seeds of ranks and iterations do not meet
ITERATION_STRIDE = 1_000_003


def snapshot_of(state: TrainState, *, config: str) -> dict[str, Any]:
    """Return all that a run needs to continue exactly; every rank calls this together."""
    return {
        **parts_of(state, state.hooks),
        "iteration": state.iteration,
        "epoch": state.epoch,
        "iterations_per_epoch": state.iterations_per_epoch,
        "random": all_gather_objects(random_state()),
        "config": config,
        "names": {kind: list(names) for kind, names in state.names.items()},
        FIELD: state.origin._asdict(),
        "versions": {"torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version()},
    }


def resume(state: TrainState, hooks: Sequence[Hook], cfg: PetlibConfig) -> bool:
    """Continue from the latest checkpoint where there is one, else seed this rank's random generators for a new run; record the config.

    With the same number of ranks the run goes on as if it had never been interrupted. With another number the
    order of the data stays, but random numbers that the model itself draws (dropout) begin anew. Settings that differ from
    those of the checkpoint are listed; those of the optimizer and of its schedule count from here on.

    Returns:
        Whether a checkpoint was found. With ``TRAIN.AUTO_RESUME`` off none is looked for.

    Raises:
        CheckpointError: the checkpoint is damaged, or belongs to another network, other optimizers or other classes; the message lists
            the settings that differ.
        OutputError: the config cannot be recorded.
    """
    settings = SavedSettings(cfg, state.names)
    saved, kept = _restore(state, hooks, settings) if cfg.TRAIN.AUTO_RESUME else (None, [])
    write_record(cfg)
    if saved is None:
        seed_everything(cfg.MISC.SEED + 1 + rank())
        return False
    state.iteration = saved["iteration"]
    state.origin = origin_in(saved) or UNRECORDED
    if len(saved["random"]) == world_size():
        restore_random_state(saved["random"][rank()])
    else:
        seed_everything(cfg.MISC.SEED + 1 + rank() + ITERATION_STRIDE * state.iteration)
    if is_main_process():
        logger.info("continuing from iteration %d of %d (%s)", state.iteration, state.max_iter, state.checkpointer.restored_path)
        _report_changes(state, settings, saved, kept)
        if state.names and "names" not in saved:
            logger.info("the checkpoint does not say the names of its classes: they were not compared with those of the data")
    return True


def _restore(state: TrainState, hooks: Sequence[Hook], settings: SavedSettings) -> tuple[dict[str, Any] | None, list[str]]:
    """Restore all parts; return the plain values of the checkpoint, None where there is none, and what of it does not count."""
    wanted = settings_of(state.optimizers)
    try:
        saved = state.checkpointer.restore(parts_of(state, hooks), inspect=settings.inspect)
    except CheckpointError as error:
        raise CheckpointError(f"{error}{settings.advice()}") from error
    return saved, [] if saved is None else keep_settings(state.optimizers, state.schedulers, wanted)


def _report_changes(state: TrainState, settings: SavedSettings, saved: dict[str, Any], kept: list[str]) -> None:
    """Say what is not as it was when the checkpoint was saved."""
    if settings.changes:
        logger.warning("settings that differ from those of the checkpoint:%s", settings.describe())
    if kept:
        logger.warning("settings of the optimizer that count in place of those of the checkpoint:\n  %s", "\n  ".join(kept))
    if len(saved["random"]) != world_size():
        logger.warning(
            "the checkpoint is of %d processes, now there are %d: the batches stay the same, random numbers of the model begin anew",
            *(len(saved["random"]), world_size()),
        )
    length = saved.get("iterations_per_epoch", state.iterations_per_epoch)
    if length != state.iterations_per_epoch:
        logger.warning(
            "an epoch had %d iterations and has %d now: the data or the batch are others, so the rest of this epoch has samples that "
            "it had already, and lacks others; iterations are counted on",
            *(length, state.iterations_per_epoch),
        )
    if state.iteration >= state.max_iter:
        logger.warning(
            "the checkpoint is of iteration %d, and the run ends after %d: there is nothing to do; a longer training, or another output "
            "folder, trains on",
            *(state.iteration, state.max_iter),
        )


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


class RolledBack(Exception):  # noqa: N818 -- no error: it makes the loop go on from the state that was restored
    """The state of the run was put back by :func:`go_back`."""


def go_back(state: TrainState, *, iteration: int) -> int:
    """Put back the state of the last checkpoint, and set the counter to ``iteration``; every rank calls it.

    The schedules move on to ``iteration``: the iterations in between count, although nothing of them stays.

    Returns:
        The iteration of the checkpoint.

    Raises:
        CheckpointError: there is no checkpoint, or it is damaged.
    """
    saved = state.checkpointer.restore(parts_of(state, state.hooks))
    if saved is None:
        raise CheckpointError(f"{state.checkpointer.latest_path}: there is no checkpoint to go back to")
    if len(saved["random"]) == world_size():
        restore_random_state(saved["random"][rank()])
    for scheduler in state.schedulers.values():
        for _ in range(iteration - saved["iteration"]):
            scheduler.step()
    state.iteration = iteration
    state.storage = EventStorage()
    return int(saved["iteration"])
