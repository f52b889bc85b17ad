"""Batch-norm statistics computed anew before an evaluation."""

import itertools
import logging
import time
from collections.abc import Callable, Iterator

from torch import nn

from petlib.data.seeding import preserved_random_state
from petlib.distributed.collectives import all_reduce_mean
from petlib.distributed.interruption import AgreedFlag, Interrupted, end_request
from petlib.engine.hook import Hook
from petlib.engine.hooks.evaluation import EvaluationHook
from petlib.engine.hooks.interrupt import stop_for_signal
from petlib.engine.hooks.timer import TimerHook
from petlib.engine.state import Batch, TrainState

logger = logging.getLogger(__name__)


class PreciseBNHook(Hook):
    """Replaces running batch-norm statistics by the means over some batches of training data.

    Source: Wu and Johnson, Rethinking "Batch" in BatchNorm, 2021 (https://arxiv.org/abs/2105.07576), as implemented in
    fvcore. With several ranks the statistics are averaged over them.

    Args:
        batches: gives training batches from an iteration on: ``batches(start_iteration, max_iter)``.
        num_iters: how many of them to use.
        evaluation: knows whether an evaluation follows the iteration.
        timer: gets the time that this takes.
    """

    order = 55
    key = "precise_bn"
    intervals = ()

    def __init__(
        self,
        *,
        batches: Callable[[int, int], Iterator[Batch]],
        num_iters: int,
        evaluation: EvaluationHook,
        timer: TimerHook,
    ) -> None:
        self._batches = batches
        self._num_iters = num_iters
        self._evaluation = evaluation
        self._timer = timer
        self._asked: AgreedFlag | None = None

    def before_train(self, state: TrainState) -> None:
        """Compute the statistics when a pending evaluation is completed."""
        self._asked = AgreedFlag()
        if self._evaluation.pending and not self._evaluation.prepared and _has_batch_norm(evaluated_part(state.network)):
            self._compute(state)

    def after_step(self, state: TrainState) -> None:
        """Compute the statistics when an evaluation follows."""
        if self._evaluation.evaluates_after(state) and _has_batch_norm(evaluated_part(state.network)):
            self._compute(state)

    def _compute(self, state: TrainState) -> None:
        # slow to import and rarely wanted
        from fvcore.nn.precise_bn import update_bn_stats

        started = time.perf_counter()
        batches = itertools.islice(self._batches(state.iteration, state.iteration + self._num_iters), self._num_iters)
        norms = [
            (norm, norm.momentum, {name: value.clone() for name, value in norm.named_buffers()})
            for norm in _batch_norms(evaluated_part(state.network))
        ]
        try:
            with preserved_random_state():
                update_bn_stats(evaluated_part(state.network), self._until_asked_to_end(batches), num_iters=self._num_iters)
        except Interrupted as interruption:
            for norm, momentum, buffers in norms:
                norm.momentum = momentum
                norm.load_state_dict(buffers, strict=False)
            stop_for_signal(state, interruption.signal_number)
            return
        _average_over_ranks(evaluated_part(state.network))
        self._timer.exclude(time.perf_counter() - started)
        logger.info("batch-norm statistics computed over %d batches", self._num_iters)

    def _until_asked_to_end(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yield ``batches``, as many on every rank.

        Raises:
            Interrupted: a rank was asked to end; on all ranks after the same batch.
        """
        assert self._asked is not None, "the statistics are computed outside of a run"
        for batch in batches:
            if number := self._asked.exchange(end_request.signal_number):
                raise Interrupted(number)
            yield batch
        self._asked.finish()


def evaluated_part(network: nn.Module) -> nn.Module:
    """Return what of a network runs in evaluations, a module that takes the batches of the training: its ``evaluated_part()`` or itself."""
    find: Callable[[], nn.Module] | None = getattr(network, "evaluated_part", None)
    return network if find is None else find()


def _has_batch_norm(network: nn.Module) -> bool:
    return next(_batch_norms(network), None) is not None


def _batch_norms(network: nn.Module) -> Iterator[nn.modules.batchnorm._BatchNorm]:
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats:
            yield module


def _average_over_ranks(network: nn.Module) -> None:
    for module in _batch_norms(network):
        for statistic in (module.running_mean, module.running_var):
            assert statistic is not None, "track_running_stats is on, yet there are no running statistics"
            statistic.copy_(all_reduce_mean(statistic))
