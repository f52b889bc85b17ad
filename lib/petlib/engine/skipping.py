"""Iterations whose loss or gradients are not finite are left out: nothing of them stays."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from petlib.distributed.collectives import any_rank
from petlib.engine.beginning import KeptBuffers
from petlib.engine.state import Batch, LeftOut, TrainState

SMALLEST_SCALE = 2.0**-10
"""Below it a gradient scaler no longer looks for its scale: gradients are not finite at any."""


@torch.no_grad()
def are_finite(tensors: Iterable[Tensor]) -> bool:
    """Return whether no element of ``tensors`` is NaN or infinite; of sharded ones the part of this rank. Waits for the device."""
    groups: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for tensor in map(_local_values, tensors):
        if tensor.numel() and tensor.is_floating_point():
            groups.setdefault((tensor.device, tensor.dtype), []).append(tensor)
    return all(_group_is_finite(members) for members in groups.values())


def scale_is_lost(scaler: torch.amp.GradScaler | None) -> bool:
    """Return whether a scaler went on halving its scale until overflow can no longer be the reason. Waits for the device."""
    return scaler is not None and scaler.get_scale() < SMALLEST_SCALE


def _group_is_finite(tensors: list[Tensor]) -> bool:
    # The Euclidean norm takes a tenth of the time of the greatest element, but may overflow where no element has.
    return _norms_are_finite(tensors, 2.0) or _norms_are_finite(tensors, math.inf)


def _norms_are_finite(tensors: list[Tensor], order: float) -> bool:
    return bool(torch.stack(torch._foreach_norm(tensors, order)).isfinite().all())


def _local_values(tensor: Tensor) -> Tensor:
    if hasattr(tensor, "to_local"):
        tensor = tensor.to_local()
    return tensor._values() if tensor.is_sparse else tensor


class StepGuard:
    """Decides for a step, between the backward pass and the optimizers, whether the iteration is left out.

    All ranks decide the same. Leaving out means that no optimizer steps, so that weights, momentum and step counts stay as they
    were, and that the buffers of the network, such as batch-norm statistics, become again what they were before the forward
    pass. The gradient scaler's own skips go on as ever: a gradient that is too large for fp16 while the loss is finite is its
    affair.

    Looking waits for the device once an iteration.
    """

    def __init__(self) -> None:
        self._buffers = KeptBuffers()
        self._samples: list[dict[str, Any]] = []
        self._totals: list[Tensor] = []
        self._records: list[tuple[dict[str, Tensor], dict[str, Tensor]]] = []

    def begin(self, network: nn.Module) -> None:
        """Begin an iteration: remember the buffers."""
        self._buffers.keep(network)
        self._samples, self._totals, self._records = [], [], []

    def put(self, batch: Batch, losses: dict[str, Tensor], metrics: dict[str, Tensor], *, total: Tensor) -> None:
        """Take what the storage gets once the iteration counts, see :meth:`petlib.events.storage.EventStorage.put`."""
        self._samples += batch.get("meta", [])
        self._totals.append(total.detach())
        self._records.append((losses, metrics))

    def leaves_out(self, state: TrainState, checked: Iterable[Tensor]) -> bool:
        """Return whether the iteration is left out, and do so; else its losses go to the storage. Every rank calls it.

        Args:
            state: the run; ``left_out`` says what became of the iteration.
            checked: the gradients, unscaled, or their norm.
        """
        losses_bad, gradients_bad = any_rank(not are_finite(self._totals), not are_finite(checked))
        if losses_bad or (gradients_bad and (state.scaler is None or scale_is_lost(state.scaler))):
            self._leave_out(state)
            return True
        state.left_out = None
        for (losses, metrics), total in zip(self._records, self._totals, strict=True):
            state.storage.put(losses, metrics, total=total)
        self._records = []
        return False

    def _leave_out(self, state: TrainState) -> None:
        state.left_out = LeftOut([float(total) for total in self._totals], self._samples)
        self._buffers.restore()
        if state.scaler is not None:
            # it would refuse to unscale the next gradients; the scale itself stays
            state.scaler.update(state.scaler.get_scale())
