"""The arguments of a training as the settings of a run, checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from pet.compat.paddleseg.paddle.optimizer import lr
from pet.compat.paddleseg.views import Views, read_views
from pet.compat.shared.running import check_resumed
from pet.compat.shared.translation import Row, converted, fitting, own_settings, same, words_of
from pet.segmentation.config import get_base_cfg
from petlib.config import CfgNode
from petlib.errors import ConfigError
from petlib.solver.factor_schedule import FactorSchedule

PRECISIONS = ("fp32", "fp16")
BEST_METRIC = "semseg/mIoU"


ARGUMENTS: dict[str, Row] = {
    "save_dir": converted("MISC.CKPT", str),
    "seed": same("MISC.SEED"),
    "log_iters": same("MISC.DISPLAY_ITER"),
    "use_vdl": same("MISC.TENSORBOARD"),
    "iters": same("SOLVER.SCHEDULER.TOTAL_ITERS"),
    "save_interval": same("SOLVER.SNAPSHOT_ITER", "EVAL.PERIOD_ITER"),
    "keep_checkpoint_max": same("SOLVER.SNAPSHOT_KEEP"),
    "nonfinite": same("SOLVER.NONFINITE"),
    "on_error": same("DATA.ON_ERROR"),
    "batch_size": same("TRAIN.BATCH_SIZE"),
    "num_workers": same("TRAIN.NUM_WORKERS", "TEST.NUM_WORKERS"),
}
"""Argument of :func:`pet.compat.paddleseg.core.train` -> what it means."""

WORDS = {
    **words_of(ARGUMENTS),
    "TRAIN.AUTO_RESUME": "resume_model",
    "SOLVER.OPTIMIZER.BASE_LR": "learning_rate",
    "SOLVER.SCHEDULER.WARM_UP_ITERS": "warmup_steps",
}
"""Pet's keys -> what a user of this layer calls them, for messages."""


def build_run_config(arguments: Mapping[str, Any], *, num_samples: int, resume_model: str | Path | None, pet: Mapping[str, Any]) -> CfgNode:
    """Return the settings of a run, frozen; see :func:`pet.compat.paddleseg.core.train`.

    Args:
        arguments: those of :data:`ARGUMENTS`.
        num_samples: of the training set.
        resume_model: as in ``train``.
        pet: likewise.

    Raises:
        ConfigError: an argument is wrong.
    """
    _check_length(arguments["iters"], arguments["batch_size"], num_samples)
    folder = Path(arguments["save_dir"])
    cfg = get_base_cfg()
    for name, value in arguments.items():
        for key, item in ARGUMENTS[name].write(cfg, value).items():
            cfg.set(key, fitting(key, item, place=f"train: {name}", given=value))
    for key, value in own_settings(pet, WORDS, place="train: pet").items():
        cfg.set(key, value)
    cfg.set("MISC.NAME", folder.name)
    cfg.set("SOLVER.SNAPSHOT_EPOCH", 0)
    cfg.set("TRAIN.AUTO_RESUME", _resumes(folder, resume_model))
    # one by one, so that their sizes may differ
    cfg.set("TEST.IMS_PER_GPU", 1)
    cfg.set("EVAL.BEST_METRIC", BEST_METRIC)
    cfg.freeze()
    return cfg


class Switches(TypedDict, total=False):
    """Further arguments of PaddleSeg's ``train``.

    Attributes:
        fp16: compute in half precision: ``SOLVER.AMP``.
        precision: ``"fp16"`` is the same, ``"fp32"`` the default.
        amp_level: ``O1`` is the only one.
        profiler_options: refused; ``pet={"MISC.PROFILER.ENABLED": True}`` records iterations.
        to_static_training: compile the network: ``MISC.COMPILE`` ``always``.
        test_config: of the evaluations: ``is_slide``, ``stride``, ``crop_size`` of ``evaluate``.
    """

    fp16: bool
    precision: str
    amp_level: str
    profiler_options: str | None
    to_static_training: bool
    test_config: Mapping[str, Any] | None


def read_switches(
    *,
    fp16: bool = False,
    precision: str = "fp32",
    amp_level: str = "O1",
    profiler_options: str | None = None,
    to_static_training: bool = False,
    test_config: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], Views]:
    """Return the settings that PaddleSeg's further switches of a training mean, and how its evaluations look at images.

    Raises:
        ConfigError: a switch asks for what does not exist here.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"train: precision: {precision!r} given, one of {', '.join(PRECISIONS)} expected")
    if amp_level != "O1":
        raise ConfigError(f"train: amp_level: {amp_level!r} given; weights stay in full precision, which is 'O1'")
    if profiler_options is not None:
        raise ConfigError(
            "train: profiler_options: these are those of Paddle's profiler; pet={'MISC.PROFILER.ENABLED': True} records some iterations"
        )
    half = {"SOLVER.AMP.ENABLED": True, "SOLVER.AMP.DTYPE": "fp16"} if fp16 or precision == "fp16" else {}
    return {**half, **({"MISC.COMPILE": "always"} if to_static_training else {})}, _read_test_config(test_config)


def _read_test_config(test_config: Mapping[str, Any] | None) -> Views:
    """Return how the evaluations of a training look at images.

    Raises:
        ConfigError: an entry is unknown or wrong, or asks for several views of an image.
    """
    given = dict(test_config or {})
    if given.pop("aug_eval", False):
        raise ConfigError(
            "train: test_config: aug_eval: True given; evaluate(model, val_dataset, aug_eval=True) takes several views after the training"
        )
    windows = {name: given.pop(name, default) for name, default in {"is_slide": False, "stride": None, "crop_size": None}.items()}
    # without aug_eval they have no effect in PaddleSeg either
    unknown = [name for name in given if name not in {"scales", "flip_horizontal", "flip_vertical"}]
    if unknown:
        raise ConfigError(f"train: test_config: {unknown[0]} given; is_slide, stride and crop_size expected")
    return read_views("train: test_config", augment=False, scales=1.0, flip_horizontal=False, flip_vertical=False, **windows)


def choose_schedule(model: nn.Module, optimizer: Optimizer | None, lr_scheduler: LRScheduler | None) -> tuple[Optimizer, LRScheduler]:
    """Return the optimizer and its schedule: torch's, that of the layer's optimizer, or one that stays at the rate.

    Raises:
        ConfigError: there is no optimizer, it is not one of the network, or the schedule is of another optimizer.
    """
    if not isinstance(optimizer, Optimizer):
        given = "nothing" if optimizer is None else type(optimizer).__name__
        raise ConfigError(f"train: optimizer: {given} given, one of torch or pet.compat.paddleseg.paddle.optimizer.AdamW expected")
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


def warm_up_length(optimizer: Optimizer) -> int:
    """Return how many iterations the warm-up of the layer's optimizer has; 0: none, or it is not known."""
    schedule = getattr(optimizer, "schedule", None)
    return schedule.warmup_steps if isinstance(schedule, lr.LinearWarmup) else 0


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
    check_resumed(resume_model, folder, place="train: resume_model", instead="give its file to the model as pretrained")
    return True
