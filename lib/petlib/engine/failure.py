"""Which iteration failed, and the samples that it had."""

import logging
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from petlib.distributed.collectives import all_gather_objects
from petlib.engine.state import TrainState

SHOWN_SAMPLES = 8
"""So many of a rank's samples are shown in a message; the log has them all."""

logger = logging.getLogger(__name__)


class RankShare(NamedTuple):
    """What a rank had in an iteration.

    Attributes:
        rank: its number.
        losses: the sum of the losses of each of its batches.
        samples: ``meta`` of the samples.
    """

    rank: int
    losses: list[float]
    samples: list[dict[str, Any]]

    @property
    def is_finite(self) -> bool:
        """Whether the losses are."""
        return all(math.isfinite(loss) for loss in self.losses)


class Failure(NamedTuple):
    """An iteration whose loss or gradients were not finite, or after which weights are not.

    Attributes:
        iteration: its number, counted from 1.
        loss: a loss that is not finite; None: they all are.
        shares: the ranks whose loss is not finite; all of them where each is.
    """

    iteration: int
    loss: float | None
    shares: list[RankShare]

    def samples(self, most: int | None = None) -> str:
        """Return the samples, at most so many of a rank: ``17 (a.png), 4 (b.png)``; empty where they are not known."""
        named = [(share.rank, _listed(share.samples, most)) for share in self.shares if share.samples]
        return "; ".join(f"rank {rank}: {samples}" for rank, samples in named) if len(named) > 1 else "".join(text for _, text in named)


def describe_failure(iteration: int, losses: list[float], samples: list[dict[str, Any]]) -> Failure:
    """Return what failed, put together from all ranks; every rank calls it with its own losses and samples, and logs them all."""
    gathered = all_gather_objects((losses, [_identity(sample) for sample in samples]))
    shares = [RankShare(rank, *given) for rank, given in enumerate(gathered)]
    culprits = [share for share in shares if not share.is_finite]
    loss = next((loss for share in culprits for loss in share.losses if not math.isfinite(loss)), None)
    failure = Failure(iteration, loss, culprits or shares)
    logger.error("iteration %d is not finite; its samples: %s", iteration, failure.samples() or "unknown")
    return failure


def find_failure(state: TrainState, totals: Sequence[Tensor], *, judged_to: int) -> Failure:
    """Return the first iteration with a loss that is not finite, else the last one; every rank calls it.

    Args:
        state: the run.
        totals: the sum of the losses of each forward pass on this rank since iteration ``judged_to``.
        judged_to: iterations that were found to be good.
    """
    parts = batches_an_iteration(len(totals), state.iteration - judged_to)
    losses: list[float] = torch.stack(list(totals)).tolist() if totals else []
    own = next((judged_to + place // parts + 1 for place, loss in enumerate(losses) if not math.isfinite(loss)), state.iteration)
    iteration = min(all_gather_objects(own))
    begin = (iteration - judged_to - 1) * parts
    return describe_failure(iteration, losses[begin : begin + parts], state.data.samples_of(iteration - 1))


def batches_an_iteration(count: int, iterations: int) -> int:
    """Return how many forward passes an iteration has, of so many in so many iterations."""
    return max(1, count // max(1, iterations))


def _identity(sample: dict[str, Any]) -> dict[str, Any]:
    return {name: sample[name] for name in ("index", "file") if name in sample}


def _listed(samples: list[dict[str, Any]], most: int | None) -> str:
    shown = [f"{sample.get('index', '?')}" + (f" ({sample['file']})" if sample.get("file") else "") for sample in samples[:most]]
    rest = len(samples) - len(shown)
    return ", ".join(shown) + (f" and {rest} more (all are in the log)" if rest else "")
