from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from petlib.engine.hook import CALLS, Hook, sort_hooks
from petlib.engine.loop import train
from petlib.engine.state import Batch, BatchStream, TrainState
from petlib.errors import ConfigError


class Loader:
    def __init__(self) -> None:
        self.closed = False

    def batches(self, start_iteration: int, max_iter: int) -> Iterator[Batch]:
        try:
            for index in range(start_iteration, max_iter):
                yield {"index": index}
        finally:
            self.closed = True


class Recorder(Hook):
    """Writes down every call with the iteration at which it came."""

    order = 1
    key = "recorder"

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []


def _recording(name: str) -> Any:
    def call(self: Recorder, state: TrainState) -> None:
        self.calls.append((name, state.iteration))

    return call


for _name in CALLS:
    setattr(Recorder, _name, _recording(_name))


class StopAt(Hook):
    order = 2
    key = "stop_at"

    def __init__(self, iteration: int, signal_number: int = 0) -> None:
        self.iteration = iteration
        self.signal_number = signal_number

    def after_step(self, state: TrainState) -> None:
        if state.iteration == self.iteration:
            state.stop_reason, state.signal_number = "enough", self.signal_number


def step(state: TrainState, data: BatchStream, after_backward: Any) -> None:
    batch = next(data)
    assert batch["index"] == state.iteration
    after_backward(state)


def make_state(*, max_iter: int, iteration: int = 0, per_epoch: int = 3) -> TrainState:
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return TrainState(
        model=model,
        optimizers={"main": optimizer},
        schedulers={},
        max_iter=max_iter,
        iterations_per_epoch=per_epoch,
        checkpointer=None,  # type: ignore[arg-type]  # nothing is saved here
        iteration=iteration,
    )


def test_the_calls_come_in_order_with_exact_iteration_numbers() -> None:
    recorder, loader = Recorder(), Loader()
    train(make_state(max_iter=4), loader, step, [recorder])
    expected = [("before_train", 0)]
    for iteration in range(4):
        if iteration % 3 == 0:
            expected.append(("before_epoch", iteration))
        expected += [("before_step", iteration), ("after_backward", iteration), ("after_step", iteration + 1)]
        if iteration == 2:
            expected.append(("after_epoch", 3))
    assert recorder.calls == [*expected, ("after_train", 4)]
    assert loader.closed


def test_a_run_continues_in_the_middle_of_an_epoch() -> None:
    recorder = Recorder()
    train(make_state(max_iter=6, iteration=4), Loader(), step, [recorder])
    assert [call for call in recorder.calls if "epoch" in call[0]] == [("before_epoch", 4), ("after_epoch", 6)]
    assert [call[1] for call in recorder.calls if call[0] == "after_step"] == [5, 6]


def test_a_hook_can_end_the_run() -> None:
    recorder = Recorder()
    state = make_state(max_iter=100)
    train(state, Loader(), step, [StopAt(2), recorder])
    assert state.iteration == 2
    assert recorder.calls[-1] == ("after_train", 2)


def test_a_signal_ends_the_run_with_its_exit_code_after_everything_was_closed() -> None:
    recorder, loader = Recorder(), Loader()
    with pytest.raises(SystemExit) as error:
        train(make_state(max_iter=100), loader, step, [StopAt(2, signal_number=15), recorder])
    assert error.value.code == 143
    assert recorder.calls[-1] == ("after_train", 2)
    assert loader.closed


def test_an_exception_reaches_the_hooks_and_the_caller() -> None:
    recorder, loader = Recorder(), Loader()

    def failing_step(state: TrainState, data: BatchStream, after_backward: Any) -> None:
        if state.iteration == 1:
            raise RuntimeError("boom")
        step(state, data, after_backward)

    with pytest.raises(RuntimeError, match="boom"):
        train(make_state(max_iter=3), loader, failing_step, [recorder])
    assert recorder.calls[-1] == ("on_exception", 1)
    assert ("after_train", 1) not in recorder.calls
    assert loader.closed


def test_a_finished_run_does_no_iteration() -> None:
    recorder = Recorder()
    train(make_state(max_iter=3, iteration=3), Loader(), step, [recorder])
    assert recorder.calls == [("before_train", 3), ("after_train", 3)]


def test_the_model_is_in_training_mode() -> None:
    state = make_state(max_iter=1)
    state.model.eval()
    train(state, Loader(), step, [])
    assert state.model.training


def test_a_hook_with_intervals_is_called_first_at_their_multiples_at_the_end_and_with_others() -> None:
    class NowAndThen(Recorder):
        intervals = (4, 0)

    class Rarely(Recorder):
        order = 3
        key = "rarely"
        intervals = (10,)

    now_and_then, rarely = NowAndThen(), Rarely()
    train(make_state(max_iter=13, iteration=1), Loader(), step, [now_and_then, rarely])
    for hook in (now_and_then, rarely):
        assert [iteration for name, iteration in hook.calls if name == "after_step"] == [2, 4, 8, 10, 12, 13]


def test_a_hook_with_intervals_acts_when_the_run_is_asked_to_stop() -> None:
    class NowAndThen(Recorder):
        intervals = (100,)

    hook = NowAndThen()
    train(make_state(max_iter=1000), Loader(), step, [hook, StopAt(7)])
    assert [iteration for name, iteration in hook.calls if name == "after_step"] == [1, 7]


def test_hooks_are_sorted_and_misuse_is_reported() -> None:
    recorder, stop = Recorder(), StopAt(1)
    assert sort_hooks([stop, recorder]) == [recorder, stop]

    class Nameless(Hook):
        order = 7

    class Twin(Hook):
        order = 1
        key = "twin"

    with pytest.raises(ValueError, match="the hook Nameless has no 'key'"):
        sort_hooks([Nameless()])
    with pytest.raises(ConfigError, match="the hooks Recorder and Twin have the same order 1; change one, 1, 1 are taken"):
        sort_hooks([recorder, Twin()])


def test_waiting_for_data_is_measured() -> None:
    stream = BatchStream(iter([{"a": 1}]))
    assert next(stream) == {"a": 1}
    assert stream.wait_seconds > 0.0
    with pytest.raises(StopIteration):
        next(stream)
