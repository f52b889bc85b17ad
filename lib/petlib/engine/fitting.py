"""How many samples a device can compute at once, found by trial."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

SHARE = 0.9
"""So much of the memory that is free for this process may be in use at the peak of an iteration."""


class FittedPart(NamedTuple):
    """The largest part of a batch that fits.

    Attributes:
        samples: how many.
        peak: bytes of memory that it takes.
    """

    samples: int
    peak: int


def find_largest_part(measure: Callable[[int], int], *, whole: int, limit: int) -> FittedPart | None:
    """Return the largest part of a batch whose computation stays within a limit; None where not even one sample does.

    Two small parts are measured, from which the size is planned that the limit allows: so most of the trials are far from running out of
    memory. What was planned is measured and, where it takes more, replaced by three quarters of it. The parts that a batch is cut
    into are of one size, so the answer is the size of these.

    Args:
        measure: returns the most memory that the computation of so many samples takes, bytes; raises ``torch.OutOfMemoryError``.
        whole: samples of the batch.
        limit: bytes.
    """
    # One sample alone would stop a batch norm that has one value for each channel.
    small, larger = min(2, whole), min(4, whole)
    peaks = {samples: _peak(measure, samples, limit) for samples in {small, larger}}
    if peaks[larger] > limit:
        candidates = [samples for samples in (small, 1) if samples < larger]
    else:
        per_sample = (peaks[larger] - peaks[small]) / max(larger - small, 1)
        planned = larger + int((limit - peaks[larger]) / per_sample) if per_sample > 0 else whole
        candidates = [equal_size(whole, min(planned, whole))]
        while candidates[-1] > larger:
            candidates.append(equal_size(whole, max(larger, candidates[-1] * 3 // 4)))
    for samples in candidates:
        if samples not in peaks:
            peaks[samples] = _peak(measure, samples, limit)
        if peaks[samples] <= limit:
            return FittedPart(samples, peaks[samples])
    return None


def equal_size(whole: int, most: int) -> int:
    """Return the size of the parts, the largest of them, of a batch that is cut into as few as possible, of at most ``most`` samples."""
    count = -(-whole // most)
    return -(-whole // count)


def _peak(measure: Callable[[int], int], samples: int, limit: int) -> int:
    try:
        return measure(samples)
    except torch.OutOfMemoryError:
        return limit + 1


def usable_memory(device: torch.device, optimizer: torch.optim.Optimizer) -> int:
    """Return how many bytes of a GPU forward and backward passes may take, with what this process already holds.

    An optimizer that has not stepped yet will want room for two values of each parameter.
    """
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(device)
    coming = (
        0 if optimizer.state else 2 * sum(one.nbytes for group in optimizer.param_groups for one in group["params"] if one.requires_grad)
    )
    return int(SHARE * (free + torch.cuda.memory_reserved(device))) - coming


def peak_of(compute: Callable[[], None], device: torch.device) -> int:
    """Return the most bytes that are reserved on a GPU while ``compute`` runs."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    compute()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_reserved(device)


def device_of(network: nn.Module) -> torch.device:
    """Return the device of the first parameter."""
    first: Tensor = next(network.parameters())
    return first.device
