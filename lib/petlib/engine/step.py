"""The default iteration: forward, sum of the losses, backward, clip, optimizer step."""

import functools
import operator
from collections.abc import Callable

import torch
from torch import Tensor

from petlib.dist.parallel import no_sync
from petlib.engine.batch_stream import Batch, BatchStream
from petlib.engine.state import TrainState
from petlib.solver.clipping import GradientClipper
from petlib.solver.precision import MixedPrecision


class DefaultStep:
    """One optimizer step over ``accumulation`` batches of a device, in mixed precision where that is on.

    Args:
        accumulation: batches whose gradients are averaged before the optimizer steps.
        clipper: limits the gradients; None: they stay.
        precision: autocast and gradient scaler.
        metrics: whether the training metrics that the model returns are collected.
    """

    def __init__(self, *, accumulation: int, clipper: GradientClipper | None, precision: MixedPrecision, metrics: bool) -> None:
        self.accumulation = accumulation
        self.clipper = clipper
        self.precision = precision
        self.metrics = metrics
        self._checked = False

    def __call__(self, state: TrainState, data: BatchStream, after_backward: Callable[[TrainState], None]) -> None:
        """Do one iteration.

        Raises:
            ValueError: the model does not return losses as scalar tensors.
        """
        optimizer = state.optimizer
        optimizer.zero_grad(set_to_none=True)
        for _ in range(self.accumulation - 1):
            with no_sync(state.model):
                self._forward_backward(state, next(data))
        self._forward_backward(state, next(data))
        after_backward(state)
        self._update(state, optimizer)

    def _forward_backward(self, state: TrainState, batch: Batch) -> None:
        if self.precision.enabled:
            with self.precision.autocast():
                outputs = state.model(batch)
        else:
            outputs = state.model(batch)
        if not self._checked:
            check_losses(outputs)
            self._checked = True
        losses: dict[str, Tensor] = outputs["losses"]
        total = functools.reduce(operator.add, losses.values())
        state.storage.put(losses, outputs["metrics"] if self.metrics else {}, total=total)
        if self.accumulation > 1:
            total = total / self.accumulation
        if state.scaler is not None:
            total = state.scaler.scale(total)
        total.backward()  # type: ignore[no-untyped-call]

    def _update(self, state: TrainState, optimizer: torch.optim.Optimizer) -> None:
        scaler = state.scaler
        if self.clipper is not None:
            if scaler is not None:
                scaler.unscale_(optimizer)
            self.clipper(parameter for group in optimizer.param_groups for parameter in group["params"])
        if scaler is None:
            optimizer.step()
        else:
            scaler.step(optimizer)
            scaler.update()


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
