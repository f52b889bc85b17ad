"""The trainer: data, model, checkpoints, and one run of Pet's engine."""

import logging
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pet.compat.shared.class_names import check_same_classes, class_names
from pet.compat.trainframework.configuration import TrainFrameworkConfig
from pet.compat.trainframework.data.build import build_data_set
from pet.compat.trainframework.data.loader import build_test_loader, build_train_loader
from pet.compat.trainframework.model.base_model import BaseModel, build_model
from pet.compat.trainframework.solver.build import NetworkSolver, build_average, build_solvers
from pet.compat.trainframework.trainer.hooks import AfterLoopHook, IterateAfterHook, IterationHook
from pet.compat.trainframework.trainer.step import NetworksStep
from pet.compat.trainframework.translation import WORDS
from pet.evaluation.evaluation import Evaluation
from pet.metrics.results import write_metrics_json
from petlib import engine
from petlib.checkpoint import load_weights
from petlib.distributed.collectives import all_gather_objects, broadcast_tensors
from petlib.distributed.process_group import world_size
from petlib.engine.hook import Hook
from petlib.engine.step import TrainStep
from petlib.errors import ConfigError, name_in_errors
from petlib.events.writers.console import format_figure


class FiguresEvaluator:
    """Averages what ``evaluate_step`` returns over the samples of all processes.

    Args:
        model: name of the model, for messages.
    """

    def __init__(self, *, model: str) -> None:
        self._model = model
        self._sums: dict[str, Tensor] = {}
        self._count = 0
        self._means: dict[str, float] = {}

    def update(self, batch: dict[str, Any], predictions: Any) -> None:
        """Take the figures of one batch, weighted with its number of samples.

        Raises:
            ConfigError: they are no numbers with names, or other ones than those of the batches before.
        """
        if not isinstance(predictions, Mapping) or not predictions:
            raise ConfigError(f"{self._model}.evaluate_step returned {predictions!r}; names and numbers expected, e.g. {{'psnr': 31.2}}")
        if self._sums and set(predictions) != set(self._sums):
            raise ConfigError(f"{self._model}.evaluate_step returned {', '.join(predictions)}, and before {', '.join(self._sums)}")
        size = len(batch["meta"])
        for name, value in predictions.items():
            figure = torch.as_tensor(value).detach().double()
            if figure.dim() != 0:
                raise ConfigError(f"{self._model}.evaluate_step: {name} has the shape {tuple(figure.shape)}; one number expected")
            self._sums[name] = self._sums.get(name, torch.zeros_like(figure)) + size * figure
        self._count += size

    def compute(self) -> dict[str, float]:
        """Return the means by name, with ``val/`` before it."""
        own = ({name: value.item() for name, value in self._sums.items()}, self._count)
        shares = all_gather_objects(own)
        total = sum(count for _, count in shares)
        names = next((sums for sums, count in shares if count), {})
        self._means = {f"val/{name}": sum(sums.get(name, 0.0) for sums, _ in shares) / total for name in names}
        return self._means

    def write(self, folder: Path) -> None:
        """Write the means into ``metrics.json``."""
        write_metrics_json(folder / "metrics.json", self._means)

    def summary(self) -> str:
        """Return the means in one line."""
        return " | ".join(f"{name}: {format_figure(value)}" for name, value in self._means.items())


logger = logging.getLogger(__name__)


class BaseTrainer:
    """Trains the model of a config. A subclass may say what happens after an iteration and after the training.

    Args:
        cfg: the config of the run.

    Raises:
        UserError: model, data or weights cannot be built or read.

    Attributes:
        cfg: the config of the run.
        model: the user's model; ``self.model.generator(data)`` uses it.
        device: where it computes.
        train_data_set: what it learns from.
        val_data_set: what it is measured on; None: nothing.
    """

    def __init__(self, cfg: TrainFrameworkConfig) -> None:
        self.cfg = cfg
        components = cfg.translated.components
        self.model: BaseModel = build_model(cfg)
        self.device = self.model.device
        self.train_data_set: Any = build_data_set(components["data.train"])
        self.val_data_set: Any = build_data_set(components["data.val"]) if "data.val" in components else None
        if cfg.run.TRAIN.WEIGHTS:
            prefixes = [f"{name}." for name, network in self.model.named_children() if network in self.model.networks.values()]
            logger.info(
                "%s", load_weights(self.model, cfg.run.TRAIN.WEIGHTS, key_prefixes=prefixes, rename=cfg.run.TRAIN.WEIGHTS_MAP).summary()
            )

    def after_loop(self) -> None:
        """Called at the end of the training, in every process; does nothing unless it is overridden."""

    def iterate_after(self, epoch: int, loss_dict: dict[str, float]) -> None:
        """Called after every iteration, in every process, where a subclass defines it; else it costs nothing.

        Args:
            epoch: the number of the iteration, from 0, as in TrainFramework, whose loop over ``max_iter`` calls it so.
            loss_dict: what ``run_step`` returned in the iteration, losses and figures by name, on this process.
        """

    def build_hooks(self) -> list[Hook]:
        """Return hooks of one's own, see :class:`petlib.engine.Hook`; override it."""
        return []

    def loop(self) -> None:
        """Train, from the latest checkpoint where the run is to be resumed.

        Raises:
            ConfigError: a setting is wrong, or nothing reads it.
            CheckpointError: the checkpoint is damaged, or one of another network.
            TrainingDivergedError: a loss is not finite.
        """
        with name_in_errors(WORDS):
            self._train()

    def _train(self) -> None:
        self.cfg.nested.require_all_read()
        for note in self.cfg.translated.notes:
            logger.warning("%s", note)
        cfg, names = self.cfg.run, class_names(self.train_data_set)
        check_same_classes("data.val_data_set", class_names(self.val_data_set), names)
        loader = build_train_loader(cfg, self.train_data_set, self.device)
        model = self._wrap()
        solvers = build_solvers(self.model.networks, self.cfg.translated.components, max_iter=cfg.SOLVER.SCHEDULER.TOTAL_ITERS)
        average = build_average(self.model, self.model.networks, self.cfg.translated.components)
        step = self._build_step(solvers)
        state = engine.build_state(
            cfg,
            model=model,
            optimizer={name: solver.optimizer for name, solver in solvers.items()},
            step=step,
            iterations_per_epoch=loader.iterations_per_epoch,
            scheduler={name: solver.schedule for name, solver in solvers.items()},
            names={"classes": names} if names else {},
        )
        hooks = engine.build_train_hooks(cfg, state, batches=loader.batches, evaluate=self._build_evaluation(), average=average)
        hooks += self._own_hooks()
        engine.resume(state, hooks, cfg)
        engine.train(state, loader, step, hooks)

    def _wrap(self) -> nn.Module:
        """Return the model as it is called in training, with frozen networks where no optimizer trains them."""
        cfg = self.cfg.run
        _freeze_untrained(self.model)
        model = engine.prepare_model(self.model, cfg, self.device)
        mode, several = cfg.TRAIN.PARALLEL, len(self.model.trained) > 1
        if mode == "fsdp" and (several or cfg.SOLVER.EMA.ENABLED):
            raise ConfigError(
                f"{self.cfg.nested.place('trainer.parallel')}: fsdp shards a model with one optimizer and without a moving average "
                "(ema); use ddp"
            )
        if mode == "dp":
            self.model.share_by_replicas()
            return model
        if mode == "ddp" and several:
            # the step averages the gradients, so the weights only have to be the same at the start
            broadcast_tensors(chain(model.parameters(), model.buffers()))
            return model
        wrapped = engine.parallelize(model, cfg, self.device)
        if mode == "fsdp" and world_size() > 1:
            _let_generator_gather(self.model)
        return wrapped

    def _build_step(self, solvers: dict[str, NetworkSolver]) -> TrainStep:
        if len(solvers) > 1:
            if self.cfg.run.SOLVER.AMP.ENABLED:
                given = self.cfg.run.SOLVER.AMP.ENABLED
                raise ConfigError(
                    f"pet: SOLVER.AMP.ENABLED: {given} given; several networks are trained in full precision, set it to False"
                )
            if self.cfg.run.TRAIN.MICRO_BATCH != 0:
                raise ConfigError("pet: TRAIN.MICRO_BATCH: several networks are trained on whole batches, set it to 0")
            clippers = {name: solver.clipper for name, solver in solvers.items()}
            return NetworksStep(
                accumulation=self.cfg.run.SOLVER.ACCUMULATION, clippers=clippers, guard=engine.build_step_guard(self.cfg.run)
            )
        step = engine.build_step(self.cfg.run, self.device)
        step.clipper = next(iter(solvers.values())).clipper
        return step

    def _build_evaluation(self) -> Evaluation | None:
        if self.val_data_set is None:
            return None
        if type(self.model).evaluate_step is BaseModel.evaluate_step:
            logger.info("nothing measures the validation set: %s has no evaluate_step(data)", type(self.model).__name__)
            return None
        loader = build_test_loader(self.cfg.run, self.val_data_set, self.device)
        return Evaluation(loader=loader, build_evaluators=lambda _: [FiguresEvaluator(model=type(self.model).__name__)])

    def _own_hooks(self) -> list[Hook]:
        hooks: list[Hook] = [IterationHook(self.model)]
        if type(self).iterate_after is not BaseTrainer.iterate_after:
            hooks.append(IterateAfterHook(self.model, self.iterate_after))
        if type(self).after_loop is not BaseTrainer.after_loop:
            hooks.append(AfterLoopHook(self.after_loop))
        return [*hooks, *self.build_hooks()]


def _freeze_untrained(model: BaseModel) -> None:
    """Let only the networks that have an optimizer learn, and say which parameters do not."""
    networks = model.networks
    trained = {parameter for name in model.trained for parameter in networks[name].parameters()}
    frozen = [name for name, parameter in model.named_parameters() if parameter not in trained and parameter.requires_grad]
    for parameter in model.parameters():
        if parameter not in trained:
            parameter.requires_grad_(False)
    if frozen:
        owners = sorted({name.split(".")[0] for name in frozen})
        logger.info("%d parameters have no optimizer and stay as they are: those of %s", len(frozen), ", ".join(owners))


def _let_generator_gather(model: BaseModel) -> None:
    """Let calls of ``generator`` see whole weights where the model is sharded; every process has to make them."""
    # it takes most of a second to import, and only sharded training needs it
    from torch.distributed.fsdp import register_fsdp_forward_method

    register_fsdp_forward_method(model, "generator")
