from types import SimpleNamespace

import pytest
import torch

from petlib.engine.hooks.scheduled_numbers import ScheduledNumbersHook, WeightDecayHook
from petlib.solver.schedules import number_schedule


def test_numbers_follow_the_iteration_alone():
    seen = []
    schedule = number_schedule(0.04, 0.07, iterations=3, shape="linear")
    hook = ScheduledNumbersHook(schedules=[(schedule, lambda state, value: seen.append(value))])
    for iteration in (0, 2, 1, 7):
        hook.before_step(SimpleNamespace(iteration=iteration))
    assert seen == pytest.approx([0.04, 0.06, 0.05, 0.07])
    assert hook.state_dict() == {}


def test_weight_decay_of_an_iteration_is_no_setting_of_the_run():
    weights = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": [weights[0]], "weight_decay": 0.04}, {"params": [weights[1]], "weight_decay": 0.0}], lr=1.0)
    state = SimpleNamespace(iteration=5, optimizers={"main": optimizer})
    hook = WeightDecayHook(schedule=number_schedule(0.04, 0.4, iterations=10, shape="linear"))
    hook.before_step(state)
    for weight in weights:
        weight.grad = torch.zeros(2)
    optimizer.step()
    hook.after_step(state)
    assert weights[0].tolist() == pytest.approx([0.78, 0.78])
    assert weights[1].tolist() == [1.0, 1.0]
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.04, 0.0]
