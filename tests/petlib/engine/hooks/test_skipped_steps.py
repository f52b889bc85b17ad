import logging
from typing import Any

import pytest

from petlib.engine.hooks.nan_guard import TrainingDivergedError
from petlib.engine.hooks.skipped_steps import SkippedStepsHook
from petlib.engine.loop import train
from petlib.engine.state import LeftOut


def leaving_out(iterations: set[int]) -> Any:
    def step(state: Any, data: Any, after_backward: Any) -> None:
        next(data)
        samples = [{"index": state.iteration, "file": "a.png", "size": (3, 4)}]
        state.left_out = LeftOut([float("nan")], samples) if state.iteration in iterations else None

    return step


def test_what_was_left_out_is_reported_and_counted(make_state: Any, loader: Any, caplog: pytest.LogCaptureFixture) -> None:
    hook = SkippedStepsHook(limit=2)
    with caplog.at_level(logging.INFO):
        train(make_state(max_iter=8), loader, leaving_out({1, 2, 4, 6}), [hook])
    assert caplog.messages[0] == "iteration 2 is not finite; its samples: 1 (a.png)"
    assert caplog.messages[1] == "iteration 2 was left out because of the loss nan; left out so far: 1"
    assert caplog.messages[-1] == "4 of 8 iterations were left out because they were not finite"
    assert hook.state_dict() == {"count": 4, "in_a_row": 0}


def test_too_many_in_a_row_end_the_run_and_a_restart_goes_on_counting(make_state: Any, loader: Any) -> None:
    state = make_state(max_iter=2)
    first, second = SkippedStepsHook(limit=2), SkippedStepsHook(limit=2)
    train(state, loader, leaving_out({0, 1}), [first])
    second.load_state_dict(first.state_dict())
    state.max_iter = 8
    message = r"^3 iterations in a row were left out \(SkippedStepsHook.limit\): the loss became nan"
    with pytest.raises(TrainingDivergedError, match=message):
        train(state, loader, leaving_out({2}), [second])
    assert second.count == 3


def test_nothing_is_said_of_a_good_run(make_state: Any, loader: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        train(make_state(max_iter=3), loader, leaving_out(set()), [SkippedStepsHook(limit=1)])
    assert caplog.messages == []
