import os
import signal
from typing import Any

import pytest

from petlib.engine.hooks.interrupt import InterruptHook
from petlib.engine.loop import train


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_run_after_the_iteration(make_state: Any, loader: Any, step: Any, number: int, code: int) -> None:
    state = make_state(max_iter=100)
    before = signal.getsignal(number)

    def signalled_step(state: Any, data: Any, after_backward: Any) -> None:
        if state.iteration == 3:
            os.kill(os.getpid(), number)
        step(state, data, after_backward)

    with pytest.raises(SystemExit) as error:
        train(state, loader, signalled_step, [InterruptHook()])
    assert error.value.code == code
    assert state.iteration == 4
    assert state.stop_reason == f"{signal.Signals(number).name} received"
    assert signal.getsignal(number) == before


def test_a_second_ctrl_c_ends_at_once(make_state: Any, loader: Any) -> None:
    def stuck_step(state: Any, data: Any, after_backward: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the second signal did not end the iteration")

    state = make_state(max_iter=100)
    with pytest.raises(KeyboardInterrupt):
        train(state, loader, stuck_step, [InterruptHook()])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_a_signal_nothing_changes(make_state: Any, loader: Any, step: Any) -> None:
    state = make_state(max_iter=3)
    train(state, loader, step, [InterruptHook()])
    assert (state.iteration, state.stop_reason) == (3, "")
