from typing import Any

import torch

from petlib.engine.hooks.lr_schedule import LRScheduleHook
from petlib.engine.loop import train


def test_the_rate_of_iteration_i_is_the_schedule_at_i(make_state: Any, loader: Any, step: Any) -> None:
    state = make_state(max_iter=4)
    state.schedulers = {"main": torch.optim.lr_scheduler.LambdaLR(state.optimizer, lambda iteration: 1.0 / (1 + iteration))}
    rates = []

    def recording_step(state: Any, data: Any, after_backward: Any) -> None:
        rates.append(state.optimizer.param_groups[0]["lr"])
        step(state, data, after_backward)

    train(state, loader, recording_step, [LRScheduleHook()])
    assert rates == [0.1, 0.05, 0.1 / 3, 0.025]
