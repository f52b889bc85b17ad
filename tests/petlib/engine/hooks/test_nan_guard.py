from typing import Any

import pytest

from petlib.engine.hooks.checkpoint import CheckpointHook
from petlib.engine.hooks.metric_writer import MetricWriterHook
from petlib.engine.hooks.nan_guard import NanGuardHook, TrainingDivergedError
from petlib.engine.hooks.timer import TimerHook
from petlib.engine.loop import train


@pytest.mark.parametrize(("bad", "word"), [(float("nan"), "nan"), (float("inf"), "inf")])
def test_the_run_ends_before_such_weights_are_saved(make_state: Any, loader: Any, step: Any, bad: float, word: str) -> None:
    state = make_state(max_iter=20)

    def diverging_step(state: Any, data: Any, after_backward: Any) -> None:
        if state.iteration == 7:
            state.model.layer.weight.data.fill_(bad)
        step(state, data, after_backward)

    with pytest.raises(TrainingDivergedError, match=rf"the loss became {word} between iterations 5 and 8 \(learning rate 0.1"):
        train(state, loader, diverging_step, [NanGuardHook(every=(0, 4)), CheckpointHook(every=4, config="")])
    assert state.checkpointer.saved == [(4, False)]


def test_finite_losses_pass(make_state: Any, loader: Any, step: Any) -> None:
    state = make_state(max_iter=5)
    train(state, loader, step, [NanGuardHook(every=(2, 0))])
    assert state.iteration == 5


def test_it_looks_at_what_is_printed(make_state: Any, loader: Any, step: Any) -> None:
    state, timer = make_state(max_iter=20), TimerHook()

    def diverging_step(state: Any, data: Any, after_backward: Any) -> None:
        if state.iteration == 1:
            state.model.layer.weight.data.fill_(float("nan"))
        step(state, data, after_backward)

    writer = MetricWriterHook(make_writers=lambda start: [], every=3, timer=timer)
    with pytest.raises(TrainingDivergedError, match="between iterations 1 and 3"):
        train(state, loader, diverging_step, [timer, writer, NanGuardHook(every=())])
