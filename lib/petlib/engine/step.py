"""The default iteration: forward, sum of the losses, backward, clip, optimizer step."""

import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from petlib.distributed.parallel import no_sync
from petlib.engine.loop import Step
from petlib.engine.skipping import StepGuard
from petlib.engine.state import Batch, BatchStream, TrainState
from petlib.solver.optimizers import GradientClipper, gradients_of
from petlib.solver.precision import MixedPrecision

TARGET_COUNTS = "target_counts"
"""The field of a batch of a step with several parts: what :meth:`CountsTargets.count_targets` gave for each of them, (parts, ...)."""


@runtime_checkable
class CountsTargets(Protocol):
    """A network whose losses are divided by what all parts of a step have to learn from.

    Attributes:
        count_targets: gives a tensor, the same shape for each batch; None: the losses of a part depend on that part alone.
    """

    @property
    def count_targets(self) -> Callable[[Batch], Tensor] | None:
        """See the class."""


Outputs = dict[str, dict[str, Tensor]]
"""What a model returns in training: ``losses`` and ``metrics``."""


class TrainStep(Step, Protocol):
    """An iteration that changes weights: it says whether it scales its losses, because the scale belongs to the run's state."""

    @property
    def scaler(self) -> torch.amp.GradScaler | None:
        """The gradient scaler of fp16 training; None: losses are not scaled."""


class DefaultStep:
    """One optimizer step over ``accumulation`` batches of a device, in mixed precision where that is on.

    Args:
        accumulation: batches whose gradients are averaged before the optimizer steps.
        clipper: limits the gradients; None: they stay.
        precision: autocast and gradient scaler.
        metrics: whether the training metrics that the model returns are collected.
        guard: leaves out iterations whose loss or gradients are not finite; None: every iteration counts.
    """

    def __init__(
        self,
        *,
        accumulation: int,
        clipper: GradientClipper | None,
        precision: MixedPrecision,
        metrics: bool,
        guard: StepGuard | None = None,
    ) -> None:
        self.accumulation = accumulation
        self.clipper = clipper
        self.precision = precision
        self.metrics = metrics
        self.guard = guard
        self._checked = False

    @property
    def scaler(self) -> torch.amp.GradScaler | None:
        """Scales the losses of fp16 training; its state is part of the run's."""
        return self.precision.scaler

    def __call__(self, state: TrainState, data: BatchStream, after_backward: Callable[[TrainState], None]) -> None:
        """Do one iteration.

        Raises:
            ValueError: the model does not return losses as scalar tensors.
        """
        optimizer = state.optimizer
        optimizer.zero_grad(set_to_none=True)
        if self.guard is not None:
            self.guard.begin(state.network)
        if self.accumulation == 1:
            self._forward_backward(state, next(data))
        else:
            self._accumulate(state, self._parts(state, data))
        after_backward(state)
        self._update(state, optimizer)

    def _accumulate(self, state: TrainState, parts: Iterator[Batch]) -> None:
        """Add up the gradients of several batches; the processes exchange them once."""
        for _ in range(self.accumulation - 1):
            with no_sync(state.model):
                self._forward_backward(state, next(parts))
        self._forward_backward(state, next(parts))

    def _parts(self, state: TrainState, data: BatchStream) -> Iterator[Batch]:
        """Return the batches of an iteration: read one by one, or where the network counts their targets all at once."""
        if not isinstance(state.network, CountsTargets) or state.network.count_targets is None:
            return (next(data) for _ in range(self.accumulation))
        return iter(count_targets(state.network, [[next(data) for _ in range(self.accumulation)]])[0])

    def _forward_backward(self, state: TrainState, batch: Batch) -> None:
        outputs, total = self._forward(state.model, batch)
        self._record(state, batch, outputs, total)
        self._backward(state, total / self.accumulation if self.accumulation > 1 else total)

    def _forward(self, model: nn.Module, batch: Batch) -> tuple[Outputs, Tensor]:
        """Return what the model returns, and the sum of its losses."""
        if self.precision.enabled:
            with self.precision.autocast():
                outputs: Outputs = model(batch)
        else:
            outputs = model(batch)
        if not self._checked:
            check_losses(outputs)
            self._checked = True
        return outputs, functools.reduce(operator.add, outputs["losses"].values())

    def _record(self, state: TrainState, batch: Batch, outputs: Outputs, total: Tensor) -> None:
        """Hand the losses of a batch over to the storage; where there is a guard, it does so once the iteration counts."""
        losses, metrics = outputs["losses"], outputs["metrics"] if self.metrics else {}
        if self.guard is None:
            state.storage.put(losses, metrics, total=total)
        else:
            self.guard.put(batch, losses, metrics, total=total)

    def _backward(self, state: TrainState, total: Tensor) -> None:
        if state.scaler is not None:
            total = state.scaler.scale(total)
        total.backward()  # type: ignore[no-untyped-call]

    def _update(self, state: TrainState, optimizer: torch.optim.Optimizer) -> None:
        scaler = state.scaler
        if scaler is not None and (self.clipper is not None or self.guard is not None):
            scaler.unscale_(optimizer)
        if self.clipper is not None or self.guard is not None:
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            if not _clip(parameters, self.clipper, self.guard, state):
                return
        if scaler is None:
            optimizer.step()
        else:
            scaler.step(optimizer)
            scaler.update()


def count_targets(network: nn.Module, batches: Sequence[Sequence[Batch]]) -> list[list[Batch]]:
    """Return the parts of the batches of a step, where the network is a :class:`CountsTargets` with the counts of all of them."""
    count = network.count_targets if isinstance(network, CountsTargets) else None
    if count is None or sum(map(len, batches)) == 1:
        return [list(parts) for parts in batches]
    counts = torch.stack([count(part) for parts in batches for part in parts])
    return [[{**part, TARGET_COUNTS: counts} for part in parts] for parts in batches]


def _clip(parameters: list[Tensor], clipper: GradientClipper | None, guard: StepGuard | None, state: TrainState) -> bool:
    """Clip the gradients; return whether the iteration counts."""
    by_norm = clipper is not None and clipper.method == "norm"
    # cutting every element makes infinite ones finite, so they are looked at before
    if guard is not None and not by_norm and guard.leaves_out(state, gradients_of(parameters)):
        return False
    norm = None if clipper is None else clipper(parameters)
    return guard is None or norm is None or not guard.leaves_out(state, [norm])


def check_losses(outputs: object) -> None:
    """Check once what a model returns in training.

    Raises:
        ValueError: it is not ``{"losses": {name: scalar tensor}, "metrics": {name: scalar tensor}}``.
    """
    wanted = 'a model returns {"losses": {name: scalar tensor}, "metrics": {...}} in training'
    if not isinstance(outputs, dict) or not isinstance(outputs.get("losses"), dict) or "metrics" not in outputs:
        given = sorted(outputs) if isinstance(outputs, dict) else type(outputs).__name__
        raise ValueError(f"{wanted}, this one returned {given}")
    if not outputs["losses"]:
        raise ValueError(f"{wanted}, this one returned no loss")
    for name, value in outputs["losses"].items():
        if not isinstance(value, Tensor) or value.dim() != 0:
            shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"{wanted}, but the loss {name!r} is {shape}: take its mean or sum")
