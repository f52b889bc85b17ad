"""A run whose loss or weights are NaN or infinite ends before such weights are evaluated or saved."""

import math
from typing import NoReturn

from torch import Tensor

from petlib.distributed.collectives import any_rank
from petlib.engine.failure import SHOWN_SAMPLES, Failure, batches_an_iteration, find_failure
from petlib.engine.hook import Hook
from petlib.engine.skipping import are_finite, scale_is_lost
from petlib.engine.state import TrainState
from petlib.errors import UserError

ADVICE = (
    "a run that is continued begins at its last checkpoint. Lower the learning rate, lengthen its warm-up, clip the gradients, or look for "
    "a division by zero or a logarithm in the model and its losses."
)
"""What may help where a run says nothing better."""


class TrainingDivergedError(UserError):
    """The loss, the gradients or the weights are no finite numbers any more."""


class NanGuardHook(Hook):
    """Looks at the losses when they are written, and at losses and weights before an evaluation and a checkpoint.

    It looks only then, because looking waits for the device; what it finds all ranks agree on. Weights are the parameters of the
    optimizers and the buffers that were finite at the beginning.

    Args:
        every: intervals of evaluations and checkpoints in iterations.
        advice: what may help, the end of the message; a builder names settings in it.
    """

    order = 45
    key = "nan_guard"

    def __init__(self, *, every: tuple[int, ...], advice: str = ADVICE) -> None:
        self._advice = advice
        self._every = tuple(interval for interval in every if interval > 0)
        self.intervals = self._every
        self._judged_to = 0
        self._flushes_seen = 0
        self._weights: list[Tensor] = []

    def before_train(self, state: TrainState) -> None:
        """Remember where the run begins, and what is to stay finite."""
        self._begin(state)
        parameters = [item for optimizer in state.optimizers.values() for group in optimizer.param_groups for item in group["params"]]
        self._weights = [*parameters, *(buffer for buffer in state.network.buffers() if are_finite([buffer]))]

    def after_rollback(self, state: TrainState) -> None:
        """Look at what comes from here on."""
        self._begin(state)

    def after_step(self, state: TrainState) -> None:
        """Look when there is something to see, or something follows that must not happen with bad weights.

        Raises:
            TrainingDivergedError: a loss since the last look is not finite, or weights are not.
        """
        self._look(state, before_use=self._comes_before_use(state))

    def check(self, state: TrainState) -> None:
        """Look now, before weights are saved; every rank calls it.

        Raises:
            TrainingDivergedError: a loss since the last look is not finite, or weights are not.
        """
        self._look(state, before_use=True)

    def _look(self, state: TrainState, *, before_use: bool) -> None:
        flushed = state.storage.flush_count != self._flushes_seen
        # means over all ranks: every rank comes to the same answer
        failed = flushed and not all(math.isfinite(means.total) for means in state.storage.flushed)
        if not failed and before_use:
            (failed,) = any_rank(self._fails_here(state))
        pending = state.storage.pending_totals() if failed or flushed else []
        totals = [*state.storage.flushed_totals, *pending] if flushed else pending
        if failed:
            self._act(state, find_failure(state, totals, judged_to=self._judged_to))
        if flushed:
            parts = batches_an_iteration(len(totals), state.iteration - self._judged_to)
            self._judged_to = state.iteration - len(pending) // parts
            self._flushes_seen = state.storage.flush_count

    def _act(self, state: TrainState, failure: Failure) -> NoReturn:
        raise TrainingDivergedError(explain(state, failure, self._advice))

    def _begin(self, state: TrainState) -> None:
        self._judged_to = state.iteration
        self._flushes_seen = state.storage.flush_count

    def _comes_before_use(self, state: TrainState) -> bool:
        iteration = state.iteration
        return any(iteration % interval == 0 for interval in self._every) or iteration == state.max_iter or state.stop_reason != ""

    def _fails_here(self, state: TrainState) -> bool:
        return not are_finite(state.storage.pending_totals()) or not are_finite(self._weights) or scale_is_lost(state.scaler)


def explain(state: TrainState, failure: Failure, advice: str) -> str:
    """Return the message about a run that ends: what became not finite and when, the samples, and advice."""
    if failure.loss is not None:
        what = f"the loss became {failure.loss:g} in iteration {failure.iteration}"
    elif scale_is_lost(state.scaler):
        what = f"the gradients of iteration {failure.iteration} are not finite in fp16 at any scale"
    else:
        what = f"weights or gradients became NaN or infinite by iteration {failure.iteration}, while the loss is finite"
    samples = failure.samples(SHOWN_SAMPLES)
    rate = next(iter(state.optimizers.values())).param_groups[0]["lr"]
    return (
        f"{what} (learning rate {rate:g}).\n"
        + (f"  The samples of that iteration: {samples}.\n" if samples else "")
        + f"  Nothing was saved since; {advice}"
    )
