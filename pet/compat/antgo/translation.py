"""What the keys of antgo's configs mean in Pet.

Keys with one value are in :data:`TABLE`; the functions below read the others. What Pet has no setting for becomes a component: the
network, the data sets with their pipelines and loaders, the measures, the policy of the learning rate and the export.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pet.compat.antgo.schedules import policy_name
from pet.compat.shared.translation import Row, Translated, at_least, fitting, own_settings, process_count, same, settings_of, words_of
from petlib.config import ConfigError
from petlib.config.nested import Component, NestedConfig
from petlib.suggest import did_you_mean

TABLE: dict[str, Row] = {
    "seed": same("MISC.SEED"),
    "max_epochs": same("SOLVER.SCHEDULER.TOTAL_EPOCHS"),
    "nonfinite": same("SOLVER.NONFINITE"),
    "data.on_error": same("DATA.ON_ERROR"),
    "log_config.interval": same("MISC.DISPLAY_ITER", default=10),
    "checkpoint_config.interval": same("SOLVER.SNAPSHOT_EPOCH", default=1),
    "checkpoint_config.max_keep_ckpts": at_least("SOLVER.SNAPSHOT_KEEP", 0),
    "evaluation.interval": same("EVAL.PERIOD_EPOCH", default=1),
    "evaluation.save_best": same("EVAL.BEST_METRIC", default=""),
    "evaluation.rule": same("EVAL.BEST_RULE", default="greater"),
    "data.train_dataloader.workers_per_gpu": same("TRAIN.NUM_WORKERS", default=0),
    "data.train_dataloader.shuffle": same("TRAIN.SHUFFLE", default=True),
    "data.val_dataloader.samples_per_gpu": same("TEST.IMS_PER_GPU", default=1),
    "data.val_dataloader.workers_per_gpu": same("TEST.NUM_WORKERS", default=0),
}
"""Settings with one value: path in antgo's configs -> what it means."""

WORDS = {
    **words_of(TABLE),
    "MISC.CKPT": "work_dir",
    "MISC.DEVICE": "device",
    "TRAIN.AUTO_RESUME": "resume=True",
    "TRAIN.BATCH_SIZE": "data.train_dataloader.samples_per_gpu",
    "SOLVER.OPTIMIZER.BASE_LR": "optimizer.lr",
    "SOLVER.SCHEDULER.WARM_UP_ITERS": "lr_config.warmup_iters",
    "SOLVER.CLIP_GRADIENTS": "optimizer_config = dict(grad_clip=dict(max_norm=10.0))",
}
"""Pet's keys -> what a user of this layer calls them, for messages."""

OPTIMIZER_KEYS = {
    "momentum": "SOLVER.OPTIMIZER.MOMENTUM",
    "nesterov": "SOLVER.OPTIMIZER.NESTEROV",
    "betas": "SOLVER.OPTIMIZER.BETAS",
}
DECAY_KEYS = ("SOLVER.OPTIMIZER.WEIGHT_DECAY", "SOLVER.OPTIMIZER.WEIGHT_DECAY_NORM", "SOLVER.OPTIMIZER.WEIGHT_DECAY_BIAS")
TORCH_WEIGHT_DECAY = {"AdamW": 1e-2}
"""What torch takes where nothing is given; 0 for all others."""

POLICIES = {"Fixed": "constant", "Step": "step", "Poly": "poly", "CosineAnnealing": "cosine", "Linear": "linear"}
"""Policies of the learning rate that Pet's ``SOLVER.SCHEDULER.NAME`` knows."""

WARM_UPS = {"constant": "constant", "linear": "linear", "exp": "exponential"}
LOG_HOOKS = {"TextLoggerHook": False, "TensorboardLoggerHook": True}
SPLITS = ("train", "val", "test")
LOADER_KEYS: dict[str, Any] = {"samples_per_gpu": int, "workers_per_gpu": int, "drop_last": bool, "shuffle": bool}
EXPORT_KEYS: dict[str, Any] = {"input_shape_list": list[list[int]], "input_name_list": list[str], "output_name_list": list[str]}
OUT_DIRS = ("checkpoint_config.out_dir", "evaluation.out_dir")


def translate(config: NestedConfig) -> Translated:
    """Return what a config of antgo means, and mark the keys that have a meaning as read.

    Sections that are missing stay out of the result. The components are ``model``, ``optimizer``, ``lr_config``, ``data.<split>``,
    ``data.<split>.pipeline.<number>``, ``data.<split>_dataloader``, ``evaluation.metric`` (or ``evaluation.metric.<number>``), ``export``,
    ``checkpoint_config.out_dir`` and ``evaluation.out_dir``.

    Raises:
        ConfigError: a value does not fit its key.
    """
    translated = Translated(settings_of(config, TABLE))
    # what a config says of itself
    config.get("info", None)
    translated.settings.update(own_settings(config.get("pet", {}), WORDS, place=config.place("pet")))
    _translate_optimizer(config, translated)
    _translate_rate(config, translated)
    _translate_logging(config, translated)
    for split in SPLITS:
        _translate_data(config, split, translated)
    _translate_measures(config, translated)
    _translate_export(config, translated)
    for path in OUT_DIRS:
        if config.get(path, None) is not None:
            translated.components[path] = Component(config.get(path, type=str), {}, config.place(path))
    if config.has("model"):
        translated.components["model"] = config.component("model", name_key="type")
    return translated


def _translate_optimizer(config: NestedConfig, translated: Translated) -> None:
    clipping = config.get("optimizer_config.grad_clip", None, type=dict | None)
    if clipping is not None:
        limit = fitting("SOLVER.CLIP_GRADIENTS.VALUE", clipping.get("max_norm"), place=config.place("optimizer_config.grad_clip"))
        translated.settings.update({"SOLVER.CLIP_GRADIENTS.METHOD": "norm", "SOLVER.CLIP_GRADIENTS.VALUE": limit})
        translated.components["optimizer_config.grad_clip"] = Component(
            "clip_grad_norm_", clipping, config.place("optimizer_config.grad_clip")
        )
    if not config.has("optimizer"):
        return
    optimizer = translated.components["optimizer"] = config.component("optimizer", name_key="type")
    rest = dict(optimizer.arguments)
    if "lr" not in rest:
        raise ConfigError(f"{optimizer.place}: lr is missing, the learning rate; write dict(type={optimizer.name!r}, lr=0.01, ...)")
    values = {"SOLVER.OPTIMIZER.NAME": optimizer.name, "SOLVER.OPTIMIZER.BASE_LR": rest.pop("lr")}
    # torch decays all parameters by the same factor
    values |= dict.fromkeys(DECAY_KEYS, rest.pop("weight_decay", TORCH_WEIGHT_DECAY.get(optimizer.name, 0.0)))
    values["SOLVER.OPTIMIZER.MOMENTUM"] = rest.pop("momentum", 0.0)
    values |= {OPTIMIZER_KEYS[name]: rest.pop(name) for name in OPTIMIZER_KEYS if name in rest}
    values["SOLVER.OPTIMIZER.ARGS"] = rest
    for key, value in values.items():
        translated.settings[key] = fitting(key, value, place=optimizer.place)


def _translate_rate(config: NestedConfig, translated: Translated) -> None:
    if not config.has("lr_config"):
        translated.settings["SOLVER.SCHEDULER.NAME"] = "constant"
        return
    rate = translated.components["lr_config"] = config.component("lr_config", name_key="policy")
    given = rate.arguments
    try:
        values = {"SOLVER.SCHEDULER.NAME": POLICIES.get(policy_name(rate.name), "constant")}
    except ConfigError as error:
        raise ConfigError(f"{rate.place}: {error}") from error
    for name, key in (("min_lr", "MIN_LR"), ("gamma", "GAMMA"), ("power", "POWER"), ("warmup_ratio", "WARM_UP_FACTOR")):
        if given.get(name) is not None:
            values[f"SOLVER.SCHEDULER.{key}"] = given[name]
    if given.get("warmup") is not None:
        unit = "EPOCHS" if given.get("warmup_by_epoch") else "ITERS"
        values["SOLVER.SCHEDULER.WARM_UP_METHOD"] = WARM_UPS.get(given["warmup"], given["warmup"])
        values[f"SOLVER.SCHEDULER.WARM_UP_{unit}"] = given.get("warmup_iters", 0)
    for key, value in values.items():
        translated.settings[key] = fitting(key, value, place=rate.place)
    translated.notes.append(
        f"lr_config: the rate is that of antgo's {rate.name}: the policy runs over the whole training, and the warm-up is a factor of it; "
        "a schedule of SOLVER.SCHEDULER begins after its warm-up"
    )


def _translate_logging(config: NestedConfig, translated: Translated) -> None:
    hooks = config.get("log_config.hooks", [], type=list)
    translated.settings["MISC.TENSORBOARD"] = False
    for number in range(len(hooks)):
        hook = config.component(f"log_config.hooks.{number}", name_key="type")
        if hook.name not in LOG_HOOKS or hook.arguments:
            given = f"{hook.name} with {', '.join(hook.arguments)}" if hook.arguments else f"{hook.name}"
            raise ConfigError(f"{hook.place}: {given} given, {' or '.join(LOG_HOOKS)} expected{did_you_mean(hook.name, LOG_HOOKS)}")
        translated.settings["MISC.TENSORBOARD"] |= LOG_HOOKS[hook.name]


def _translate_data(config: NestedConfig, split: str, translated: Translated) -> None:
    path, loader = f"data.{split}", f"data.{split}_dataloader"
    if config.has(path):
        translated.components[path] = config.component(path, name_key="type")
        for number in range(len(config.get(f"{path}.pipeline", [], type=list))):
            translated.components[f"{path}.pipeline.{number}"] = config.component(f"{path}.pipeline.{number}", name_key="type")
    options = {name: config.get(f"{loader}.{name}", type=kind) for name, kind in LOADER_KEYS.items() if config.has(f"{loader}.{name}")}
    if options or path in translated.components:
        translated.components[loader] = Component("DataLoader", {"samples_per_gpu": 1, **options}, config.place(loader))
    if split == "train" and options:
        batch = translated.components[loader].arguments["samples_per_gpu"] * process_count()
        translated.settings["TRAIN.BATCH_SIZE"] = fitting("TRAIN.BATCH_SIZE", batch, place=config.place(loader))


def _translate_measures(config: NestedConfig, translated: Translated) -> None:
    path = "evaluation.metric"
    if not config.has(path):
        return
    given = config.get(path)
    is_list = isinstance(given, Sequence) and not isinstance(given, str)
    for place in [f"{path}.{number}" for number in range(len(given))] if is_list else [path]:
        translated.components[place] = config.component(place, name_key="type")


def _translate_export(config: NestedConfig, translated: Translated) -> None:
    values: Mapping[str, Any] = {
        name: config.get(f"export.{name}", type=kind) for name, kind in EXPORT_KEYS.items() if config.has(f"export.{name}")
    }
    if values:
        translated.components["export"] = Component("ONNX", dict(values), config.place("export"))
