"""Training from one config."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer

from pet.compat.antgo.loaders import build_evaluation_loader, build_train_loader
from pet.compat.antgo.measures.evaluator import Measure, MeasureEvaluator, build_measures, check_truths
from pet.compat.antgo.network import FieldNetwork, ReviseKeys, build_network, check_fields, load_checkpoint
from pet.compat.antgo.samples import PipelineDataset, build_dataset
from pet.compat.antgo.schedules import rate_factor
from pet.compat.antgo.settings import AntgoConfig, RunSettings, device_name, open_settings
from pet.compat.antgo.translation import WORDS
from pet.compat.shared.building import check_argument_names
from pet.compat.shared.running import check_resumed, open_run
from pet.compat.shared.translation import process_count
from pet.evaluation.evaluation import Evaluation
from petlib import engine
from petlib.arguments import fit_arguments
from petlib.config import CfgNode, ConfigError
from petlib.config.nested import Component
from petlib.data.seeding import seed_everything
from petlib.engine.hook import Hook
from petlib.solver.build import build_optimizer
from petlib.solver.factor_schedule import FactorSchedule
from petlib.solver.optimizers import OPTIMIZERS, GradientClipper


def build_checked_optimizer(network: nn.Module, cfg: CfgNode, settings: RunSettings) -> Optimizer:
    """Return the optimizer of the config for a network that is on its device.

    Raises:
        ConfigError: there is no such optimizer, or it does not take or refuses an argument.
    """
    optimizer = settings.components["optimizer"]
    try:
        return build_optimizer(network, cfg)
    except ConfigError as error:
        raise ConfigError(f"{optimizer.place}: {error}") from error


def check_optimizer(settings: RunSettings) -> None:
    """Check that there is an optimizer and that it takes the arguments of the config.

    Raises:
        ConfigError: there is none, none of this name, or it has no such argument.
    """
    optimizer = settings.components.get("optimizer")
    if optimizer is None:
        raise ConfigError(f"optimizer: missing in {settings.name}; optimizer = dict(type='SGD', lr=0.01, momentum=0.9) expected")
    check_argument_names(OPTIMIZERS, optimizer, own=["params"])


def build_step(cfg: CfgNode, settings: RunSettings, device: torch.device) -> engine.DefaultStep:
    """Return the iteration, which clips gradients as ``optimizer_config.grad_clip`` says.

    Raises:
        ConfigError: an argument of the clipping is unknown or wrong.
    """
    clipping = settings.components.get("optimizer_config.grad_clip")
    clipper = None if clipping is None else read_clipper(clipping)
    step = engine.build_step(cfg, device)
    step.clipper = clipper
    return step


def read_clipper(clipping: Component) -> GradientClipper:
    """Return what limits the gradients as ``torch.nn.utils.clip_grad_norm_`` with the arguments of the config.

    Raises:
        ConfigError: an argument is unknown or wrong.
    """
    try:
        arguments = fit_arguments("grad_clip", clipping.name, clip_grad_norm, clipping.arguments)
    except ConfigError as error:
        raise ConfigError(f"{clipping.place}: {error}") from error
    if arguments["max_norm"] <= 0.0:
        raise ConfigError(f"{clipping.place}: max_norm {arguments['max_norm']:g} given, a number above 0 expected")
    return clip_grad_norm(**arguments)


def clip_grad_norm(max_norm: float, norm_type: float = 2.0) -> GradientClipper:
    """Return the clipper with these arguments of ``clip_grad_norm_``; a norm that is not finite is the affair of the loss's guard."""
    return GradientClipper(method="norm", value=max_norm, norm_type=norm_type)


WORK_DIR = "./output"

logger = logging.getLogger(__name__)


class Trainer:
    """Trains the network of a config on its data: :meth:`config_dataloader`, :meth:`config_model`, :meth:`start_train`.

    Every process of a training with several makes the same calls; ``torchrun`` starts them.

    Args:
        cfg: path of a config (Python, read as data, or YAML), a dictionary, or a config of :func:`petlib.config.nested.read_nested`.
        work_dir: folder of the run. Log, ``metrics.jsonl`` and checkpoints lie in it; ``checkpoint_config.out_dir`` is it, or a folder
            below it.
        gpu_id, distributed: see :func:`pet.compat.antgo.settings.device_name`.
        diff_seed: processes draw different random numbers; several always do.
        deterministic: use only deterministic algorithms on the GPU too; None: as the config says.
        find_unused_parameters: for several processes, where parts of the network take no part in the losses.
        device: ``auto`` takes CUDA where there is a GPU; ``cuda``, ``cpu``.

    Raises:
        ConfigError: the config cannot be read, a value is wrong, or a key is one that nothing reads.
    """

    def __init__(
        self,
        cfg: AntgoConfig,
        work_dir: str | Path = WORK_DIR,
        gpu_id: int | None = None,
        distributed: bool | None = None,
        *,
        diff_seed: bool = True,
        deterministic: bool | None = None,
        find_unused_parameters: bool = False,
        device: str = "auto",
    ) -> None:
        self._settings = open_settings(cfg, work_dir, device=device_name(device, gpu_id, distributed=distributed))
        if not diff_seed and process_count() > 1:
            raise ConfigError("diff_seed: False given, but processes that train together draw different random numbers; leave it out")
        self._run_settings = {"TRAIN.FIND_UNUSED_PARAMETERS": find_unused_parameters}
        if deterministic is not None:
            self._run_settings["MISC.DETERMINISTIC"] = deterministic
        self._network: FieldNetwork | None = None
        self._train_data: PipelineDataset | None = None
        self._val_data: PipelineDataset | None = None
        self._measures: list[Measure] = []

    @property
    def model(self) -> nn.Module:
        """The network of the config, after :meth:`config_model`."""
        return self._configured_network().network

    def config_dataloader(self, with_validate: bool = False) -> None:
        """Open the data sets ``data.train`` and, to evaluate every ``evaluation.interval`` epochs, ``data.val``.

        Raises:
            ConfigError: an entry is missing or wrong, or the measures want fields that are not among those of ``data.val``.
            DataError: the files of a data set cannot be used.
        """
        self._train_data = build_dataset(self._settings.entry("data.train"), place="data.train")
        self._val_data, self._measures = None, []
        if with_validate:
            self._val_data = build_dataset(self._settings.entry("data.val"), place="data.val")
            self._measures = build_measures(self._settings.components)
            check_truths(self._measures, self._val_data.fields, place="data.val.inputs_def.fields")

    def config_model(
        self,
        load_from: str | Path | None = None,
        *,
        resume_from: str | Path | None = None,
        model_builder: Callable[[], nn.Module] | None = None,
        revise_keys: ReviseKeys = (),
    ) -> None:
        """Make the network, with weights that follow from ``seed``, and check what changes them.

        Args:
            load_from: a checkpoint or a state dict; what fits the network is taken from it, the rest is logged.
            resume_from: the folder of this run's checkpoints or the latest one in it, from which :meth:`start_train` goes on, as it does
                without it; there has to be one.
            model_builder: makes the network in the place of ``model`` of the config.
            revise_keys: regular expressions and what replaces them in the names of the weights in ``load_from``.

        Raises:
            ConfigError: network or optimizer are not registered, or do not take their arguments, or there is nothing to go on from.
            CheckpointError: the file cannot be read, or nothing in it fits.
        """
        check_optimizer(self._settings)
        seed_everything(self._settings.config({}).MISC.SEED)
        if resume_from:
            folder = self._settings.folder("checkpoint_config.out_dir")
            check_resumed(resume_from, folder, place="config_model: resume_from", instead="give it as load_from")
        self._network = build_network(self._settings.components.get("model"), model_builder)
        if load_from:
            load_checkpoint(self._network, Path(load_from), revise_keys=revise_keys, strict=False)

    def start_train(self, max_epochs: int | None = None, *, resume: bool = True, hooks: Sequence[Hook] = ()) -> None:
        """Train up to ``max_epochs`` epochs, with evaluations and checkpoints in between.

        A work_dir with checkpoints is gone on with, exactly as if it had not been interrupted where the config is the same and
        ``max_epochs`` too; with a greater ``max_epochs`` the schedule is the one of the greater length from there on.

        Args:
            max_epochs: length of the whole training, the epochs that are done included; None: ``max_epochs`` of the config.
            resume: go on where there is a checkpoint; False: begin anew, and replace it.
            hooks: of one's own, see :class:`petlib.engine.Hook`.

        Raises:
            ConfigError: something does not fit, such as the losses that the network returns.
            DataError: a sample cannot be used.
            CheckpointError: the checkpoint belongs to another network.
            TrainingDivergedError: a loss is not finite.
        """
        max_epochs = self._settings.translated.settings.get("SOLVER.SCHEDULER.TOTAL_EPOCHS") if max_epochs is None else max_epochs
        if isinstance(max_epochs, bool) or not isinstance(max_epochs, int) or max_epochs < 1:
            raise ConfigError(f"start_train: max_epochs: {max_epochs!r} given, a whole number from 1 on expected")
        network, data = self._configured_network(), self._configured_data()
        check_fields(network.network, "forward_train", data.fields, place="data.train.inputs_def.fields")
        if self._val_data is not None:
            check_fields(network.network, "forward_test", self._val_data.fields, place="data.val.inputs_def.fields")
        cfg = self._settings.config({"SOLVER.SCHEDULER.TOTAL_EPOCHS": max_epochs, "TRAIN.AUTO_RESUME": resume, **self._run_settings})
        with open_run(cfg, purpose="train", words=WORDS) as device:
            self._run(cfg, network, data, device, hooks)

    def _run(self, cfg: CfgNode, network: FieldNetwork, data: PipelineDataset, device: torch.device, own_hooks: Sequence[Hook]) -> None:
        model = engine.parallelize(engine.prepare_model(network, cfg, device), cfg, device)
        loader = build_train_loader(
            data,
            **self._settings.components["data.train_dataloader"].arguments,
            cfg=cfg,
            device=device,
        )
        step = build_step(cfg, self._settings, device)
        state = self._build_state(cfg, model, step, loader.iterations_per_epoch)
        evaluation = None if self._val_data is None else self._build_evaluation(cfg, self._val_data, device)
        hooks = engine.build_train_hooks(cfg, state, batches=loader.batches, evaluate=evaluation)
        hooks += own_hooks

        engine.resume(state, hooks, cfg)
        if state.iteration >= state.max_iter:
            logger.info(
                "the %d epochs are done; a greater max_epochs, or another work_dir, trains on", state.max_iter // state.iterations_per_epoch
            )
        engine.train(state, loader, step, hooks)

    def _build_state(self, cfg: CfgNode, model: nn.Module, step: engine.DefaultStep, iterations_per_epoch: int) -> engine.TrainState:
        optimizer = build_checked_optimizer(model, cfg, self._settings)
        factor = rate_factor(
            self._settings.components.get("lr_config"),
            base_lr=cfg.SOLVER.OPTIMIZER.BASE_LR,
            max_epochs=cfg.SOLVER.SCHEDULER.TOTAL_EPOCHS,
            iterations_per_epoch=iterations_per_epoch,
        )
        return engine.build_state(
            cfg,
            model=model,
            optimizer=optimizer,
            step=step,
            iterations_per_epoch=iterations_per_epoch,
            scheduler=FactorSchedule(optimizer, factor),
            checkpointer=engine.build_checkpointer(cfg, self._settings.folder("checkpoint_config.out_dir")),
            names=self._configured_data().names,
        )

    def _build_evaluation(self, cfg: CfgNode, data: PipelineDataset, device: torch.device) -> Evaluation:
        options = self._settings.components["data.val_dataloader"].arguments
        return Evaluation(
            loader=build_evaluation_loader(data, **options, cfg=cfg, device=device),
            build_evaluators=lambda _: [MeasureEvaluator(self._measures, save_best=cfg.EVAL.BEST_METRIC)],
        )

    def _configured_network(self) -> FieldNetwork:
        if self._network is None:
            raise ConfigError("there is no network yet; call config_model() before")
        return self._network

    def _configured_data(self) -> PipelineDataset:
        if self._train_data is None:
            raise ConfigError("start_train: there are no data yet; call config_dataloader() before")
        return self._train_data
