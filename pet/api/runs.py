"""The runs of trainings, found by their folders: settings, tests, exports."""

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import yaml

from pet import exporting, models, report
from pet.api.deployment import check_formats, export_formats, read_format_data
from pet.task import PACKAGE, Task, find_task
from petlib import engine
from petlib.config import CfgNode, keys_in_errors, load_cfg
from petlib.errors import CheckpointError, ConfigError, name_in_errors
from petlib.files import check_folder
from petlib.launch.start.resolve import find_config
from petlib.launch.start.task_folder import find_task_folder
from petlib.suggest import did_you_mean

RECORD = "config.yaml"
CONFIGS = (".yaml", ".yml", ".py")
SEPARATOR = "__"
HERE = {"command line": "settings"}
"""What a program gives in place of a command line, for messages."""


def settings_of(arguments: Mapping[str, Any], function: Callable[..., Any]) -> dict[str, Any]:
    """Return ``{"SOLVER.OPTIMIZER.BASE_LR": 0.1}`` of ``SOLVER__OPTIMIZER__BASE_LR=0.1``.

    Args:
        arguments: those that a function takes besides its own.
        function: that one.

    Raises:
        ConfigError: one is no key of a config, but a misspelt argument of the function.
    """
    wrong = next((name for name in arguments if SEPARATOR not in name and not name.isupper()), None)
    if wrong is not None:
        own = inspect.signature(function).parameters
        raise ConfigError(
            f"{function.__name__}: unknown argument {wrong!r}{did_you_mean(wrong, own)}; keys of the config are given with {SEPARATOR} for "
            "each dot, e.g. TEST__IMS_PER_GPU=4"
        )
    return {name.replace(SEPARATOR, "."): value for name, value in arguments.items()}


def as_overrides(settings: Mapping[str, Any]) -> list[str]:
    """Return settings as a command line has them.

    Raises:
        ConfigError: a value is none that a config can have.
    """
    return [f"{key}={_as_text(key, value)}" for key, value in settings.items()]


def _as_text(key: str, value: Any) -> str:
    if isinstance(value, str | Path):
        return str(value)
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    try:
        return _as_yaml(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"{key}: {value!r} given, a number, a text, a list or a dictionary of them expected") from error


def _as_yaml(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("\n...\n").strip()


def as_path(given: object, argument: str, expected: str) -> Path:
    """Return an argument as a path.

    Raises:
        ConfigError: it is none, or an empty one.
    """
    if not isinstance(given, str | os.PathLike) or not str(given):
        raise ConfigError(f"{argument}: {given!r} given, {expected} expected")
    return Path(given)


class Source(NamedTuple):
    """A trained model, as a program names it.

    Attributes:
        path: the folder of a run, a file of weights, or a config.
        config: a config, or the folder of the run whose record says how the model was built; None: next to the path.
    """

    path: str | Path
    config: str | Path | None = None


def load_run_config(source: Source, settings: Mapping[str, Any]) -> tuple[Task[Any], CfgNode]:
    """Return the task and the settings of a run.

    Args:
        source: the run.
        settings: values that replace those of the run.

    Raises:
        CheckpointError: there is no such folder or file.
        ConfigError: there is no record of the run, or a setting is wrong.
    """
    record, own = _find_record(source)
    folder = find_task_folder(record, PACKAGE)
    with name_in_errors(HERE):
        cfg = load_cfg(folder.config, record, as_overrides({**own, **settings}), type_folder=folder.type_folder)
    return find_task(record), cfg


def _find_record(source: Source) -> tuple[Path, dict[str, Any]]:
    """Return the record of a run, and what has to be said about where its weights are now."""
    path = _existing(source.path)
    if source.config is not None:
        record = _existing(source.config)
        return (record / RECORD if record.is_dir() else record), {"TEST.WEIGHTS": path.absolute()}
    if path.suffix in CONFIGS:
        return path, {}
    if path.is_dir():
        folder, weights = path, ""
    else:
        folder, weights = path.absolute().parent, str(path.absolute())
    if not (folder / RECORD).is_file():
        raise ConfigError(
            f"{path}: there is no {RECORD} {'in' if path.is_dir() else 'next to'} it, which says how the model was built; give the folder "
            "of a training or a file in it, or load.config"
        )
    return folder / RECORD, {"MISC.CKPT": folder, "TEST.WEIGHTS": weights}


def _existing(given: str | Path) -> Path:
    path = as_path(given, "source", "the folder of a training or a file in it")
    if path.suffix in CONFIGS:
        path = find_config(path, PACKAGE)
    if not path.exists():
        raise CheckpointError(
            f"{given}: there is no such folder or file; give the folder of a training, e.g. ckpts/vision/shapes/x, or weights in it"
        )
    return path


def evaluate_run(source: Source, settings: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of a run on ``TEST.DATASETS``, in this process; files go to the folder ``test`` of the run.

    Raises:
        UserError: weights or data are missing or do not fit.
    """
    task, cfg = load_run_config(source, settings)
    models.find_test_weights(cfg)
    with engine.open_run(cfg, record=engine.TEST_RECORD) as device:
        return test_model(task, cfg, device)


def evaluate(source: str | Path, *, config: str | Path | None = None, **settings: Any) -> dict[str, float]:
    """Return the metrics of a trained model on ``TEST.DATASETS``, shares from 0 to 1, as ``pet-test`` measures them.

    Files go to the folder ``test`` of the run.

    Args:
        source: see :func:`pet.load`.
        config: likewise.
        settings: keys of the config with ``__`` for each dot, e.g. ``TEST__DATASETS=["shapes_test"]``.

    Raises:
        UserError: weights or data are missing or do not fit.
    """
    return evaluate_run(Source(source, config), settings_of(settings, evaluate))


def export(source: str | Path, path: str | Path, *, config: str | Path | None = None, **settings: Any) -> Path:
    """Write a trained model as ``.onnx`` or ``.pt2``, compared with PyTorch, as ``pet-export`` does, and return the path.

    Args:
        source: see :func:`pet.load`.
        path: the file.
        config: see :func:`pet.load`.
        settings: keys of the config with ``__`` for each dot, e.g. ``EXPORT__DYNAMIC=True``.

    Raises:
        UserError: weights are missing, or the network cannot be exported with these settings.
    """
    return export_run(Source(source, config), as_path(path, "path", "a file to write"), settings_of(settings, export))


def test_model(task: Task[Any], cfg: Any, device: torch.device) -> dict[str, float]:
    """Return the metrics of the model with the weights of ``TEST.WEIGHTS``, and write them with the predictions.

    Args:
        task: of the config.
        cfg: the config.
        device: where the model computes, given by ``engine.open_run``.
    """
    model = task.build_model(cfg)
    names = models.load_test_weights(model, cfg)
    model = task.build_test_model(cfg, engine.prepare_model(model, cfg, device))
    # a task that evaluates data of its own may have no names of classes
    evaluation = task.build_evaluation(cfg, device, names=names) if names else task.build_evaluation(cfg, device)
    engine.write_record(cfg, engine.TEST_RECORD)
    metrics = evaluation.test(model, Path(cfg.MISC.CKPT) / "test")
    report.write_test_report(cfg)
    return metrics


def export_run(source: Source, path: Path, settings: Mapping[str, Any]) -> Path:
    """Write the model of a run as ``.onnx`` or ``.pt2``, compared with PyTorch, and return the path.

    Raises:
        UserError: weights are missing, or the network cannot be exported with these settings.
    """
    task, cfg = load_run_config(source, settings)
    with keys_in_errors(cfg), name_in_errors({"export_task.path": "path"}):
        return export_trained(task, cfg, path).path


def export_trained(task: Task[Any], cfg: Any, path: Path) -> "exporting.ExportReport":
    """Write the model with the weights of ``TEST.WEIGHTS``, which have to fit in every name and shape."""
    task.check_export(cfg)
    check_formats(cfg, path)
    # before minutes of work
    check_folder(path.parent, f"export_task.path {path}")
    model = task.build_model(cfg)
    names = models.load_test_weights(model, cfg)
    data = read_format_data(task, cfg, names) if cfg.EXPORT.FORMATS else None
    report = task.export(cfg, model, path, names=names, origin=models.origin_of_test_weights(cfg))
    return report if data is None else replace(report, formats=export_formats(task, cfg, model, report, data))
