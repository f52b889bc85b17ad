"""What keys of mmseg's configs mean in Pet, in both directions."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from petlib.config import CfgNode

POLICIES = {"poly": "poly", "CosineAnnealing": "cosine", "step": "step", "exp": "exponential", "fixed": "constant"}
WARM_UPS = {"linear": "linear", "exp": "exponential", "constant": "constant"}
LATEST = "model_latest.pth"


@dataclass(frozen=True)
class Translation:
    """One key of mmseg's configs.

    Attributes:
        keys: the keys of Pet that it is about, the main one first.
        read: returns its value, from a config of Pet.
        write: returns what keys of Pet become, from the config and the new value; raises ``ValueError`` with what is expected.
    """

    keys: tuple[str, ...]
    read: Callable[[CfgNode], Any]
    write: Callable[[CfgNode, Any], dict[str, Any]]


def process_count() -> int:
    """Return how many processes share the work, as torchrun and Pet's launcher say, before they have met."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def get_value(cfg: CfgNode, key: str) -> Any:
    """Return the value of a dotted key."""
    node: Any = cfg
    for name in key.split("."):
        node = node[name]
    return node


def _same(*keys: str) -> Translation:
    """Return a key that means the same in Pet, and that several keys of Pet share."""
    return Translation(keys, lambda cfg: get_value(cfg, keys[0]), lambda cfg, value: dict.fromkeys(keys, value))


def _named(key: str, names: Mapping[str, str]) -> Translation:
    """Return a key whose values have other names."""
    back = {ours: theirs for theirs, ours in names.items()}

    def write(_: CfgNode, value: Any) -> dict[str, Any]:
        if value not in names:
            raise ValueError(f"one of {', '.join(names)}")
        return {key: names[value]}

    return Translation((key,), lambda cfg: back.get(get_value(cfg, key), get_value(cfg, key)), write)


def _length() -> Translation:
    total, epochs = "SOLVER.SCHEDULER.TOTAL_ITERS", "SOLVER.SCHEDULER.TOTAL_EPOCHS"
    return Translation((total,), lambda cfg: get_value(cfg, total), lambda cfg, value: {total: value, epochs: 0})


def _batch() -> Translation:
    key = "TRAIN.BATCH_SIZE"

    def write(_: CfgNode, value: Any) -> dict[str, Any]:
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError("a whole number from 1 on")
        return {key: value * process_count()}

    return Translation((key,), lambda cfg: get_value(cfg, key) // process_count(), write)


def _kept_checkpoints() -> Translation:
    key = "SOLVER.SNAPSHOT_KEEP"
    return Translation((key,), lambda cfg: get_value(cfg, key) or -1, lambda cfg, value: {key: 0 if value == -1 else value})


def _half_precision() -> Translation:
    enabled, dtype = "SOLVER.AMP.ENABLED", "SOLVER.AMP.DTYPE"

    def read(cfg: CfgNode) -> dict[str, Any] | None:
        return {"loss_scale": "dynamic"} if get_value(cfg, enabled) and get_value(cfg, dtype) == "fp16" else None

    def write(_: CfgNode, value: Any) -> dict[str, Any]:
        # mmseg's own way to switch it on is an empty dictionary
        is_on = value is not None and value is not False
        return {enabled: is_on, dtype: "fp16"} if is_on else {enabled: False}

    return Translation((enabled, dtype), read, write)


def _clipping() -> Translation:
    method, limit = "SOLVER.CLIP_GRADIENTS.METHOD", "SOLVER.CLIP_GRADIENTS.VALUE"

    def read(cfg: CfgNode) -> dict[str, Any] | None:
        return {"max_norm": get_value(cfg, limit)} if get_value(cfg, method) == "norm" else None

    def write(_: CfgNode, value: Any) -> dict[str, Any]:
        if value is None:
            return {method: "none"}
        is_norm = isinstance(value, dict) and "max_norm" in value and not set(value) - {"max_norm", "norm_type"}
        if not is_norm or value.get("norm_type", 2) != 2:
            raise ValueError("None or dict(max_norm=..., norm_type=2)")
        return {method: "norm", limit: value["max_norm"]}

    return Translation((method, limit), read, write)


def _warm_up() -> Translation:
    method, length = "SOLVER.SCHEDULER.WARM_UP_METHOD", "SOLVER.SCHEDULER.WARM_UP_ITERS"
    named = _named(method, WARM_UPS)

    def write(cfg: CfgNode, value: Any) -> dict[str, Any]:
        return {length: 0} if value is None else named.write(cfg, value)

    return Translation((method, length), lambda cfg: named.read(cfg) if get_value(cfg, length) else None, write)


def _weights() -> Translation:
    key = "TRAIN.WEIGHTS"
    return Translation((key,), lambda cfg: get_value(cfg, key) or None, lambda cfg, value: {key: "" if value is None else str(value)})


def _resumption() -> Translation:
    key, folder = "TRAIN.AUTO_RESUME", "MISC.CKPT"

    def read(cfg: CfgNode) -> str | None:
        latest = Path(get_value(cfg, folder)) / LATEST
        return str(latest) if get_value(cfg, key) and latest.exists() else None

    def write(cfg: CfgNode, value: Any) -> dict[str, Any]:
        if value is None:
            return {key: False}
        if Path(value).resolve().parent != Path(get_value(cfg, folder)).resolve():
            raise ValueError("a checkpoint in work_dir (set that to the folder of the run that is continued) or None")
        return {key: True}

    return Translation((key,), read, write)


TRANSLATIONS: dict[str, Translation] = {
    "work_dir": _same("MISC.CKPT"),
    "seed": _same("MISC.SEED"),
    "load_from": _weights(),
    "resume_from": _resumption(),
    "auto_resume": _same("TRAIN.AUTO_RESUME"),
    "runner.max_iters": _length(),
    "checkpoint_config.interval": _same("SOLVER.SNAPSHOT_ITER"),
    "checkpoint_config.max_keep_ckpts": _kept_checkpoints(),
    "evaluation.interval": _same("EVAL.PERIOD_ITER"),
    "log_config.interval": _same("MISC.DISPLAY_ITER"),
    "data.samples_per_gpu": _batch(),
    "data.workers_per_gpu": _same("TRAIN.NUM_WORKERS", "TEST.NUM_WORKERS"),
    "optimizer.type": _same("SOLVER.OPTIMIZER.NAME"),
    "optimizer.lr": _same("SOLVER.OPTIMIZER.BASE_LR"),
    "optimizer.momentum": _same("SOLVER.OPTIMIZER.MOMENTUM"),
    "optimizer.nesterov": _same("SOLVER.OPTIMIZER.NESTEROV"),
    "optimizer.betas": _same("SOLVER.OPTIMIZER.BETAS"),
    "optimizer.weight_decay": _same("SOLVER.OPTIMIZER.WEIGHT_DECAY"),
    "optimizer_config.grad_clip": _clipping(),
    "fp16": _half_precision(),
    "lr_config.policy": _named("SOLVER.SCHEDULER.NAME", POLICIES),
    "lr_config.power": _same("SOLVER.SCHEDULER.POWER"),
    "lr_config.min_lr": _same("SOLVER.SCHEDULER.MIN_LR"),
    "lr_config.step": _same("SOLVER.SCHEDULER.STEPS"),
    "lr_config.gamma": _same("SOLVER.SCHEDULER.GAMMA"),
    "lr_config.warmup": _warm_up(),
    "lr_config.warmup_iters": _same("SOLVER.SCHEDULER.WARM_UP_ITERS"),
    "lr_config.warmup_ratio": _same("SOLVER.SCHEDULER.WARM_UP_FACTOR"),
    "model.pretrained": _weights(),
    "model.decode_head.num_classes": _same("MODEL.NUM_CLASSES"),
}
"""Path in mmseg's configs -> what it means."""
