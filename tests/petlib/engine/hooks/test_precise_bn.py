from typing import Any

import torch

from petlib.engine.hooks.precise_bn import PreciseBNHook
from petlib.engine.hooks.timer import TimerHook
from petlib.engine.loop import train


def test_the_statistics_are_the_means_over_the_batches(make_state: Any, loader: Any, step: Any) -> None:
    state = make_state(max_iter=3)
    hook = PreciseBNHook(batches=loader.batches, num_iters=4, evaluates_after=lambda state: state.iteration == 3, timer=TimerHook())
    train(state, loader, step, [hook])
    batches = [batch["x"] for batch in loader.batches(3, 7)]
    torch.testing.assert_close(state.model.norm.running_mean, torch.stack([batch.mean(0) for batch in batches]).mean(0))
    pooled = torch.cat(batches)
    torch.testing.assert_close(state.model.norm.running_var, pooled.var(0, unbiased=False), rtol=0.1, atol=0.0)
    assert state.model.norm.momentum == 0.1
