import time
from typing import Any

import pytest

from petlib.engine.hooks.timer import TimerHook


def test_iterations_are_timed_without_what_is_excluded(make_state: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    state, timer = make_state(max_iter=10), TimerHook()
    now = 100.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    timer.before_train(state)
    now += 0.05
    timer.exclude(0.03)
    state.iteration = 4
    state.data.wait_seconds = 0.008
    iter_time, data_time, eta = timer.window(state)
    assert iter_time == pytest.approx(0.02 / 4)
    assert data_time == 0.002
    assert eta == iter_time * 6


def test_a_window_counts_from_the_one_before(make_state: Any) -> None:
    state, timer = make_state(max_iter=10), TimerHook()
    timer.before_train(state)
    state.iteration, state.data.wait_seconds = 4, 1.0
    timer.window(state)
    state.iteration, state.data.wait_seconds = 6, 1.5
    assert timer.window(state)[1] == 0.25
