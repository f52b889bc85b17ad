import errno
import re
import time
from typing import Any

import pytest

from petlib.engine.hooks.metric_writer import MetricWriterHook
from petlib.engine.hooks.progress import ProgressHook
from petlib.engine.hooks.timer import TimerHook
from petlib.engine.loop import train


def test_the_line_follows_the_run(
    make_state: Any, loader: Any, step: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")

    now = 100.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)

    def slow_step(state: Any, data: Any, after_backward: Any) -> None:
        nonlocal now
        now += 1 / 16
        step(state, data, after_backward)

    timer = TimerHook()
    writer = MetricWriterHook(make_writers=lambda start: [], every=2, timer=timer)
    train(make_state(max_iter=10), loader, slow_step, [timer, writer, ProgressHook()])
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().out)
    assert re.search(r"training .* [4-9]/10 16\.0 it/s loss \d+\.\d{4}", shown), shown


def test_a_terminal_that_is_gone_ends_the_line_and_not_the_run(
    make_state: Any, loader: Any, step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = 0

    def fail() -> None:
        nonlocal shown
        shown += 1
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("petlib.engine.hooks.progress.REFRESH_SECONDS", 0.0)
    hook = ProgressHook()
    monkeypatch.setattr(hook._progress, "refresh", fail)
    state = make_state(max_iter=5)
    train(state, loader, step, [hook])
    assert state.iteration == 5
    assert shown == 1
