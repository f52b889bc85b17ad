import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from petlib.engine.hook import Hook
from petlib.engine.hooks.evaluation import EvaluationHook
from petlib.engine.hooks.interrupt import InterruptHook
from petlib.engine.hooks.precise_bn import PreciseBNHook
from petlib.engine.hooks.timer import TimerHook
from petlib.engine.loop import train


def precise_bn(batches: Any) -> PreciseBNHook:
    """An evaluation follows the last iteration."""
    timer = TimerHook()
    evaluation = EvaluationHook(evaluate=lambda _: {}, every=0, best_metric="", best_rule="greater", timer=timer)
    return PreciseBNHook(batches=batches, num_iters=4, evaluation=evaluation, timer=timer)


def test_the_statistics_are_the_means_over_the_batches(make_state: Any, loader: Any, step: Any) -> None:
    state = make_state(max_iter=3)
    train(state, loader, step, [precise_bn(loader.batches)])
    batches = [batch["x"] for batch in loader.batches(3, 7)]
    torch.testing.assert_close(state.model.norm.running_mean, torch.stack([batch.mean(0) for batch in batches]).mean(0))
    pooled = torch.cat(batches)
    torch.testing.assert_close(state.model.norm.running_var, pooled.var(0, unbiased=False), rtol=0.1, atol=0.0)
    assert state.model.norm.momentum == 0.1


def test_a_signal_ends_the_computation_and_the_statistics_stay(make_state: Any, loader: Any, step: Any) -> None:
    given: list[int] = []

    def batches(start_iteration: int, max_iter: int) -> Iterator[Any]:
        for number, batch in enumerate(loader.batches(start_iteration, max_iter)):
            given.append(number)
            if number == 1:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    class Before(Hook):
        order, key = 54, "before"

        def after_step(self, state: Any) -> None:
            self.buffers = {name: value.clone() for name, value in state.model.norm.named_buffers()}

    before, state = Before(), make_state(max_iter=3)
    with pytest.raises(SystemExit) as error:
        train(state, loader, step, [InterruptHook(), before, precise_bn(batches)])
    assert (error.value.code, state.iteration, given) == (143, 3, [0, 1])
    assert state.model.norm.momentum == 0.1
    for name, value in state.model.norm.named_buffers():
        assert torch.equal(value, before.buffers[name]), name
