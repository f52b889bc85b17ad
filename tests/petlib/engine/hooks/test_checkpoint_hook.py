from typing import Any

import pytest

from petlib.engine.hook import Hook
from petlib.engine.hooks.checkpoint import CheckpointHook
from petlib.engine.loop import train
from petlib.errors import CheckpointError


class Counter(Hook):
    order = 70
    key = "counter"

    def __init__(self) -> None:
        self.epochs = 0

    def after_epoch(self, state: Any) -> None:
        self.epochs += 1

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": self.epochs}


def test_it_saves_at_its_interval_and_at_the_end_and_waits(make_state: Any, loader: Any, step: Any) -> None:
    state = make_state(max_iter=7)
    train(state, loader, step, [CheckpointHook(every=3, config="a: 1")])
    assert [iteration for iteration, _ in state.checkpointer.saved] == [3, 6, 7]
    assert state.checkpointer.waits == 4, "before each save, and at the end"
    assert state.checkpointer.components["config"] == "a: 1"
    assert state.checkpointer.components["iteration"] == 7
    assert len(state.checkpointer.components["random"]) == 1


def test_what_hooks_do_at_the_end_of_an_epoch_is_in_its_checkpoint(make_state: Any, loader: Any, step: Any) -> None:
    state, counter = make_state(max_iter=10), Counter()
    train(state, loader, step, [counter, CheckpointHook(every=5, config="")])
    assert state.checkpointer.components["hooks"]["counter"] == {"epochs": 2}
    assert [iteration for iteration, _ in state.checkpointer.saved] == [5, 10]


def test_a_run_that_is_asked_to_stop_saves_first(make_state: Any, loader: Any, step: Any) -> None:
    class Stop(Hook):
        order = 1
        key = "stop"

        def after_step(self, state: Any) -> None:
            if state.iteration == 2:
                state.stop_reason, state.signal_number = "SIGTERM received", 15

    state = make_state(max_iter=100)
    with pytest.raises(SystemExit):
        train(state, loader, step, [Stop(), CheckpointHook(every=50, config="")])
    assert [iteration for iteration, _ in state.checkpointer.saved] == [2]


def test_an_error_of_the_writer_does_not_hide_the_error_of_the_run(
    make_state: Any, loader: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing_step(state: Any, data: Any, after_backward: Any) -> None:
        raise RuntimeError("boom")

    def failing_wait() -> None:
        raise CheckpointError("the disk is full")

    state = make_state(max_iter=3)
    monkeypatch.setattr(state.checkpointer, "finish", failing_wait)
    with pytest.raises(RuntimeError, match="boom"):
        train(state, loader, failing_step, [CheckpointHook(every=1, config="")])
    assert "the disk is full" in caplog.text
