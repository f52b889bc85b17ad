"""What happens in and between the iterations of a training without labels."""

import logging
from pathlib import Path
from typing import Any, cast

import torch

from pet.metrics.collapse import effective_rank, spread
from pet.models.handed_over import write_backbone
from pet.models.selfsup.method import PretrainingMethod
from pet.models.selfsup.student_teacher import DINO
from pet.tasks.contrast.config import WITH_TEACHER
from pet.tasks.contrast.evaluation import ProbeEvaluation
from pet.typed import ContrastConfig
from petlib import engine, solver
from petlib.data.seeding import preserved_random_state
from petlib.distributed.interruption import Interrupted
from petlib.distributed.process_group import is_main_process
from petlib.engine.gradient_cache import GradientCacheStep
from petlib.engine.hook import Hook
from petlib.engine.hooks.interrupt import stop_for_signal
from petlib.engine.state import TrainState
from petlib.engine.step import DefaultStep
from petlib.errors import OutputError
from petlib.events.storage import EvaluationRecord
from petlib.solver.optimizers import begin_momenta, build_gradient_clipper
from petlib.solver.precision import build_mixed_precision

logger = logging.getLogger(__name__)

LEAST_SPREAD, LEAST_RANK = 0.1, 2.0
"""Projections with less have collapsed: all images become nearly the same vector, or lie on a line."""

ADVICE = (
    "What usually helps: a lower learning rate or a longer warm-up, a larger batch, batch norm in projector and predictor; of BYOL and "
    "MoCo a momentum that is nearer to 1; of DINO a lower temperature of the teacher and a slower centre; of SimCLR and MoCo a temperature "
    "from 0.1 to 0.5; and views that differ more"
)


class CollapseHook(Hook):
    """Measures now and then whether the projections of a batch still differ, prints it with the losses, and warns once when they do not.

    Random networks without batch norm begin nearly collapsed; so it warns after the first epoch, of projections that are no better then.

    Args:
        every: iterations between two looks: those between two lines.
    """

    order = 30
    key = "collapse"

    def __init__(self, *, every: int) -> None:
        self.intervals = (every,)
        self._first: float | None = None
        self._warned = False

    def after_step(self, state: TrainState) -> None:
        """Add ``spread`` and ``effective_rank`` to the metrics of the line."""
        projections = cast("PretrainingMethod", state.network).projections
        if projections is None:
            return
        metrics = {"spread": spread(projections), "effective_rank": effective_rank(projections)}
        state.storage.put_metrics(metrics)
        # the writers fetch the same values at about the same time, so waiting for the device here costs little
        found = float(metrics["spread"])
        self._first = found if self._first is None else self._first
        has_collapsed = found < LEAST_SPREAD or float(metrics["effective_rank"]) < LEAST_RANK
        if has_collapsed and found <= self._first and not self._warned and state.iteration >= state.iterations_per_epoch:
            self._warned = True
            logger.warning(
                "the projections of iteration %d have nearly collapsed: spread %.3f (1: everywhere, 0: one point), effective rank %.1f of "
                "%d. A falling loss then says nothing. %s",
                *(state.iteration, found, float(metrics["effective_rank"]), projections.shape[1], ADVICE),
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the spread at the beginning."""
        return {"first": self._first}

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Take it over."""
        self._first = values["first"]


class BaselineHook(Hook):
    """Measures the untrained network, and the bare pixels, before the first iteration: what a figure is to be compared with.

    Args:
        evaluation: measures; it names the baseline next to its own figures afterwards.
    """

    order = 58
    key = "baseline"

    def __init__(self, *, evaluation: ProbeEvaluation) -> None:
        self._evaluation = evaluation
        self._metrics: dict[str, float] = {}

    def before_train(self, state: TrainState) -> None:
        """Measure at the beginning of a run; one that continues has the figures."""
        if state.iteration or self._metrics:
            return
        network = state.network
        network.eval()
        try:
            with preserved_random_state(), torch.no_grad():
                self._metrics = self._evaluation.measure_baseline(network)
        except Interrupted as interruption:
            stop_for_signal(state, interruption.signal_number)
            return
        finally:
            network.train()
        for writer in state.writers:
            writer.write_evaluation(EvaluationRecord(iteration=0, metrics=self._metrics))

    def state_dict(self) -> dict[str, Any]:
        """Return the figures."""
        return {"metrics": dict(self._metrics)}

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Take them over."""
        self._metrics = dict(values["metrics"])
        self._evaluation.baseline = dict(self._metrics)


class FrozenPrototypesHook(Hook):
    """Keeps the prototypes of DINO as they are in the first epochs, which keeps its loss from diverging.

    Args:
        epochs: how long.
    """

    order = 16
    key = "frozen_prototypes"

    def __init__(self, *, epochs: int) -> None:
        self._epochs = epochs

    def before_epoch(self, state: TrainState) -> None:
        """Let them begin to learn when the time is over."""
        if state.epoch >= self._epochs:
            begin_momenta(state.optimizer)

    def after_backward(self, state: TrainState) -> None:
        """Drop their gradients."""
        if state.epoch < self._epochs:
            cast("DINO", state.network).projector.prototypes.grad = None


class HandoverHook(Hook):
    """Writes the backbone with every checkpoint and at the end of a run, for ``TRAIN.WEIGHTS`` of other tasks.

    Args:
        network: its name.
    """

    order = 92
    key = "handover"
    # called with the hook of the checkpoints, whatever its intervals
    intervals = ()

    def __init__(self, *, network: str) -> None:
        self._network = network
        self._written_at = 0

    def after_step(self, state: TrainState) -> None:
        """Write when a checkpoint of this iteration was begun."""
        if state.checkpointer.saved_iteration == state.iteration != self._written_at:
            try:
                self._write(state)
            except OutputError as error:
                logger.error("%s; training goes on", error)

    def after_epoch(self, state: TrainState) -> None:
        """Write when a checkpoint was begun at the end of the epoch."""
        self.after_step(state)

    def after_train(self, state: TrainState) -> None:
        """Write what the run ends with.

        Raises:
            OutputError: the file cannot be written.
        """
        self._write(state)
        if is_main_process():
            logger.info("the backbone is in %s, for fine-tunings to begin with", self._path(state))

    def _write(self, state: TrainState) -> None:
        """Write ``backbone.safetensors`` into the output folder; the main process does it."""
        self._written_at = state.iteration
        if is_main_process():
            network = cast("PretrainingMethod", state.network).handed_over()
            write_backbone(network, self._path(state), network=self._network, origin=state.origin)

    def _path(self, state: TrainState) -> Path:
        return state.checkpointer.folder / "backbone.safetensors"


def build_step(cfg: ContrastConfig, device: torch.device) -> DefaultStep:
    """Return the default iteration or, with ``CONTRAST.GRADIENT_CACHE``, one that encodes a batch in parts and compares it as a whole."""
    if not cfg.CONTRAST.GRADIENT_CACHE:
        return engine.build_step(cfg, device)
    return GradientCacheStep(
        accumulation=cfg.SOLVER.ACCUMULATION,
        clipper=build_gradient_clipper(cfg),
        precision=build_mixed_precision(cfg, device),
        metrics=cfg.TRAIN.METRICS_ON,
        guard=engine.build_step_guard(cfg),
    )


def build_hooks(cfg: ContrastConfig, state: TrainState, evaluation: ProbeEvaluation | None) -> list[Hook]:
    """Return what happens between the iterations in addition to what every run has.

    Args:
        cfg: the config.
        state: the run, which knows its length.
        evaluation: measures the embeddings; None: the run is not evaluated.
    """
    options = cfg.CONTRAST
    hooks: list[Hook] = [CollapseHook(every=cfg.MISC.DISPLAY_ITER), HandoverHook(network=cfg.MODEL.BACKBONE)]
    if evaluation is not None:
        hooks.append(BaselineHook(evaluation=evaluation))
    if options.METHOD in WITH_TEACHER:
        hooks.append(engine.TeacherHook(momentum=solver.number_schedule(*options.MOMENTUM, iterations=state.max_iter)))
    if isinstance(state.network, DINO):
        rise = round(options.DINO.WARM_UP_EPOCHS * state.iterations_per_epoch)
        temperature = solver.number_schedule(*options.DINO.TEACHER_TEMPERATURE, iterations=rise, shape="linear")
        hooks += [
            engine.ScheduledNumbersHook(schedules=[(temperature, _set_temperature)]),
            FrozenPrototypesHook(epochs=options.DINO.FREEZE_EPOCHS),
        ]
    if options.WEIGHT_DECAY_END is not None:
        decay = solver.number_schedule(cfg.SOLVER.OPTIMIZER.WEIGHT_DECAY, options.WEIGHT_DECAY_END, iterations=state.max_iter)
        hooks.append(engine.WeightDecayHook(schedule=decay))
    return hooks


def _set_temperature(state: TrainState, value: float) -> None:
    cast("DINO", state.network).teacher_temperature = value
