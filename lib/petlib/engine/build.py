"""The default step and the default hooks, as a config wants them."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from petlib.checkpoint.checkpointer import Checkpointer
from petlib.checkpoint.origin import UNRECORDED, Origin
from petlib.checkpoint.sharded import find_mesh
from petlib.config.typed import PetlibConfig
from petlib.config.usage import changed_settings
from petlib.distributed.parallel import unwrap
from petlib.distributed.process_group import is_main_process
from petlib.engine.hook import Hook, sort_hooks
from petlib.engine.hooks.checkpoint import CheckpointHook
from petlib.engine.hooks.compilation import CompilationHook
from petlib.engine.hooks.ema import EmaHook
from petlib.engine.hooks.evaluation import EarlyStopHook, Evaluate, EvaluationHook
from petlib.engine.hooks.interrupt import InterruptHook
from petlib.engine.hooks.lr_schedule import LRScheduleHook
from petlib.engine.hooks.metric_writer import MetricWriterHook
from petlib.engine.hooks.nan_guard import NanGuardHook
from petlib.engine.hooks.precise_bn import PreciseBNHook
from petlib.engine.hooks.profiler import ProfilerHook
from petlib.engine.hooks.progress import ProgressHook
from petlib.engine.hooks.rollback import RollbackHook
from petlib.engine.hooks.skipped_steps import SkippedStepsHook
from petlib.engine.hooks.timer import TimerHook
from petlib.engine.hooks.trackers import TrackersHook
from petlib.engine.hooks.upload import UploadHook
from petlib.engine.micro_batches import MicroBatchStep
from petlib.engine.skipping import StepGuard
from petlib.engine.state import Batch, TrainState
from petlib.engine.step import DefaultStep, TrainStep
from petlib.engine.storage import build_uploader
from petlib.engine.weight_average import WeightAverage
from petlib.errors import ConfigError
from petlib.events.storage import Writer
from petlib.events.writers.console import ConsoleWriter
from petlib.events.writers.json_lines import JsonLinesWriter
from petlib.events.writers.tensorboard import TensorBoardWriter
from petlib.solver.build import build_scheduler
from petlib.solver.optimizers import build_gradient_clipper
from petlib.solver.precision import build_mixed_precision
from petlib.trackers.tracker import TrackedRun


def build_writers(cfg: PetlibConfig, *, start_iteration: int) -> list[Writer]:
    """Return the writers of this rank: console, JSON lines and TensorBoard (``MISC.TENSORBOARD``). Ranks other than 0 have none."""
    if not is_main_process():
        return []
    folder = Path(cfg.MISC.CKPT)
    writers: list[Writer] = [
        ConsoleWriter(name=cfg.MISC.NAME),
        JsonLinesWriter(path=folder / "metrics.jsonl", start_iteration=start_iteration),
    ]
    if cfg.MISC.TENSORBOARD:
        writers.append(TensorBoardWriter(folder=folder / "events", start_iteration=start_iteration))
    return writers


def build_step(cfg: PetlibConfig, device: torch.device) -> DefaultStep:
    """Return the default iteration: accumulation, mixed precision and clipping as in ``SOLVER``, parts as ``TRAIN.MICRO_BATCH`` says."""
    accumulation, clipper, precision = cfg.SOLVER.ACCUMULATION, build_gradient_clipper(cfg), build_mixed_precision(cfg, device)
    metrics, guard, size = cfg.TRAIN.METRICS_ON, build_step_guard(cfg), cfg.TRAIN.MICRO_BATCH
    if size == 0:
        return DefaultStep(accumulation=accumulation, clipper=clipper, precision=precision, metrics=metrics, guard=guard)
    return MicroBatchStep(
        size=None if size == "auto" else size,
        accumulation=accumulation,
        clipper=clipper,
        precision=precision,
        metrics=metrics,
        guard=guard,
    )


def build_step_guard(cfg: PetlibConfig) -> StepGuard | None:
    """Return what leaves out iterations that are not finite, where ``SOLVER.NONFINITE`` is ``skip``."""
    return StepGuard() if cfg.SOLVER.NONFINITE == "skip" else None


def build_checkpointer(cfg: PetlibConfig, folder: str | Path | None = None, *, network: nn.Module | None = None) -> Checkpointer:
    """Return the checkpointer of ``folder``; None: the output folder.

    Args:
        cfg: the config.
        folder: where checkpoints lie.
        network: what is trained, where the processes share out some of its parameters (:mod:`petlib.distributed.row_sharded`).
    """
    sharded = cfg.TRAIN.PARALLEL == "fsdp" or find_mesh(network) is not None
    timeout = cfg.SOLVER.SNAPSHOT_TIMEOUT
    folder = cfg.MISC.CKPT if folder is None else folder
    return Checkpointer(
        folder,
        keep=cfg.SOLVER.SNAPSHOT_KEEP,
        background=cfg.SOLVER.SNAPSHOT_BACKGROUND,
        sharded=sharded,
        # Ranks that have written their parts wait for the others in a collective operation.
        timeout=min(timeout, 0.8 * cfg.MISC.DIST_TIMEOUT) if sharded else timeout,
        uploader=build_uploader(cfg, folder),
    )


def build_state(
    cfg: PetlibConfig,
    *,
    model: nn.Module,
    optimizer: Optimizer | Mapping[str, Optimizer],
    step: TrainStep,
    iterations_per_epoch: int,
    scheduler: LRScheduler | Mapping[str, LRScheduler] | None = None,
    checkpointer: Checkpointer | None = None,
    names: Mapping[str, Sequence[str]] = MappingProxyType({}),
    origin: Origin = UNRECORDED,
) -> TrainState:
    """Return the state of a run at its beginning. Every run gets it here, so that no part of it is left out.

    Args:
        cfg: the config.
        model: the network as it is called in training.
        optimizer: of its parameters; by name where there are several. A single one is called ``main``.
        step: the iteration, whose gradient scaler is part of the state.
        iterations_per_epoch: of the training data.
        scheduler: of the learning rate; by the name of its optimizer where there are several. None: ``SOLVER.SCHEDULER`` for each.
        checkpointer: writes and reads the checkpoints; None: that of the output folder.
        names: what the numbers that the model gives are called, by kind of target: ``names`` of the loader. They are in its checkpoints,
            so that tests and predictions know them; a run with other names is not continued.
        origin: what the weights began with, as loading them returned it. Its checkpoints say it, and those of trainings that begin with
            these.

    Raises:
        ConfigError: the schedule contradicts the length of the run.
    """
    max_iter = run_length(cfg, iterations_per_epoch)
    optimizers = {"main": optimizer} if isinstance(optimizer, Optimizer) else dict(optimizer)
    if scheduler is None:
        scheduler = {
            name: build_scheduler(one, cfg, max_iter=max_iter, iterations_per_epoch=iterations_per_epoch)
            for name, one in optimizers.items()
        }
    return TrainState(
        model=model,
        optimizers=optimizers,
        schedulers={"main": scheduler} if isinstance(scheduler, LRScheduler) else dict(scheduler),
        max_iter=max_iter,
        iterations_per_epoch=iterations_per_epoch,
        total_epochs=cfg.SOLVER.SCHEDULER.TOTAL_EPOCHS,
        checkpointer=checkpointer or build_checkpointer(cfg, network=unwrap(model)),
        scaler=step.scaler,
        names=names,
        origin=origin,
    )


def run_length(cfg: PetlibConfig, iterations_per_epoch: int) -> int:
    """Return the iterations of the whole run, whether its length is set in epochs or in iterations."""
    schedule = cfg.SOLVER.SCHEDULER
    return int(schedule.TOTAL_ITERS or schedule.TOTAL_EPOCHS * iterations_per_epoch)


def build_train_hooks(
    cfg: PetlibConfig,
    state: TrainState,
    *,
    batches: Callable[[int, int], Iterator[Batch]],
    evaluate: Evaluate | None = None,
    average: WeightAverage | None = None,
) -> list[Hook]:
    """Return the hooks of a run in the order of their calls.

    Args:
        cfg: the config.
        state: the run, before it is resumed.
        batches: training batches of given iterations, e.g. ``loader.batches``, for precise batch norm.
        evaluate: computes the metrics of a network; None: the run is not evaluated.
        average: moving average of the weights; None: one of the whole network where ``SOLVER.EMA`` wants it.
    """

    trackers = _build_trackers(cfg)

    def writers(start_iteration: int) -> list[Writer]:
        return [*build_writers(cfg, start_iteration=start_iteration), *(trackers.writers(start_iteration) if trackers else [])]

    def save_unplanned(state: TrainState) -> None:
        metric_writer.write_ended(state)
        checkpoint.save_now(state)

    timer = TimerHook()
    save_every = cfg.SOLVER.SNAPSHOT_ITER or cfg.SOLVER.SNAPSHOT_EPOCH * state.iterations_per_epoch
    evaluate_every = _evaluation_interval(cfg, state) if evaluate is not None else 0
    metric_writer = MetricWriterHook(make_writers=writers, every=cfg.MISC.DISPLAY_ITER, write_at=(save_every, evaluate_every), timer=timer)
    hooks: list[Hook] = [timer, LRScheduleHook(), metric_writer, *([CompilationHook()] if cfg.MISC.COMPILE == "auto" else [])]
    if is_main_process() and sys.stdout is not None and sys.stdout.isatty():
        hooks.append(ProgressHook())
    average = average or build_average(cfg, state.network)
    if average is not None:
        hooks.append(EmaHook(average=average))
    evaluation = None
    if evaluate is not None:
        evaluation = _build_evaluation(cfg, evaluate, every=evaluate_every, timer=timer, average=average)
        hooks += _evaluation_hooks(cfg, evaluation, timer=timer, batches=batches)
    guard = _build_nan_guard(cfg, save_every=save_every, evaluate_every=evaluate_every)
    if guard is not None:
        hooks.append(guard)
    if cfg.SOLVER.NONFINITE == "skip":
        hooks.append(SkippedStepsHook(limit=cfg.SOLVER.NONFINITE_LIMIT, advice=_advice_on_divergence(cfg)))
    if cfg.MISC.PROFILER.ENABLED:
        profiler = cfg.MISC.PROFILER
        hooks.append(ProfilerHook(folder=Path(cfg.MISC.CKPT) / "profile", start_iter=profiler.START_ITER, num_iters=profiler.ITERS))
    checkpoint = CheckpointHook(
        every=save_every,
        config=cfg.dump(),
        evaluation=evaluation,
        on_error=cfg.SOLVER.SNAPSHOT_ON_ERROR,
        check=None if guard is None else guard.check,
        saves_beginning=cfg.SOLVER.NONFINITE == "rollback",
    )
    hooks += [checkpoint, InterruptHook(save=save_unplanned), *_hooks_of_places_elsewhere(state, trackers)]
    return sort_hooks(hooks)


def _hooks_of_places_elsewhere(state: TrainState, trackers: TrackersHook | None) -> list[Hook]:
    """Return what keeps a run elsewhere too: trackers, and a store of objects."""
    hooks: list[Hook] = [] if trackers is None else [trackers]
    if state.checkpointer.uploader is not None:
        hooks.append(UploadHook(uploader=state.checkpointer.uploader))
    return hooks


def _build_trackers(cfg: PetlibConfig) -> TrackersHook | None:
    """Return what experiment trackers get of a run; None: ``MISC.TRACKERS`` names none."""
    if not cfg.MISC.TRACKERS:
        return None
    folder = Path(cfg.MISC.CKPT)
    name = folder.absolute().name
    return TrackersHook(
        names=cfg.MISC.TRACKERS,
        run=TrackedRun(experiment=Path(cfg.MISC.NAME).stem or name, name=name, folder=folder, settings=changed_settings(cfg)),
        imports=cfg.MISC.IMPORTS,
        checkpoint=cfg.MISC.TRACKED_CHECKPOINT,
        max_megabytes=cfg.MISC.TRACKED_MAX_MB,
        timeout=cfg.MISC.TRACKERS_TIMEOUT,
    )


def _build_nan_guard(cfg: PetlibConfig, *, save_every: int, evaluate_every: int) -> NanGuardHook | None:
    every, advice = (save_every, evaluate_every), _advice_on_divergence(cfg)
    if cfg.SOLVER.NONFINITE == "rollback":
        return RollbackHook(every=every, save_every=save_every, limit=cfg.SOLVER.NONFINITE_LIMIT, advice=advice)
    return None if cfg.SOLVER.NONFINITE == "ignore" else NanGuardHook(every=every, advice=advice)


def _advice_on_divergence(cfg: PetlibConfig) -> str:
    """Return what may help a run whose loss or weights are not finite, by the settings for it."""
    in_fp16 = cfg.SOLVER.AMP.ENABLED is True and cfg.SOLVER.AMP.DTYPE == "fp16"
    precision = ", or use SOLVER.AMP.DTYPE bf16 instead of fp16" if in_fp16 else ""
    return (
        "with TRAIN.AUTO_RESUME the run continues from its last checkpoint. Lower SOLVER.OPTIMIZER.BASE_LR, lengthen "
        f"SOLVER.SCHEDULER.WARM_UP_ITERS, clip with SOLVER.CLIP_GRADIENTS{precision}, or look for a division by zero or a logarithm in the "
        "model and its losses. SOLVER.NONFINITE skip leaves single bad iterations out, rollback goes back to the last checkpoint."
    )


def build_average(cfg: PetlibConfig, network: nn.Module) -> WeightAverage | None:
    """Return the moving average of the weights of ``network``, or of a part of it, that ``SOLVER.EMA`` asks for; None: it is off.

    Raises:
        ConfigError: the network is sharded.
    """
    if not cfg.SOLVER.EMA.ENABLED:
        return None
    if cfg.TRAIN.PARALLEL == "fsdp":
        raise ConfigError("SOLVER.EMA.ENABLED: the moving average is not kept for sharded models; use TRAIN.PARALLEL ddp or switch it off")
    return WeightAverage(network, decay=cfg.SOLVER.EMA.DECAY)


def _build_evaluation(
    cfg: PetlibConfig, evaluate: Evaluate, *, every: int, timer: TimerHook, average: WeightAverage | None
) -> EvaluationHook:
    return EvaluationHook(
        evaluate=evaluate,
        every=every,
        best_metric=cfg.EVAL.BEST_METRIC,
        best_rule=cfg.EVAL.BEST_RULE,
        min_delta=cfg.EVAL.EARLY_STOP.MIN_DELTA if cfg.EVAL.EARLY_STOP.ENABLED else 0.0,
        timer=timer,
        average=average,
    )


def _evaluation_hooks(
    cfg: PetlibConfig, evaluation: EvaluationHook, *, timer: TimerHook, batches: Callable[[int, int], Iterator[Batch]]
) -> list[Hook]:
    """Return the evaluation and what belongs to it."""
    hooks: list[Hook] = [evaluation]
    if cfg.EVAL.EARLY_STOP.ENABLED:
        hooks.append(EarlyStopHook(evaluation=evaluation, patience=cfg.EVAL.EARLY_STOP.PATIENCE))
    if cfg.TEST.PRECISE_BN.ENABLED:
        num_iters = cfg.TEST.PRECISE_BN.NUM_ITERS
        hooks.append(PreciseBNHook(batches=batches, num_iters=num_iters, evaluation=evaluation, timer=timer))
    return hooks


def _evaluation_interval(cfg: PetlibConfig, state: TrainState) -> int:
    return int(cfg.EVAL.PERIOD_ITER or cfg.EVAL.PERIOD_EPOCH * state.iterations_per_epoch)
