"""What surrounds a run: device, process group, seeds, the record of its config."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from petlib.config.node import keys_in_errors
from petlib.config.typed import PetlibConfig
from petlib.data.seeding import seed_everything
from petlib.distributed.collectives import broadcast_object
from petlib.distributed.process_group import choose_device, destroy_process_group, init_process_group, is_main_process, world_size
from petlib.engine.storage import keep_results, open_storage
from petlib.errors import OutputError
from petlib.files import write_text_atomically
from petlib.registry import import_user_modules
from petlib.run_lock import RunLock
from petlib.suggest import counted
from petlib.trackers.tracker import check_trackers

TRAIN_RECORD = "config.yaml"
TEST_RECORD = "test/config.yaml"
"""Where a test records its config, so that the training's record stays."""

logger = logging.getLogger(__name__)


@contextmanager
def open_run(cfg: PetlibConfig, *, record: str = TRAIN_RECORD) -> Iterator[torch.device]:
    """Prepare this process for a run and give the device to compute on; leave the process group at the end.

    Weights are drawn from ``MISC.SEED``, the same on every rank. A lock next to the record, e.g. ``config.lock``, keeps a second run of
    the kind out: two trainings in one folder, or two tests that write the same results. A test and a training do not exclude each other.

    Args:
        cfg: the config.
        record: the file in the output folder that :func:`write_record` writes; a test has a name of its own for it.

    Raises:
        OutputError: another run holds the lock (every rank raises it), or the output folder cannot be written.
        StoreError: ``MISC.STORAGE`` refuses or does not answer.
    """
    with keys_in_errors(cfg), _surroundings(cfg, record) as device:
        yield device


@contextmanager
def _surroundings(cfg: PetlibConfig, record: str) -> Iterator[torch.device]:
    device = choose_device(cfg.MISC.DEVICE)
    init_process_group(device, timeout_seconds=cfg.MISC.DIST_TIMEOUT)
    lock = RunLock((Path(cfg.MISC.CKPT) / record).with_suffix(".lock"))
    try:
        _acquire(lock)
        _set_backends(cfg)
        import_user_modules(cfg.MISC.IMPORTS)
        if record != TEST_RECORD and is_main_process():
            check_trackers(cfg.MISC.TRACKERS)
        seed_everything(cfg.MISC.SEED)
        if is_main_process():
            logger.info("%s on %s, torch %s", counted(world_size(), "process"), device.type, torch.__version__)
        if record == TRAIN_RECORD:
            open_storage(cfg)
        yield device
        if record in (TRAIN_RECORD, TEST_RECORD):
            keep_results(cfg)
    finally:
        lock.release()
        destroy_process_group()


def _acquire(lock: RunLock) -> None:
    """Let rank 0 take the lock, and all ranks know when it cannot."""
    refusal = ""
    if is_main_process():
        try:
            lock.acquire()
        except OutputError as error:
            refusal = str(error)
    refusal = broadcast_object(refusal)
    if refusal:
        raise OutputError(refusal)


def write_record(cfg: PetlibConfig, record: str = TRAIN_RECORD) -> None:
    """Write the merged config to ``record`` in the output folder; the main process does it.

    A run does so when its weights and its checkpoint are in place: one that is refused leaves the record of the run before.
    :func:`petlib.engine.resume` does it for a training.

    Raises:
        OutputError: the file cannot be written.
    """
    if not is_main_process():
        return
    path = Path(cfg.MISC.CKPT) / record
    try:
        write_text_atomically(path, cfg.dump())
    except OSError as error:
        raise OutputError(
            f"{path}: the settings of the run cannot be written: {error.strerror}; make room, or choose another write_record.folder"
        ) from error


def _set_backends(cfg: PetlibConfig) -> None:
    torch.backends.cudnn.benchmark = cfg.MISC.CUDNN and not cfg.MISC.DETERMINISTIC
    torch.set_float32_matmul_precision("high" if cfg.MISC.TF32 else "highest")
    torch.backends.cudnn.allow_tf32 = cfg.MISC.TF32
    if cfg.MISC.DETERMINISTIC:
        # cuBLAS asks for this variable when deterministic algorithms are wanted
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
