import math
import os
import signal
from typing import Any

import pytest
import torch
from torch import nn

from petlib.distributed import Interrupted
from petlib.engine.hooks.checkpoint import CheckpointHook
from petlib.engine.hooks.evaluation import EarlyStopHook, EvaluationHook
from petlib.engine.hooks.interrupt import InterruptHook
from petlib.engine.hooks.timer import TimerHook
from petlib.engine.loop import train
from petlib.engine.weight_average import WeightAverage
from petlib.errors import ConfigError


def make_hook(
    values: list[float], *, every: int = 2, rule: str = "greater", metric: str = "", average: WeightAverage | None = None
) -> EvaluationHook:
    stream = iter(values)

    def evaluate(network: nn.Module) -> dict[str, float]:
        assert not network.training
        assert not torch.is_grad_enabled()
        torch.rand(3)  # an evaluation that draws random numbers must not change the training
        return {"cls/acc1": next(stream), "cls/acc5": 1.0}

    return EvaluationHook(evaluate=evaluate, every=every, best_metric=metric, best_rule=rule, timer=TimerHook(), average=average)


def test_evaluations_come_at_their_interval_and_at_the_end(make_state: Any, loader: Any, step: Any) -> None:
    state, hook = make_state(max_iter=5), make_hook([0.1, 0.3, 0.2])
    train(state, loader, step, [hook, CheckpointHook(every=0, config="", evaluation=hook)])
    assert (hook.best_value, hook.improved_at, hook.without_improvement) == (0.3, 4, 1)
    assert state.checkpointer.saved == [(2, True), (4, True), (5, False)]
    assert state.model.training


def test_an_undefined_value_is_never_the_best(make_state: Any, loader: Any, step: Any, caplog: pytest.LogCaptureFixture) -> None:
    state, hook = make_state(max_iter=8), make_hook([math.nan, math.nan, 0.2, math.nan])
    stop = EarlyStopHook(evaluation=hook, patience=2)
    train(state, loader, step, [hook, stop, CheckpointHook(every=0, config="", evaluation=hook)])
    assert (hook.best_value, hook.improved_at, hook.without_improvement) == (0.2, 6, 1)
    assert state.checkpointer.saved == [(6, True), (8, False)]
    assert "cls/acc1 is undefined in this evaluation" in caplog.text and "best cls/acc1 so far: nan" not in caplog.text


def test_less_can_be_better(make_state: Any, loader: Any, step: Any) -> None:
    hook = make_hook([0.1, 0.3, 0.05], rule="less")
    train(make_state(max_iter=5), loader, step, [hook])
    assert (hook.best_value, hook.improved_at) == (0.05, 5)


def test_an_evaluation_leaves_no_trace_in_the_random_numbers(make_state: Any, loader: Any, step: Any) -> None:
    drawn = {}
    for name, hooks in {"with": [make_hook([0.1] * 9, every=1)], "without": []}.items():
        state = make_state(max_iter=3)
        torch.manual_seed(5)
        train(state, loader, step, hooks)
        drawn[name] = torch.rand(1)
    assert torch.equal(drawn["with"], drawn["without"])


def test_the_average_is_evaluated_in_place_of_the_weights(make_state: Any, loader: Any, step: Any) -> None:
    state = make_state(max_iter=1)
    average = WeightAverage(state.network, decay=0.9)
    first = state.model.layer.weight.detach().clone()
    seen = {}

    def evaluate(network: nn.Module) -> dict[str, float]:
        seen["weight"] = network.layer.weight.detach().clone()  # type: ignore[union-attr,operator]
        return {"m": 0.0}

    train(
        state,
        loader,
        step,
        [EvaluationHook(evaluate=evaluate, every=1, best_metric="", best_rule="greater", timer=TimerHook(), average=average)],
    )
    assert torch.equal(seen["weight"], first)
    assert not torch.equal(state.model.layer.weight, first)


def test_an_unknown_best_metric_is_reported(make_state: Any, loader: Any, step: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"EvaluationHook.best_metric: 'cls/ac1' given, but an evaluation has cls/acc1, cls/acc5; did you mean cls/acc1"
    ):
        train(make_state(max_iter=2), loader, step, [make_hook([0.1], metric="cls/ac1")])


def test_the_state_survives_a_restart() -> None:
    first, second = make_hook([]), make_hook([])
    first.best_value, first.improved_at, first.without_improvement = 0.5, 40, 3
    second.load_state_dict(first.state_dict())
    assert (second.best_value, second.improved_at, second.without_improvement) == (0.5, 40, 3)


def test_a_run_that_no_longer_improves_ends_and_does_not_begin_again(make_state: Any, loader: Any, step: Any) -> None:
    state, hook = make_state(max_iter=100), make_hook([0.5, 0.4, 0.4, 0.4])
    train(state, loader, step, [hook, EarlyStopHook(evaluation=hook, patience=2), CheckpointHook(every=0, config="", evaluation=hook)])
    assert state.iteration == 6
    assert state.stop_reason == "no improvement in 2 evaluations"
    assert state.checkpointer.saved == [(2, True), (6, False)]
    again = make_state(max_iter=100)
    train(again, loader, step, [hook, EarlyStopHook(evaluation=hook, patience=2)])
    assert again.iteration == 0


def interrupted(network: nn.Module) -> dict[str, float]:
    raise Interrupted(signal.SIGTERM)


def test_an_evaluation_that_a_signal_ends_is_completed(make_state: Any, loader: Any, step: Any) -> None:
    first = EvaluationHook(evaluate=interrupted, every=2, best_metric="", best_rule="greater", timer=TimerHook())
    state = make_state(max_iter=6)
    with pytest.raises(SystemExit) as error:
        train(state, loader, step, [first, CheckpointHook(every=0, config="", evaluation=first)])
    assert (error.value.code, state.iteration, state.checkpointer.saved) == (143, 2, [(2, False)])
    assert state.model.training

    second = make_hook([0.3, 0.1, 0.2])
    second.load_state_dict(state.checkpointer.components["hooks"]["evaluation"])
    state = make_state(max_iter=6)
    state.iteration = 2
    train(state, loader, step, [second, CheckpointHook(every=0, config="", evaluation=second)])
    assert (second.best_value, second.improved_at, second.pending) == (0.3, 2, False)
    assert state.checkpointer.saved == [(2, True), (6, False)]


def test_an_evaluation_that_a_signal_prevents_is_completed_at_the_end_too(make_state: Any, loader: Any, step: Any) -> None:
    def signalled_step(state: Any, data: Any, after_backward: Any) -> None:
        if state.iteration == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        step(state, data, after_backward)

    hook = make_hook([0.5], every=0)
    with pytest.raises(SystemExit):
        train(make_state(max_iter=3), loader, signalled_step, [InterruptHook(), hook])
    assert (hook.pending, hook.best_value) == (True, None)
    state = make_state(max_iter=3)
    state.iteration = 3
    train(state, loader, step, [hook, CheckpointHook(every=0, config="", evaluation=hook)])
    assert (hook.pending, hook.best_value, state.checkpointer.saved) == (False, 0.5, [(3, True)])


def test_a_state_of_an_earlier_version_has_nothing_to_make_up_for() -> None:
    hook = make_hook([])
    hook.load_state_dict({"best_value": 0.5, "improved_at": 2, "without_improvement": 1})
    assert (hook.best_value, hook.pending) == (0.5, False)
