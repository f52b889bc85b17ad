"""What keys of mmseg's configs mean in Pet, in both directions."""

from pathlib import Path
from typing import Any

from pet.compat.shared.translation import Row, converted, named, process_count, same, value_of
from petlib.config import CfgNode

POLICIES = {"poly": "poly", "CosineAnnealing": "cosine", "step": "step", "exp": "exponential", "fixed": "constant"}
WARM_UPS = {"linear": "linear", "exp": "exponential", "constant": "constant"}
LATEST = "model_latest.pth"


def _length() -> Row:
    total, epochs = "SOLVER.SCHEDULER.TOTAL_ITERS", "SOLVER.SCHEDULER.TOTAL_EPOCHS"
    return Row((total,), lambda _, value: {total: value, epochs: 0}, lambda cfg: value_of(cfg, total))


def _of_all_processes(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("a whole number from 1 on")
    return value * process_count()


def _kept_checkpoints() -> Row:
    return converted("SOLVER.SNAPSHOT_KEEP", lambda count: 0 if count == -1 else count, lambda count: count or -1)


def _half_precision() -> Row:
    enabled, dtype = "SOLVER.AMP.ENABLED", "SOLVER.AMP.DTYPE"

    def read(cfg: CfgNode) -> dict[str, Any] | None:
        return {"loss_scale": "dynamic"} if value_of(cfg, enabled) is True and value_of(cfg, dtype) == "fp16" else None

    def write(_: CfgNode, value: Any) -> dict[str, Any]:
        # mmseg's own way to switch it on is an empty dictionary
        is_on = value is not None and value is not False
        return {enabled: is_on, dtype: "fp16"} if is_on else {enabled: False}

    return Row((enabled, dtype), write, read)


def _clipping() -> Row:
    method, limit = "SOLVER.CLIP_GRADIENTS.METHOD", "SOLVER.CLIP_GRADIENTS.VALUE"

    def read(cfg: CfgNode) -> dict[str, Any] | None:
        return {"max_norm": value_of(cfg, limit)} if value_of(cfg, method) == "norm" else None

    def write(_: CfgNode, value: Any) -> dict[str, Any]:
        if value is None:
            return {method: "none"}
        is_norm = isinstance(value, dict) and "max_norm" in value and not set(value) - {"max_norm", "norm_type"}
        if not is_norm or value.get("norm_type", 2) != 2:
            raise ValueError("None or dict(max_norm=..., norm_type=2)")
        return {method: "norm", limit: value["max_norm"]}

    return Row((method, limit), write, read)


def _warm_up() -> Row:
    method, length = "SOLVER.SCHEDULER.WARM_UP_METHOD", "SOLVER.SCHEDULER.WARM_UP_ITERS"
    methods = named(method, WARM_UPS)

    def write(cfg: CfgNode, value: Any) -> dict[str, Any]:
        return {length: 0} if value is None else methods.write(cfg, value)

    return Row((method, length), write, lambda cfg: methods.read(cfg) if value_of(cfg, length) else None)


def _weights() -> Row:
    return converted("TRAIN.WEIGHTS", lambda path: "" if path is None else str(path), lambda path: path or None)


def _resumption() -> Row:
    key, folder = "TRAIN.AUTO_RESUME", "MISC.CKPT"

    def read(cfg: CfgNode) -> str | None:
        latest = Path(value_of(cfg, folder)) / LATEST
        return str(latest) if value_of(cfg, key) and latest.exists() else None

    def write(cfg: CfgNode, value: Any) -> dict[str, Any]:
        if value is None:
            return {key: False}
        if Path(value).resolve().parent != Path(value_of(cfg, folder)).resolve():
            raise ValueError("a checkpoint in work_dir (set that to the folder of the run that is continued) or None")
        return {key: True}

    return Row((key,), write, read)


TABLE: dict[str, Row] = {
    "work_dir": same("MISC.CKPT"),
    "seed": same("MISC.SEED"),
    "load_from": _weights(),
    "resume_from": _resumption(),
    "auto_resume": same("TRAIN.AUTO_RESUME"),
    "runner.max_iters": _length(),
    "checkpoint_config.interval": same("SOLVER.SNAPSHOT_ITER"),
    "checkpoint_config.max_keep_ckpts": _kept_checkpoints(),
    "evaluation.interval": same("EVAL.PERIOD_ITER"),
    "log_config.interval": same("MISC.DISPLAY_ITER"),
    "data.samples_per_gpu": converted("TRAIN.BATCH_SIZE", _of_all_processes, lambda size: size // process_count()),
    "data.workers_per_gpu": same("TRAIN.NUM_WORKERS", "TEST.NUM_WORKERS"),
    "optimizer.type": same("SOLVER.OPTIMIZER.NAME"),
    "optimizer.lr": same("SOLVER.OPTIMIZER.BASE_LR"),
    "optimizer.momentum": same("SOLVER.OPTIMIZER.MOMENTUM"),
    "optimizer.nesterov": same("SOLVER.OPTIMIZER.NESTEROV"),
    "optimizer.betas": same("SOLVER.OPTIMIZER.BETAS"),
    "optimizer.weight_decay": same("SOLVER.OPTIMIZER.WEIGHT_DECAY"),
    "optimizer_config.grad_clip": _clipping(),
    "fp16": _half_precision(),
    "lr_config.policy": named("SOLVER.SCHEDULER.NAME", POLICIES),
    "lr_config.power": same("SOLVER.SCHEDULER.POWER"),
    "lr_config.min_lr": same("SOLVER.SCHEDULER.MIN_LR"),
    "lr_config.step": same("SOLVER.SCHEDULER.STEPS"),
    "lr_config.gamma": same("SOLVER.SCHEDULER.GAMMA"),
    "lr_config.warmup": _warm_up(),
    "lr_config.warmup_iters": same("SOLVER.SCHEDULER.WARM_UP_ITERS"),
    "lr_config.warmup_ratio": same("SOLVER.SCHEDULER.WARM_UP_FACTOR"),
    "model.pretrained": _weights(),
    "model.decode_head.num_classes": same("MODEL.NUM_CLASSES"),
}
"""Path in mmseg's configs -> what it means."""
