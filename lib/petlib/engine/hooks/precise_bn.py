"""Batch-norm statistics computed anew before an evaluation."""

import itertools
import logging
import time
from collections.abc import Callable, Iterator

from torch import nn

from petlib.checkpoint.random_state import preserved_random_state
from petlib.dist.collectives import all_reduce_mean
from petlib.engine.batch_stream import Batch
from petlib.engine.hook import Hook
from petlib.engine.hooks.timer import TimerHook
from petlib.engine.state import TrainState

logger = logging.getLogger(__name__)


class PreciseBNHook(Hook):
    """Replaces running batch-norm statistics by the means over some batches of training data.

    Source: Wu and Johnson, Rethinking "Batch" in BatchNorm, 2021 (https://arxiv.org/abs/2105.07576), as implemented in
    fvcore. With several ranks the statistics are averaged over them.

    Args:
        batches: gives training batches from an iteration on: ``batches(start_iteration, max_iter)``.
        num_iters: how many of them to use.
        evaluates_after: tells whether an evaluation follows the iteration.
        timer: is told the time that this takes.
    """

    order = 55
    key = "precise_bn"
    intervals = ()

    def __init__(
        self,
        *,
        batches: Callable[[int, int], Iterator[Batch]],
        num_iters: int,
        evaluates_after: Callable[[TrainState], bool],
        timer: TimerHook,
    ) -> None:
        self._batches = batches
        self._num_iters = num_iters
        self._evaluates_after = evaluates_after
        self._timer = timer

    def after_step(self, state: TrainState) -> None:
        """Compute the statistics when an evaluation follows."""
        if self._evaluates_after(state) and _has_batch_norm(state.network):
            self._compute(state)

    def _compute(self, state: TrainState) -> None:
        # slow to import and rarely wanted
        from fvcore.nn.precise_bn import update_bn_stats

        started = time.perf_counter()
        batches = self._batches(state.iteration, state.iteration + self._num_iters)
        with preserved_random_state():
            update_bn_stats(state.network, itertools.islice(batches, self._num_iters), num_iters=self._num_iters)
        _average_over_ranks(state.network)
        self._timer.exclude(time.perf_counter() - started)
        logger.info("batch-norm statistics computed over %d batches", self._num_iters)


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
