"""Checks the config before any process is started, so that a mistake is told once and at once."""

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from petlib.config import CfgNode, TaskConfig, load_cfg, override_layer, read_layers

DEVICE_KEY = "MISC.DEVICE"


def find_task_config(package: str, folders: Sequence[str]) -> TaskConfig | None:
    """Return the module ``<package>.<folders>.config`` of a task, or None where there is no such module.

    Args:
        package: the package that holds the tasks, e.g. ``"pet"``.
        folders: the folders between ``tools`` and the script, e.g. ``("tasks", "cls")``.
    """
    name = package
    for part in (*folders, "config"):
        if not part.isidentifier() or importlib.util.find_spec(name) is None:
            return None
        name = f"{name}.{part}"
    if importlib.util.find_spec(name) is None:
        return None
    module = importlib.import_module(name)
    return cast(TaskConfig, module) if hasattr(module, "get_base_cfg") and hasattr(module, "infer_cfg") else None


def check_config(path: Path, overrides: Sequence[str], task: TaskConfig | None) -> CfgNode | None:
    """Return the config of the run, or None where the task is not known here; then its processes check it.

    Raises:
        ConfigError: all that is wrong with the config.
    """
    return None if task is None else load_cfg(task, path, overrides)


def configured_device(path: Path, overrides: Sequence[str], cfg: CfgNode | None) -> str:
    """Return ``MISC.DEVICE``, from the files and the command line where the task is not known here."""
    if cfg is not None:
        return str(cfg.MISC.DEVICE)
    layers = [*read_layers(path), override_layer(list(overrides))]
    values = [entry.value for layer in layers for entry in layer.entries if entry.key == DEVICE_KEY]
    return str(values[-1]) if values else "auto"
