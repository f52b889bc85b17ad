"""The place of a run in a store of objects, as a config names it."""

import functools
import os
import socket
from pathlib import Path

from petlib.checkpoint.checkpointer import Checkpointer
from petlib.checkpoint.fetch import fetch_newer
from petlib.checkpoint.nodes import give_to_all_nodes
from petlib.checkpoint.stored import CheckpointStore
from petlib.checkpoint.upload import Uploader, finish_upload
from petlib.config.typed import PetlibConfig
from petlib.distributed.collectives import broadcast_object
from petlib.distributed.process_group import is_main_process
from petlib.errors import OutputError, StoreError

REQUEST_SECONDS = 60.0
"""How long a request that fails is repeated at most, before the upload as a whole is tried again."""


def build_store(cfg: PetlibConfig) -> CheckpointStore | None:
    """Return the place of ``MISC.STORAGE``; None: there is none.

    Raises:
        OutputError: it is no address.
    """
    if not cfg.MISC.STORAGE:
        return None
    return CheckpointStore(cfg.MISC.STORAGE, retry_seconds=min(REQUEST_SECONDS, cfg.MISC.STORAGE_TIMEOUT))


def build_uploader(cfg: PetlibConfig, folder: str | Path) -> Uploader | None:
    """Return what brings the checkpoints of ``folder`` to ``MISC.STORAGE``; None: they stay there.

    Raises:
        OutputError: it is no address.
    """
    store = build_store(cfg)
    if store is None:
        return None
    return Uploader(store, Path(folder), keep=cfg.SOLVER.SNAPSHOT_KEEP, timeout=cfg.MISC.STORAGE_TIMEOUT)


def open_storage(cfg: PetlibConfig) -> None:
    """Find out whether the store takes what a training saves, and bring the newest checkpoint; every rank calls it.

    Rank 0 asks the store; nodes that do not share its output folder get the checkpoint from it.

    Raises:
        StoreError: the store refuses or does not answer; raised on all ranks.
        OutputError: ``MISC.STORAGE`` is no address, or the output folder cannot be written; raised on all ranks.
    """
    store = build_store(cfg)
    if store is None:
        return
    refusal = broadcast_object(_open(store, cfg) if is_main_process() else None)
    if refusal is not None:
        raise (StoreError if refusal[0] else OutputError)(refusal[1])
    if cfg.TRAIN.AUTO_RESUME:
        latest = Checkpointer(cfg.MISC.CKPT).latest_path
        give_to_all_nodes(latest.with_name(broadcast_object(latest.name)))


def _open(store: CheckpointStore, cfg: PetlibConfig) -> tuple[bool, str] | None:
    """Do rank 0's part; return whether the store was to blame, and why; None: all is well."""
    try:
        store.probe(f"process {os.getpid()} on {socket.gethostname()}")
        if cfg.TRAIN.AUTO_RESUME:
            fetch_newer(store, Path(cfg.MISC.CKPT), keep=cfg.SOLVER.SNAPSHOT_KEEP)
    except (StoreError, OutputError) as error:
        return isinstance(error, StoreError), str(error)
    return None


def fetch_trained(cfg: PetlibConfig) -> None:
    """Bring what a test, an export or a prediction needs of a training into the output folder, once for each process.

    Raises:
        StoreError: the store refuses or does not answer.
        OutputError: ``MISC.STORAGE`` is no address, or the output folder cannot be written.
    """
    if cfg.MISC.STORAGE:
        _fetch_once(cfg.MISC.STORAGE, str(Path(cfg.MISC.CKPT).absolute()), cfg.MISC.STORAGE_TIMEOUT)


@functools.cache
def _fetch_once(address: str, folder: str, timeout: float) -> None:
    fetch_newer(CheckpointStore(address, retry_seconds=min(REQUEST_SECONDS, timeout)), Path(folder), keep=0)


def keep_results(cfg: PetlibConfig) -> None:
    """Upload what is new in the output folder at the end of a run, and wait for that; rank 0 does it.

    Raises:
        StoreError: the store refuses or does not answer.
        OutputError: it is not uploaded in time.
    """
    uploader = build_uploader(cfg, cfg.MISC.CKPT) if is_main_process() else None
    if uploader is not None:
        uploader.skip_present()
        problem = finish_upload(uploader, seconds=uploader.timeout)
        if problem:
            raise OutputError(problem)
