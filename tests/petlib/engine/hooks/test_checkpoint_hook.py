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


class FailingCheckpointer:
    """Says at the next call, on every rank, that a save has failed; remembers what was saved."""

    def __init__(self, *, failing: tuple[int, ...], refuses: bool = False) -> None:
        self.failing = failing
        self.refuses = refuses
        self.saved: list[int] = []
        self.patience: list[bool] = []
        self.stalled = False
        self.given_up = False
        self._problem = ""

    def save(self, components: dict[str, Any], *, iteration: int, best: bool = False) -> None:
        failing = iteration in self.failing
        if failing and self.refuses:
            raise CheckpointError(f"iteration {iteration}: read-only")
        self._problem = f"iteration {iteration}: disk full" if failing else ""
        if not failing:
            self.saved.append(iteration)

    def wait(self, *, patient: bool = False) -> None:
        self.patience.append(patient)
        problem, self._problem = self._problem, ""
        if problem:
            raise CheckpointError(problem)

    def finish(self) -> None:
        self.wait()

    def give_up(self) -> None:
        self.given_up = True


@pytest.mark.parametrize("refuses", [False, True], ids=["in the background", "at once"])
def test_with_continue_each_failed_save_is_one_error_and_the_next_interval_tries_again(
    make_state: Any, loader: Any, step: Any, caplog: pytest.LogCaptureFixture, refuses: bool
) -> None:
    state = make_state(max_iter=7)
    state.checkpointer = FailingCheckpointer(failing=(2, 4), refuses=refuses)
    train(state, loader, step, [CheckpointHook(every=2, config="", on_error="continue")])
    assert state.checkpointer.saved == [6, 7]
    assert state.checkpointer.patience == [False, False, False, True, False]
    reason = "read-only" if refuses else "disk full"
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        f"iteration {iteration}: {reason}; training goes on (CheckpointHook.on_error is continue)" for iteration in (2, 4)
    ]
    assert "2 attempts to save a checkpoint failed in this run; the last checkpoint is on the disk" in caplog.text


@pytest.mark.parametrize("refuses", [False, True], ids=["in the background", "at once"])
@pytest.mark.parametrize("on_error", ["stop", "continue"])
def test_a_run_whose_last_checkpoint_is_not_saved_fails(make_state: Any, loader: Any, step: Any, on_error: str, refuses: bool) -> None:
    state = make_state(max_iter=4)
    state.checkpointer = FailingCheckpointer(failing=(4,), refuses=refuses)
    with pytest.raises(CheckpointError) as caught:
        train(state, loader, step, [CheckpointHook(every=2, config="", on_error=on_error)])
    beginning = "the last checkpoint of the run, of iteration 4, is not saved: " if on_error == "continue" else ""
    assert str(caught.value) == f"{beginning}iteration 4: {'read-only' if refuses else 'disk full'}"
    assert state.checkpointer.saved == [2]


def test_with_stop_the_run_ends_at_the_save_after_the_failed_one(make_state: Any, loader: Any, step: Any) -> None:
    state = make_state(max_iter=100)
    state.checkpointer = FailingCheckpointer(failing=(4,))
    with pytest.raises(CheckpointError, match="iteration 4: disk full"):
        train(state, loader, step, [CheckpointHook(every=2, config="")])
    assert state.iteration == 6
    assert state.checkpointer.saved == [2]


def test_while_an_earlier_save_hangs_no_other_is_begun(
    make_state: Any, loader: Any, step: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = make_state(max_iter=6)
    state.checkpointer = checkpointer = FailingCheckpointer(failing=())

    def wait(*, patient: bool = False) -> None:
        checkpointer.stalled = len(checkpointer.saved) == 1 and not patient
        if checkpointer.stalled:
            raise CheckpointError("iteration 2: still not there")

    monkeypatch.setattr(checkpointer, "wait", wait)
    train(state, loader, step, [CheckpointHook(every=2, config="", on_error="continue")])
    assert checkpointer.saved == [2, 6]
    assert "iteration 2: still not there; training goes on" in caplog.text
    assert "no checkpoint of iteration 4 is saved, because an earlier one still hangs" in caplog.text


def test_who_interrupts_twice_does_not_wait_for_the_writer(make_state: Any, loader: Any) -> None:
    def interrupted_step(state: Any, data: Any, after_backward: Any) -> None:
        raise KeyboardInterrupt

    state = make_state(max_iter=3)
    state.checkpointer = FailingCheckpointer(failing=())
    with pytest.raises(KeyboardInterrupt):
        train(state, loader, interrupted_step, [CheckpointHook(every=1, config="")])
    assert state.checkpointer.given_up
    assert state.checkpointer.patience == []
