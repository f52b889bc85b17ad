"""Whether numbers are finite: gradients before a step, weights before they are saved."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

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
