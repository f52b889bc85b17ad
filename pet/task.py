"""A task: settings, model, data, metrics, and what the tools need of it. Imports no torch, so that a config can be checked first."""

import ast
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, runtime_checkable

from pet import data, evaluation, exporting, prediction, report
from pet.typed import PetConfig
from petlib import data as loading
from petlib import engine, solver
from petlib.checkpoint.origin import UNRECORDED, Origin
from petlib.config import ConfigError
from petlib.launch.start.task_folder import TaskFolder, find_task_folder
from petlib.user_code import parse_user_module

if TYPE_CHECKING:
    import torch
    from torch import nn

Config = TypeVar("Config", bound=PetConfig)
"""The config of a task: a class of ``pet.typed``, or ``CfgNode``."""

logger = logging.getLogger(__name__)

PACKAGE = "pet"
NO_NAMES: Mapping[str, Sequence[str]] = MappingProxyType({})
TASK_MODULE = "task"
TASK_NAME = "TASK"
EXPECTED_TASK = "an object of a subclass of pet.task.Task expected, as in TASK = BlobTask() of docs/add_a_task.md"
OUTSIDE_OF_BACKBONE = r"^(?!(.*\.)?(backbone|encoder)\.)"
"""Fits the names of parameters that do not lie below a module called so."""


@runtime_checkable
class MeasuresFiles(Protocol):
    """A task that says itself how an exported file takes the place of its model in an evaluation."""

    def build_exported_model(self, cfg: Any, file: "exporting.ExportedFile") -> "nn.Module":
        """Return an exported file in the place of the model."""
        ...


@runtime_checkable
class CalibratesFiles(Protocol):
    """A task that says itself which samples of its training an exported file takes, since they are no images."""

    def read_calibration(self, cfg: Any) -> "exporting.Calibration":
        """Return what makes inputs of a file from samples of ``TRAIN.DATASETS``.

        Raises:
            ConfigError: a setting is wrong.
            DataError: the samples cannot be read.
        """
        ...


class Task(ABC, Generic[Config]):
    """What a model of a kind needs to be trained, tested, exported and looked at.

    A task is a folder with the modules ``config`` (its settings, see :class:`petlib.config.TaskConfig`) and ``task``, whose ``TASK`` is an
    object of a subclass. Each method takes the frozen config of a run. The scripts ``tools/<type>/train_net.py`` call the builders one
    after another; the tools for all tasks find the object with :func:`find_task`.

    What has a default here serves tasks whose data come from :mod:`pet.data`: ``TRAIN.DATASETS`` and ``TEST.DATASETS`` with the targets of
    :meth:`expected_data`. A task with data of another kind defines :meth:`build_training_data` and :meth:`build_evaluation` itself.
    """

    @abstractmethod
    def build_model(self, cfg: Config) -> "nn.Module":
        """Return the model with random weights.

        It takes a batch, and returns losses and metrics in training, a list with the predictions of each sample in evaluation.

        Raises:
            ConfigError: settings do not fit the model.
        """

    def expected_data(self, cfg: Config) -> "data.Expectation":
        """Return what the model wants of its data: kinds of targets, and how many classes.

        Raises:
            ConfigError: the task has data of its own.
        """
        raise _lacks(self, "images with targets to look at; it reads data of its own")

    def expected_test_data(self, cfg: Config) -> "data.Expectation":
        """Return what an evaluation wants of its data: by default what a training wants."""
        return self.expected_data(cfg)

    def build_evaluators(self, cfg: Config, dataset: "data.Dataset", *, keep_predictions: bool) -> "Sequence[evaluation.Evaluator]":
        """Return what turns predictions into metrics.

        Args:
            cfg: the config.
            dataset: the test data.
            keep_predictions: whether the evaluators are to write the predictions.

        Raises:
            ConfigError: the task measures nothing.
        """
        raise _lacks(self, "metrics: it defines no build_evaluators; define it, or leave out TEST.DATASETS")

    def prepare_data(self, cfg: Config, dataset: "data.Dataset") -> "data.Dataset":
        """Return what samples are taken from: by default the data set; a task of single objects takes these out of its images."""
        return dataset

    def build_training_data(self, cfg: Config, device: "torch.device", dataset: "data.Dataset | None" = None) -> "loading.TrainLoader":
        """Return the batches of ``TRAIN.DATASETS``, or of the data that a program brings, after a first look at the samples.

        Raises:
            ConfigError: a name is unknown or a setting wrong.
            DataError: the data are missing, wrong, or do not fit the model.
        """
        return data.build_training_data(cfg, device, self.expected_data(cfg), dataset, prepare=lambda found: self.prepare_data(cfg, found))

    def build_evaluation(
        self,
        cfg: Config,
        device: "torch.device",
        dataset: "data.Dataset | None" = None,
        *,
        names: Mapping[str, Sequence[str]] = NO_NAMES,
    ) -> "evaluation.Evaluation":
        """Return the evaluation on ``TEST.DATASETS``, or on the data that a program brings.

        Args:
            cfg: the config.
            device: where the model computes.
            dataset: the data that a program brings; None: ``TEST.DATASETS``.
            names: what the numbers of the model mean, by kind of target: ``names`` of the training's loader, or of a test's weights.

        Raises:
            ConfigError: there is neither.
            DataError: a data set is missing, cannot be used, or does not fit the model.
        """
        return evaluation.build_evaluation(
            cfg,
            device,
            self.expected_test_data(cfg),
            lambda found, keep_predictions: self.build_evaluators(cfg, found, keep_predictions=keep_predictions),
            dataset=dataset,
            names=names,
        )

    def build_test_model(self, cfg: Config, model: "nn.Module") -> "nn.Module":
        """Return what is evaluated in a test: the model, or what looks at each image several times with it."""
        return model

    def head_pattern(self, cfg: Config, model: "nn.Module") -> str:
        """Return what ``FINETUNE`` calls the head: a regular expression for names of parameters, by default all outside of a backbone."""
        return cfg.FINETUNE.HEAD or OUTSIDE_OF_BACKBONE

    def build_rules(self, cfg: Config, model: "nn.Module") -> "list[solver.ParameterRule]":
        """Return what holds for some parameters alone: ``SOLVER.OPTIMIZER.RULES``, and after them what ``FINETUNE`` says.

        Raises:
            ConfigError: a rule is wrong, or the model has no such head.
        """
        rules = solver.build_rules(cfg)
        if cfg.FINETUNE.HEAD_LR_MULT != 1:
            rules.append(solver.ParameterRule(pattern=self._find_head(cfg, model), lr_mult=cfg.FINETUNE.HEAD_LR_MULT))
        if cfg.FINETUNE.FREEZE_EPOCHS < 0:
            head = self._find_head(cfg, model).pattern
            rules.append(solver.ParameterRule(pattern=re.compile(f"^(?!.*(?:{head}))"), freeze=True))
        return rules

    def build_hooks(self, cfg: Config, model: "nn.Module") -> "list[engine.Hook]":
        """Return what this task does between iterations, in addition to the hooks of every run: the report, and what ``FINETUNE`` freezes.

        Raises:
            ConfigError: the model has no such head.
        """
        hooks = report.build_report_hooks(cfg)
        if cfg.FINETUNE.FREEZE_EPOCHS == 0:
            return hooks
        if not cfg.TRAIN.WEIGHTS and not engine.continues(cfg):
            logger.warning(
                "FINETUNE.FREEZE_EPOCHS is %d, but the body that it freezes has random weights: name trained ones with TRAIN.WEIGHTS",
                cfg.FINETUNE.FREEZE_EPOCHS,
            )
        return [*hooks, engine.FreezeHook(head=self._find_head(cfg, model), epochs=cfg.FINETUNE.FREEZE_EPOCHS)]

    def _find_head(self, cfg: Config, model: "nn.Module") -> re.Pattern[str]:
        text = self.head_pattern(cfg, model)
        try:
            pattern = re.compile(text)
        except re.error as error:
            raise ConfigError(f"FINETUNE.HEAD: {text!r} is no regular expression: {error}") from error
        names = [name for name, _ in model.named_parameters()]
        found = sum(pattern.search(name) is not None for name in names)
        if found in (0, len(names)):
            raise ConfigError(
                f"FINETUNE.HEAD: {text!r} matches {'every' if found else 'no'} parameter of the model; give a regular expression for the "
                f"names of those of the head, e.g. of {names[-1]}"
            )
        return pattern

    def build_predictor(self, cfg: Config, device: "torch.device", *, window: int = 0) -> "prediction.FilePredictor":
        """Return the model with the weights of ``TEST.WEIGHTS``, or the exported file that it names, ready to predict files.

        Args:
            cfg: the config.
            device: where the model runs.
            window: edge of the windows that it looks at large images through, pixels; 0: what the task does by default.

        Raises:
            CheckpointError: the weights are missing or do not fit.
            ConfigError: the task predicts no files, or does not look through windows.
        """
        kinds = self.expected_data(cfg).kinds
        return prediction.build_whole_images(
            cfg, device, lambda: self.build_model(cfg), kinds, window=window, finish=lambda model: self.build_test_model(cfg, model)
        )

    def check_export(self, cfg: Config) -> None:
        """Check whether the model can be exported, before its weights are read.

        Raises:
            ConfigError: it cannot.
        """

    def build_export_network(self, cfg: Config, model: "nn.Module") -> "exporting.TaskNetwork":
        """Return the network that an exported file holds, from a model with its trained weights.

        Raises:
            ConfigError: the task is not exported, or not with these settings.
        """
        raise _lacks(self, "an export")

    def export(
        self,
        cfg: Config,
        model: "nn.Module",
        path: Path,
        *,
        names: Mapping[str, Sequence[str]] = NO_NAMES,
        origin: Origin = UNRECORDED,
    ) -> "exporting.ExportReport":
        """Write a trained model as ONNX or ``.pt2``, checked against PyTorch; the file keeps names and licence.

        Args:
            cfg: the config.
            model: the model.
            path: the file.
            names: what the numbers of the model mean, as its weights say.
            origin: what its training began with.

        Raises:
            ConfigError: the network cannot be exported, or the file does not give what PyTorch gives.
            OutputError: the file cannot be written.
        """
        kinds, network = self.expected_data(cfg).kinds, self.build_export_network(cfg, model)
        return exporting.export_task(
            cfg, network, kinds, path, names=names, origin=origin, prepare=lambda found: self.prepare_data(cfg, found)
        )


def find_task(config: Path, *, type_folder: str | None = None) -> Task[Any]:
    """Return the task of a config.

    ``<root>/cfgs/<type>/<...>/x.yaml`` belongs to the deepest ``pet.<type>.<...>`` or, of a repository of one's own,
    ``<root>/<type>/<...>``. Imports torch: check the config first.

    Args:
        config: path of the config file.
        type_folder: the type, e.g. ``tasks/cls``, where the path does not show it.

    Raises:
        ConfigError: there is no such task, it has no ``TASK``, or there is a mistake in a module of it.
    """
    folder = find_task_folder(config, PACKAGE, type_folder=type_folder)
    if not folder.has_module(TASK_MODULE):
        raise ConfigError(f"{config}: its task has settings but no module {folder.package}.{TASK_MODULE}; docs/add_a_task.md shows one")
    check_task_source(folder)
    module = folder.import_module(TASK_MODULE)
    task = getattr(module, TASK_NAME, None)
    if not isinstance(task, Task):
        raise ConfigError(f"{module.__file__}: {TASK_NAME} is {task!r}; {EXPECTED_TASK}")
    return task


def check_task_source(folder: TaskFolder) -> None:
    """Check what a user's module ``task`` shows without its import, which takes seconds: that it is Python, and has an object ``TASK``.

    The launcher does so before it starts a script that imports the module. One that has no such file is left to the script.

    Raises:
        ConfigError: it does not.
    """
    path = folder.own_file(TASK_MODULE)
    if path is None or not path.is_file():
        return
    module = parse_user_module(path)
    nodes = list(ast.walk(module))
    named = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    imported = [node.asname or node.name for node in nodes if isinstance(node, ast.alias)]
    if not {TASK_NAME, "*"} & {*named, *imported}:
        raise ConfigError(f"{path}: it has no {TASK_NAME}; {EXPECTED_TASK}")
    classes = {node.name for node in module.body if isinstance(node, ast.ClassDef)}
    for node in module.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name(id=value)) if name == TASK_NAME and value in classes:
                raise ConfigError(f"{path}:{node.lineno}: {TASK_NAME} is the class {value}; {EXPECTED_TASK}")


def _lacks(task: Task[Any], what: str) -> ConfigError:
    return ConfigError(f"{type(task).__module__}.{type(task).__name__} has no {what}")
