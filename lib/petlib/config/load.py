"""From the defaults of a task, a config file and the command line to the frozen config of a run."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from petlib.addresses import ANY_STORE, check_address
from petlib.config.key import coerce
from petlib.config.layers import Layer, override_layer, read_layers
from petlib.config.node import CfgNode, keys_in_errors
from petlib.config.usage import check_overrides
from petlib.errors import ConfigError, DataError
from petlib.registry import import_user_modules

IMPORTS_KEY = "MISC.IMPORTS"


class TaskConfig(Protocol):
    """What the ``config`` module of a task provides. It imports no torch."""

    def get_base_cfg(self) -> CfgNode:
        """Return the defaults of the task."""

    def infer_cfg(self, cfg: CfgNode) -> CfgNode | None:
        """Derive the settings that follow from others, and check what no single key can know; what it returns is not used."""


def missing_functions(task: TaskConfig) -> str:
    """Return what a task's settings lack of :class:`TaskConfig`, in words; empty: nothing."""
    missing = [name for name in ("get_base_cfg", "infer_cfg") if not hasattr(task, name)]
    return f"it has no {' and no '.join(missing)}; the settings of a task have get_base_cfg() and infer_cfg(cfg)" if missing else ""


def load_cfg(
    task: TaskConfig,
    path: str | Path,
    overrides: Sequence[str] = (),
    *,
    type_folder: str = "",
    on_missing_data: Callable[[DataError], None] | None = None,
) -> CfgNode:
    """Return the frozen config: command line over file over base files over the defaults of the task.

    A key or name that is unknown may come from a module of the user. So where the config has mistakes and ``MISC.IMPORTS`` names
    modules, these are imported and the config is checked again; else nothing is imported.

    Args:
        task: the settings of the task.
        path: the file.
        overrides: what the command line changes.
        type_folder: folder of the task, e.g. ``tasks/cls``, which the record of a run keeps; empty: not known.
        on_missing_data: called where settings follow from data that cannot be read, and left as they are then; None: that is an error.

    Raises:
        ConfigError: all that is wrong in the files and on the command line, a line each; what the command line gives in vain; or a module
            cannot be found; or the task has no such settings.
    """
    if missing := missing_functions(task):
        raise ConfigError(f"{getattr(task, '__file__', repr(task))}: {missing}")
    layers = [*read_layers(Path(path)), override_layer(list(overrides))]
    try:
        return _load(task, Path(path), layers, type_folder, on_missing_data)
    except ConfigError:
        modules = _user_modules(layers)
        if not modules:
            raise
    import_user_modules(modules)
    return _load(task, Path(path), layers, type_folder, on_missing_data)


def _user_modules(layers: Sequence[Layer]) -> list[str]:
    """Return the modules that the last of the layers that name any wants imported."""
    given = [entry.value for layer in layers for entry in layer.entries if entry.key == IMPORTS_KEY]
    try:
        modules: list[str] = coerce(given[-1], list[str]) if given else []
    except ValueError:
        return []
    return modules


def _load(
    task: TaskConfig, path: Path, layers: Sequence[Layer], type_folder: str, on_missing_data: Callable[[DataError], None] | None
) -> CfgNode:
    cfg = task.get_base_cfg()
    cfg.set_type(type_folder)
    cfg.merge_layers(list(layers))
    name_run(cfg, path)
    _check_length(cfg, path)
    _check_places(cfg)
    try:
        with keys_in_errors(cfg):
            task.infer_cfg(cfg)
    except DataError as error:
        if on_missing_data is None:
            raise
        on_missing_data(error)
    check_overrides(cfg)
    cfg.freeze()
    return cfg


def name_run(cfg: CfgNode, path: str | Path) -> None:
    """Name the run and its output folder after the file of its config, where the config names none."""
    if not cfg.MISC.CKPT:
        cfg.set("MISC.CKPT", default_output_folder(Path(path)))
    if not cfg.MISC.NAME:
        cfg.set("MISC.NAME", Path(path).name)


def default_output_folder(path: Path) -> str:
    """Return ``ckpts/<the config's path below cfgs, without its suffix>``; outside a ``cfgs`` folder just the name."""
    parts = path.absolute().with_suffix("").parts
    below = parts[len(parts) - parts[::-1].index("cfgs") :] if "cfgs" in parts[:-1] else parts[-1:]
    return str(Path("ckpts", *below))


def _check_length(cfg: CfgNode, path: Path) -> None:
    epochs, iterations = cfg.SOLVER.SCHEDULER.TOTAL_EPOCHS, cfg.SOLVER.SCHEDULER.TOTAL_ITERS
    if (epochs > 0) == (iterations > 0):
        raise ConfigError(
            f"{path}: SOLVER.SCHEDULER: TOTAL_EPOCHS is {epochs} and TOTAL_ITERS is {iterations}; "
            "exactly one of them must be positive: set the other to 0"
        )


def _check_places(cfg: CfgNode) -> None:
    """Check the form of the places that a run reads and writes, before anything is started for it."""
    folder, storage = cfg.MISC.CKPT, cfg.MISC.STORAGE
    if "://" in folder:
        raise ConfigError(f"MISC.CKPT {folder}: a folder of this machine expected; a place in a store is MISC.STORAGE, in addition to it")
    for key, weights in (("TRAIN.WEIGHTS", cfg.TRAIN.WEIGHTS), ("TEST.WEIGHTS", cfg.TEST.WEIGHTS)):
        if "://" in weights:
            raise ConfigError(f"{key} {weights}: an address given, and a file of this machine expected; download it first")
    if storage and check_address(storage, place="MISC.STORAGE", expected=ANY_STORE) is None:
        raise ConfigError(f"MISC.STORAGE {storage}: {ANY_STORE} expected; a folder of this machine is MISC.CKPT")
