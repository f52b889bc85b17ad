"""Evaluation in the middle and at the end of a run; the best model."""

import logging
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn

from petlib.data.seeding import preserved_random_state
from petlib.distributed.collectives import broadcast_buffers
from petlib.distributed.interruption import Interrupted
from petlib.engine.hook import Hook, due
from petlib.engine.hooks.interrupt import stop_for_signal
from petlib.engine.hooks.timer import TimerHook
from petlib.engine.state import TrainState
from petlib.engine.weight_average import WeightAverage
from petlib.errors import ConfigError
from petlib.events.storage import EvaluationRecord
from petlib.suggest import did_you_mean

logger = logging.getLogger(__name__)

Evaluate = Callable[[nn.Module], dict[str, float]]


class EvaluationHook(Hook):
    """Evaluates the network (its moving average where there is one) and remembers the best value of a metric.

    An evaluation leaves no trace in the training: random states are put back and the network returns to training mode.
    One that a signal prevents or ends is made when the run continues.

    Args:
        evaluate: computes metrics of a network in evaluation mode, named like ``cls/acc1``; every rank calls it and gets
            the same result.
        every: iterations between two evaluations; 0: only at the end.
        best_metric: the metric that decides; empty: the first one.
        best_rule: ``greater`` or ``less`` is better; NaN, an undefined value, is never the best.
        timer: gets the time that evaluations take.
        average: moving average of the weights, which is evaluated in their place.
        min_delta: by how much a value must be better.

    Attributes:
        every: iterations between two evaluations; 0: only at the end.
        best_value: the best value so far; None before the first evaluation.
        improved_at: the iteration of the best value.
        without_improvement: evaluations since then.
        pending: an evaluation of the present iteration is still to be made.
        prepared: what comes before that evaluation has been done.
        completed_pending: the evaluation that an interruption left pending was completed when this process began.
    """

    order = 60
    key = "evaluation"

    def __init__(
        self,
        *,
        evaluate: Evaluate,
        every: int,
        best_metric: str,
        best_rule: str,
        timer: TimerHook,
        average: WeightAverage | None = None,
        min_delta: float = 0.0,
    ) -> None:
        self._evaluate = evaluate
        self.every = every
        self.intervals = (every,)
        self._best_metric = best_metric
        self._sign = 1.0 if best_rule == "greater" else -1.0
        self._min_delta = min_delta
        self._timer = timer
        self._average = average
        self.best_value: float | None = None
        self.improved_at = 0
        self.without_improvement = 0
        self.pending = False
        self.prepared = False
        self.completed_pending = False

    def before_train(self, state: TrainState) -> None:
        """Complete the evaluation that a signal prevented."""
        if self.pending and not state.signal_number:
            self._run(state)
            self.completed_pending = not self.pending

    def evaluates_after(self, state: TrainState) -> bool:
        """Return whether an evaluation follows the iteration that was just done."""
        return not state.signal_number and self._is_due(state)

    def after_step(self, state: TrainState) -> None:
        """Evaluate when it is time."""
        if self.evaluates_after(state):
            self._run(state)
        else:
            self.pending, self.prepared = self._is_due(state), False

    def state_dict(self) -> dict[str, Any]:
        """Return what was best so far."""
        return {
            "best_value": self.best_value,
            "improved_at": self.improved_at,
            "without_improvement": self.without_improvement,
            "pending": self.pending,
            "prepared": self.prepared,
        }

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Take over what was best so far."""
        self.best_value = values["best_value"]
        self.improved_at = values["improved_at"]
        self.without_improvement = values["without_improvement"]
        # checkpoints of earlier versions do not have them
        self.pending = values.get("pending", False)
        self.prepared = values.get("prepared", False)

    def _is_due(self, state: TrainState) -> bool:
        return due(state.iteration, every=self.every) or state.iteration == state.max_iter

    def _run(self, state: TrainState) -> None:
        started = time.perf_counter()
        network = state.network
        # DDP sends rank 0's batch-norm statistics before a forward pass, not after one: all ranks must judge the same model
        broadcast_buffers(network)
        network.eval()
        try:
            with preserved_random_state(), self._average.applied() if self._average else nullcontext(), torch.no_grad():
                metrics = self._evaluate(network)
        except Interrupted as interruption:
            self.pending, self.prepared = True, True
            logger.info("the evaluation after iteration %d is given up; the continued run makes up for it", state.iteration)
            stop_for_signal(state, interruption.signal_number)
            return
        finally:
            network.train()
        self.pending, self.prepared = False, False
        self._timer.exclude(time.perf_counter() - started)
        if not metrics:
            logger.warning("the evaluation measured nothing, so there is no best model")
            return
        for writer in state.writers:
            writer.write_evaluation(EvaluationRecord(iteration=state.iteration, metrics=metrics))
        self._keep_best(state, metrics)

    def _keep_best(self, state: TrainState, metrics: dict[str, float]) -> None:
        name = self._best_metric or next(iter(metrics))
        if name not in metrics:
            raise ConfigError(
                f"EvaluationHook.best_metric: {name!r} given, but an evaluation has {', '.join(metrics)}{did_you_mean(name, metrics)}"
            )
        value = metrics[name]
        if math.isnan(value):
            logger.warning("%s is undefined in this evaluation: there is nothing that it measures; no model is the best by it", name)
            # where it was defined before, it is the model that got lost
            self.without_improvement += self.best_value is not None
            return
        gain = self._sign * (value - self.best_value) if self.best_value is not None else float("inf")
        if gain > self._min_delta:
            self.best_value, self.improved_at, self.without_improvement = value, state.iteration, 0
            logger.info("best %s so far: %.4f", name, value)
        else:
            self.without_improvement += 1


class EarlyStopHook(Hook):
    """Ends the run after some evaluations without an improvement of the best metric.

    Args:
        evaluation: knows the best metric.
        patience: evaluations without an improvement that are tolerated.
    """

    order = 65
    key = "early_stop"
    intervals = ()

    def __init__(self, *, evaluation: EvaluationHook, patience: int) -> None:
        self._evaluation = evaluation
        self._patience = patience

    def before_train(self, state: TrainState) -> None:
        """A run that had ended in this way does not begin again."""
        self._judge(state)

    def after_step(self, state: TrainState) -> None:
        """Judge after the evaluations."""
        self._judge(state)

    def _judge(self, state: TrainState) -> None:
        if not state.stop_reason and self._evaluation.without_improvement >= self._patience:
            state.stop_reason = f"no improvement in {self._evaluation.without_improvement} evaluations"
