"""From TrainFramework's settings to Pet's: the one table of this door."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pet.compat.translated import Translated
from petlib.config import PETLIB_SCHEMA, Key
from petlib.config.nested import REQUIRED, Component, NestedConfig
from petlib.errors import ConfigError
from petlib.suggest import did_you_mean

NETWORKS = "trainer.model"
"""Every block below it that has a name is a network, e.g. ``trainer.model.generator``."""

LOOKED_UP_IN = {"trainer": "model"}
"""The example of the document reads ``cfg.TRAINER.LOSS``, and its config has ``trainer.model.loss``."""

PARALLEL = {"ddp": "ddp", "dp": "dp", "fsdp": "fsdp", "fsdp2": "fsdp", "none": "none"}
LR_SCHEDULER = "LRMultiplierScheduler"


def _as_given(value: Any) -> Any:
    return value


def _parts(value: Any) -> Any:
    """Return the parts of a batch; up to 1 means that it stays whole."""
    return max(value, 1) if isinstance(value, int) else value


def _device(value: Any) -> Any:
    """Return the device; a config for CUDA runs on the CPU where there is no GPU, which the scheduler says."""
    return "auto" if value == "cuda" else value


def _parallel(value: Any) -> Any:
    return PARALLEL.get(value.lower(), value) if isinstance(value, str) else value


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        key: TrainFramework's.
        to: Pet's.
        default: value where the config has none.
        convert: from the value of the config to Pet's.
    """

    key: str
    to: str
    default: Any = REQUIRED
    convert: Callable[[Any], Any] = _as_given


TABLE = (
    Row("output_dir", "MISC.CKPT"),
    Row("output_log_name", "MISC.NAME", ""),
    Row("imports", "MISC.IMPORTS", ()),
    Row("seed", "MISC.SEED", 3),
    Row("dataloader.num_workers", "TRAIN.NUM_WORKERS", 0),
    Row("dataloader.on_error", "DATA.ON_ERROR", "raise"),
    Row("dataloader.max_error_share", "DATA.MAX_ERROR_SHARE", 0.01),
    Row("trainer.device", "MISC.DEVICE", "auto", _device),
    Row("trainer.weights", "TRAIN.WEIGHTS", ""),
    Row("trainer.parallel", "TRAIN.PARALLEL", "ddp", _parallel),
    Row("trainer.find_unused_parameters", "TRAIN.FIND_UNUSED_PARAMETERS", False),
    Row("trainer.model.ema.enable", "SOLVER.EMA.ENABLED", False),
    Row("trainer.model.ema.decay_rate", "SOLVER.EMA.DECAY", 0.999),
    Row("solver.gradient_accumulation_batch", "SOLVER.ACCUMULATION", -1, _parts),
    Row("solver.train_per_batch", "TRAIN.BATCH_SIZE"),
    Row("solver.test_per_batch", "TEST.IMS_PER_GPU", 1),
    Row("solver.max_iter", "SOLVER.SCHEDULER.TOTAL_ITERS"),
    Row("solver.max_keep", "SOLVER.SNAPSHOT_KEEP", 2),
    Row("solver.checkpoint_period", "SOLVER.SNAPSHOT_ITER", 0),
    Row("solver.eval_period", "EVAL.PERIOD_ITER", None),
    Row("solver.best_metric", "EVAL.BEST_METRIC", ""),
    Row("solver.best_rule", "EVAL.BEST_RULE", "greater"),
    Row("solver.nonfinite", "SOLVER.NONFINITE", "stop"),
    Row("solver.nonfinite_limit", "SOLVER.NONFINITE_LIMIT", 5),
    Row("solver.log_period", "MISC.DISPLAY_ITER", 20),
)
"""Settings with one value. Evaluations come with the checkpoints where ``solver.eval_period`` is not given.

``seed``, ``imports``, ``trainer.parallel``, ``trainer.find_unused_parameters`` and the last four are Pet's own."""


def translate(config: NestedConfig) -> Translated:
    """Return what Pet understands of a config, and mark that as read.

    Components are ``trainer``, ``model``, ``model.<network>``, ``data.train``, ``data.val``, ``export``, and for each trained network
    ``solver.<network>.optimizer``, ``.lr_scheduler``, ``.clip_gradients`` and ``.ema``, the last three where they are switched on. What
    stands below ``trainer.model`` beside them, the losses among it, is left to the user's model.

    Raises:
        ConfigError: a setting is missing or wrong.
    """
    settings = {row.to: _setting(config, row) for row in TABLE if row.default is not None or config.has(row.key)}
    settings.setdefault("EVAL.PERIOD_ITER", settings["SOLVER.SNAPSHOT_ITER"])
    settings |= {"SOLVER.SNAPSHOT_EPOCH": 0, "TEST.NUM_WORKERS": settings["TRAIN.NUM_WORKERS"]}
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


def _setting(config: NestedConfig, row: Row) -> Any:
    """Return the value of a row as Pet's key wants it."""
    given = config.get(row.key, row.default)
    entry: Any = PETLIB_SCHEMA
    for part in row.to.split("."):
        entry = entry[part]
    assert isinstance(entry, Key), f"{row.to} is a section"
    try:
        return entry.check(row.convert(given))
    except ValueError as error:
        raise ConfigError(f"{config.place(row.key)}: {given!r} given, {error} expected") from None


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
    if not settings["SOLVER.EMA.ENABLED"]:
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
    """Return the course of the rate: the name and the arguments of ``lr_scheduler_param``, with those of the warm-up beside them."""
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
