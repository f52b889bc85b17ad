"""The arguments of a training as the settings of a run, checked."""

from pathlib import Path
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from pet.compat.paddleseg.paddle.optimizer import lr
from pet.segmentation.config import get_base_cfg
from petlib.checkpoint.checkpointer import Checkpointer
from petlib.config import CfgNode
from petlib.errors import ConfigError
from petlib.solver.factor_schedule import FactorSchedule

BEST_METRIC = "semseg/mIoU"


def build_run_config(
    save_dir: str | Path,
    *,
    iters: int,
    batch_size: int,
    num_samples: int,
    resume_model: str | Path | None,
    save_interval: int,
    log_iters: int,
    num_workers: int,
    tensorboard: bool,
    keep: int,
    seed: int,
    nonfinite: str,
    on_error: str,
) -> CfgNode:
    """Return the settings of a run, frozen; see :func:`pet.compat.paddleseg.core.train`.

    Raises:
        ConfigError: an argument is wrong.
    """
    _check_length(iters, batch_size, num_samples)
    if save_interval < 0 or log_iters < 1:
        raise ConfigError(f"train: save_interval {save_interval} and log_iters {log_iters} given, at least 0 and at least 1 expected")
    folder = Path(save_dir)
    settings: dict[str, Any] = {
        "MISC.CKPT": str(folder),
        "MISC.NAME": folder.name,
        "MISC.SEED": seed,
        "MISC.DISPLAY_ITER": log_iters,
        "MISC.TENSORBOARD": tensorboard,
        "SOLVER.NONFINITE": nonfinite,
        "SOLVER.SCHEDULER.TOTAL_ITERS": iters,
        "SOLVER.SNAPSHOT_ITER": save_interval,
        "SOLVER.SNAPSHOT_EPOCH": 0,
        "SOLVER.SNAPSHOT_KEEP": keep,
        "DATA.ON_ERROR": on_error,
        "TRAIN.BATCH_SIZE": batch_size,
        "TRAIN.NUM_WORKERS": num_workers,
        "TRAIN.AUTO_RESUME": _resumes(folder, resume_model),
        "TEST.NUM_WORKERS": num_workers,
        # one by one, so that their sizes may differ
        "TEST.IMS_PER_GPU": 1,
        "EVAL.PERIOD_ITER": save_interval,
        "EVAL.BEST_METRIC": BEST_METRIC,
    }
    cfg = get_base_cfg()
    for key, value in settings.items():
        cfg.set(key, value)
    cfg.freeze()
    return cfg


def choose_schedule(model: nn.Module, optimizer: Optimizer | None, lr_scheduler: LRScheduler | None) -> tuple[Optimizer, LRScheduler]:
    """Return the optimizer and its schedule: torch's, that of the door's optimizer, or one that stays at the rate.

    Raises:
        ConfigError: there is no optimizer, it is not one of the network, or the schedule is of another optimizer.
    """
    if not isinstance(optimizer, Optimizer):
        given = "nothing" if optimizer is None else type(optimizer).__name__
        raise ConfigError(f"train: optimizer: {given} given, one of torch or paddle.optimizer.AdamW of this door expected")
    own = {id(parameter) for parameter in model.parameters()}
    if not all(id(parameter) in own for group in optimizer.param_groups for parameter in group["params"]):
        raise ConfigError("train: optimizer: it holds parameters that are not the model's; make it of model.parameters() after the model")
    if lr_scheduler is not None:
        if not isinstance(lr_scheduler, LRScheduler) or lr_scheduler.optimizer is not optimizer:
            raise ConfigError(f"train: lr_scheduler: {type(lr_scheduler).__name__} given, a schedule of torch for this optimizer expected")
        return optimizer, lr_scheduler
    schedule = getattr(optimizer, "schedule", None)
    if isinstance(schedule, lr.LRScheduler):
        return optimizer, FactorSchedule(optimizer, lambda iteration: schedule.rate(iteration) / schedule.base_lr)
    return optimizer, FactorSchedule(optimizer, lambda _: 1.0)


def _check_length(iters: int, batch_size: int, num_samples: int) -> None:
    if batch_size < 1:
        raise ConfigError(f"train: batch_size: {batch_size} given, at least 1 expected")
    if num_samples < batch_size:
        raise ConfigError(
            f"train: batch_size: {batch_size} given, but the training set has {num_samples} images; a batch of at most {num_samples} expected"
        )
    if iters < 1:
        raise ConfigError(
            f"train: iters: {iters} given, at least 1 expected; epochs * len(train_dataset) // batch_size is 0 on a small set "
            f"({num_samples} images, batches of {batch_size}): raise epochs or lower batch_size"
        )


def _resumes(folder: Path, resume_model: str | Path | None) -> bool:
    """Return whether the run goes on from the latest checkpoint of its folder."""
    if not resume_model:
        return False
    checkpointer = Checkpointer(folder)
    latest = checkpointer.latest_path
    if Path(resume_model).resolve() not in (folder.resolve(), latest.parent.resolve() / latest.name):
        raise ConfigError(
            f"train: resume_model: {resume_model} given, but a run goes on in its own folder: give save_dir ({folder}), or {latest}. "
            "To begin anew with the weights of another run, give its file to the model as pretrained"
        )
    if not checkpointer.has_latest():
        raise ConfigError(f"train: resume_model: {resume_model}: there is no {latest.name} to go on from; leave resume_model out")
    return True
