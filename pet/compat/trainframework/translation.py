"""From TrainFramework's settings to Pet's: the one table of this layer."""

from collections.abc import Iterator, Mapping
from typing import Any

from pet.compat.shared.translation import Row, Translated, at_least, converted, own_settings, same, settings_of, words_of
from petlib.config.nested import REQUIRED, Component, NestedConfig
from petlib.errors import ConfigError
from petlib.suggest import did_you_mean

NETWORKS = "trainer.model"
"""Every block below it that has a name is a network, e.g. ``trainer.model.generator``."""

LOOKED_UP_IN = {"trainer": "model"}
"""The example of the document reads ``cfg.TRAINER.LOSS``, and its config has ``trainer.model.loss``."""

PARALLEL = {"ddp": "ddp", "dp": "dp", "fsdp": "fsdp", "fsdp2": "fsdp", "none": "none"}
LR_SCHEDULER = "LRMultiplierScheduler"


def _device(value: Any) -> Any:
    """Return the device; a config for CUDA runs on the CPU where there is no GPU, which the scheduler says."""
    return "auto" if value == "cuda" else value


def _parallel(value: Any) -> Any:
    return PARALLEL.get(value.lower(), value) if isinstance(value, str) else value


TABLE: dict[str, Row] = {
    "output_dir": same("MISC.CKPT", default=REQUIRED),
    "output_log_name": same("MISC.NAME", default=""),
    "imports": same("MISC.IMPORTS", default=()),
    "seed": same("MISC.SEED", default=3),
    "dataloader.num_workers": same("TRAIN.NUM_WORKERS", default=0),
    "dataloader.on_error": same("DATA.ON_ERROR", default="raise"),
    "dataloader.max_error_share": same("DATA.MAX_ERROR_SHARE", default=0.01),
    "trainer.device": converted("MISC.DEVICE", _device, default="auto"),
    "trainer.weights": same("TRAIN.WEIGHTS", default=""),
    "trainer.parallel": converted("TRAIN.PARALLEL", _parallel, default="ddp"),
    "trainer.find_unused_parameters": same("TRAIN.FIND_UNUSED_PARAMETERS", default=False),
    "trainer.model.ema.enable": same("SOLVER.EMA.ENABLED", default=False),
    "trainer.model.ema.decay_rate": same("SOLVER.EMA.DECAY", default=0.999),
    "solver.gradient_accumulation_batch": at_least("SOLVER.ACCUMULATION", 1, default=-1),
    "solver.train_per_batch": same("TRAIN.BATCH_SIZE", default=REQUIRED),
    "solver.test_per_batch": same("TEST.IMS_PER_GPU", default=1),
    "solver.max_iter": same("SOLVER.SCHEDULER.TOTAL_ITERS", default=REQUIRED),
    "solver.max_keep": same("SOLVER.SNAPSHOT_KEEP", default=2),
    "solver.checkpoint_period": same("SOLVER.SNAPSHOT_ITER", default=0),
    "solver.eval_period": same("EVAL.PERIOD_ITER"),
    "solver.best_metric": same("EVAL.BEST_METRIC", default=""),
    "solver.best_rule": same("EVAL.BEST_RULE", default="greater"),
    "solver.nonfinite": same("SOLVER.NONFINITE", default="stop"),
    "solver.nonfinite_limit": same("SOLVER.NONFINITE_LIMIT", default=5),
    "solver.log_period": same("MISC.DISPLAY_ITER", default=20),
}
"""Settings with one value. Evaluations come with the checkpoints where ``solver.eval_period`` is not given.

``seed``, ``imports``, ``trainer.parallel``, ``trainer.find_unused_parameters`` and the last four are Pet's own."""

WORDS = {
    **words_of(TABLE),
    "TRAIN.AUTO_RESUME": "--resume",
    "SOLVER.OPTIMIZER.BASE_LR": "lr in optimizer.params of the network's solver",
    "SOLVER.SCHEDULER.WARM_UP_ITERS": "warmup_iter",
    "SOLVER.CLIP_GRADIENTS": "clip_gradients",
}
"""Pet's keys -> what a user of this layer calls them, for messages."""


def translate(config: NestedConfig) -> Translated:
    """Return what Pet understands of a config, and mark that as read.

    Components are ``trainer``, ``model``, ``model.<network>``, ``data.train``, ``data.val``, ``export``, and for each trained network
    ``solver.<network>.optimizer``, ``.lr_scheduler``, ``.clip_gradients`` and ``.ema``, the last three where they are switched on. What
    is below ``trainer.model`` next to them, the losses among it, is left to the user's model.

    Raises:
        ConfigError: a setting is missing or wrong.
    """
    settings = settings_of(config, TABLE)
    settings |= own_settings(config.get("pet", {}), WORDS, place=config.place("pet"))
    settings.setdefault("EVAL.PERIOD_ITER", settings["SOLVER.SNAPSHOT_ITER"])
    settings |= {"SOLVER.SNAPSHOT_EPOCH": 0, "TEST.NUM_WORKERS": settings.get("TRAIN.NUM_WORKERS", 0)}
    if settings["SOLVER.SCHEDULER.TOTAL_ITERS"] < 1:
        raise ConfigError(f"{config.place('solver.max_iter')}: 0 given, at least 1 iteration expected")
    components = {
        "trainer": Component(config.get("trainer.name", "BaseTrainer", type=str), {}, config.place("trainer.name")),
        "model": Component(config.get("trainer.model.name", type=str), {}, config.place("trainer.model.name")),
        **{f"model.{name}": config.component(f"{NETWORKS}.{name}", name_key="name") for name in _networks(config)},
        "data.train": config.component("dataloader.train_data_set", name_key="name"),
    }
    if config.has("dataloader.val_data_set"):
        components["data.val"] = config.component("dataloader.val_data_set", name_key="name")
    if config.has("export"):
        components["export"] = Component("export", config.get("export", type=dict), config.place("export"))
    notes: list[str] = []
    for name in _solvers(config):
        components |= _solver(config, name, notes, max_iter=settings["SOLVER.SCHEDULER.TOTAL_ITERS"])
    components = {**_model_average(config, settings, components), **components}
    settings["SOLVER.EMA.ENABLED"] = any(name.endswith(".ema") for name in components)
    return Translated(settings, components, notes)


def _networks(config: NestedConfig) -> list[str]:
    values = config.section(NETWORKS).to_dict()
    return [name.lower() for name, value in values.items() if isinstance(value, Mapping) and "name" in map(str.lower, value)]


def _solvers(config: NestedConfig) -> Iterator[str]:
    """Yield the networks that have a solver block.

    Raises:
        ConfigError: there is no such block, or one that is of no network.
    """
    networks = _networks(config)
    blocks = [name.lower() for name, value in config.section("solver").to_dict().items() if isinstance(value, Mapping)]
    for name in blocks:
        if networks and name not in networks:
            raise ConfigError(
                f"{config.place(f'solver.{name}')}: there is no network trainer.model.{name}{did_you_mean(name, networks)}; "
                f"there are: {', '.join(networks)}"
            )
        yield name
    if not blocks:
        wanted = networks[0] if networks else "generator"
        raise ConfigError(
            f"{config.place('solver')}: no network has an optimizer; write solver.{wanted} = dict(optimizer=dict(type='Adam', params=...))"
        )


def _solver(config: NestedConfig, network: str, notes: list[str], *, max_iter: int) -> dict[str, Component]:
    prefix = f"solver.{network}"
    name = config.get(f"{prefix}.optimizer.type", type=str)
    params = config.get(f"{prefix}.optimizer.params", {}, type=dict)
    found = {f"{prefix}.optimizer": Component(name, params, config.place(f"{prefix}.optimizer.params"))}
    clip = _switched_on(config, f"{prefix}.optimizer.clip_gradients")
    if clip is not None:
        method = clip.pop("clip_type", "norm")
        found[f"{prefix}.clip_gradients"] = Component(method, clip, config.place(f"{prefix}.optimizer.clip_gradients"))
    average = _switched_on(config, f"{prefix}.ema", switch="enable")
    if average is not None:
        found[f"{prefix}.ema"] = Component("ema", average, config.place(f"{prefix}.ema"))
    schedule = _switched_on(config, f"{prefix}.lr_scheduler")
    if schedule is not None:
        found[f"{prefix}.lr_scheduler"] = _schedule(config, f"{prefix}.lr_scheduler", schedule, notes, max_iter=max_iter)
    return found


def _model_average(config: NestedConfig, settings: Mapping[str, Any], components: Mapping[str, Component]) -> dict[str, Component]:
    """Return what ``trainer.model.ema`` means: the average of the generator, or of all that is trained where nothing has that name."""
    if not settings.get("SOLVER.EMA.ENABLED"):
        return {}
    trained = [name.split(".")[1] for name in components if name.startswith("solver.") and name.endswith(".optimizer")]
    place, decay = config.place(f"{NETWORKS}.ema"), settings["SOLVER.EMA.DECAY"]
    averaged = ["generator"] if "generator" in trained else trained
    return {f"solver.{name}.ema": Component("ema", {"decay_rate": decay}, place) for name in averaged}


def _switched_on(config: NestedConfig, key: str, *, switch: str = "enabled") -> dict[str, Any] | None:
    """Return a block without its switch, or None where there is none or it is off."""
    if not config.has(key):
        return None
    block: dict[str, Any] = dict(config.get(key, type=dict))
    return block if block.pop(switch, True) else None


def _schedule(config: NestedConfig, key: str, block: Mapping[str, Any], notes: list[str], *, max_iter: int) -> Component:
    """Return the course of the rate: the name and the arguments of ``lr_scheduler_param``, and those of the warm-up next to them."""
    name, params = block.get("type", LR_SCHEDULER), block.get("params", {})
    unknown = [key for key in block if key not in ("type", "params")]
    if unknown or not isinstance(params, Mapping):
        given = ", ".join(unknown) or f"params {params!r}"
        raise ConfigError(f"{config.place(key)}: a mapping with enabled, type and params expected, {given} given")
    if name != LR_SCHEDULER:
        raise ConfigError(
            f"{config.place(f'{key}.type')}: {name!r} given, {LR_SCHEDULER} expected{did_you_mean(str(name), [LR_SCHEDULER])}"
        )
    course = dict(params.get("lr_scheduler_param", {}))
    warm_up = {name: value for name, value in params.items() if name not in ("lr_scheduler_param", "max_iter")}
    if params.get("max_iter", max_iter) != max_iter:
        place = config.place(f"{key}.params.max_iter")
        notes.append(f"{place}: {params['max_iter']} given; the training ends after solver.max_iter, {max_iter}, and that counts")
    place = config.place(f"{key}.params.lr_scheduler_param")
    if not isinstance(course.get("name"), str):
        raise ConfigError(f"{place}: a mapping with a name expected, e.g. dict(name='WarmupMultiStepLR', gamma=0.1, steps=[40000])")
    late = [step for step in course.get("steps", ()) if isinstance(step, int) and step >= max_iter]
    if late:
        notes.append(f"{config.place(f'{key}.params.lr_scheduler_param.steps')}: {late} never reached: the training ends after {max_iter}")
    return Component(course.pop("name"), {**course, **warm_up}, place)
