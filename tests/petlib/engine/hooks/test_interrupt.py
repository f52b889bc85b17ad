import os
import signal
from contextlib import suppress
from typing import Any

import pytest
import torch

from petlib import distributed
from petlib.engine.hooks.checkpoint import CheckpointHook
from petlib.engine.hooks.interrupt import InterruptHook
from petlib.engine.loop import train
from petlib.engine.state import TrainState


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


def test_the_request_to_save_is_fulfilled_before_the_next_iteration(make_state: Any, loader: Any, step: Any) -> None:
    state, saved = make_state(max_iter=6), []
    before = signal.getsignal(signal.SIGUSR1)

    def signalled_step(state: Any, data: Any, after_backward: Any) -> None:
        if state.iteration in (2, 5):
            os.kill(os.getpid(), signal.SIGUSR1)
        step(state, data, after_backward)

    train(state, loader, signalled_step, [InterruptHook(save=lambda state: saved.append(state.iteration))])
    # after the last iteration the end of the run saves
    assert (saved, state.iteration, state.stop_reason) == ([3], 6, "")
    assert signal.getsignal(signal.SIGUSR1) == before


def test_a_checkpoint_is_not_saved_twice_after_one_iteration(make_state: Any, loader: Any, step: Any) -> None:
    state, checkpoint = make_state(max_iter=6), CheckpointHook(every=2, config="")

    def signalled_step(state: Any, data: Any, after_backward: Any) -> None:
        if state.iteration in (1, 2):
            os.kill(os.getpid(), signal.SIGUSR1)
        step(state, data, after_backward)

    train(state, loader, signalled_step, [InterruptHook(save=checkpoint.save_now), checkpoint])
    assert [iteration for iteration, _ in state.checkpointer.saved] == [2, 3, 4, 6]


def test_without_a_way_to_save_the_request_is_left_alone(make_state: Any, loader: Any, step: Any) -> None:
    before = signal.getsignal(signal.SIGUSR1)
    seen = []

    def looking_step(state: Any, data: Any, after_backward: Any) -> None:
        seen.append(signal.getsignal(signal.SIGUSR1))
        step(state, data, after_backward)

    train(make_state(max_iter=1), loader, looking_step, [InterruptHook()])
    assert seen == [before]


class RankLoader:
    def batches(self, start_iteration: int, max_iter: int) -> Any:
        yield from ({} for _ in range(start_iteration, max_iter))


def requests_of_ranks(requests: dict[int, dict[int, int]], max_iter: int, exchange_seconds: float) -> tuple[list[int], int]:
    """Send this rank signals before iterations; return after which iterations it saved, and the last one."""
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    length: Any = {"max_iter": max_iter, "iterations_per_epoch": 5, "checkpointer": None}
    state, saved = TrainState(model=model, optimizers={"main": optimizer}, schedulers={}, **length), []

    def step(state: Any, data: Any, after_backward: Any) -> None:
        next(data)
        if number := requests.get(distributed.rank(), {}).get(state.iteration):
            os.kill(os.getpid(), number)

    with suppress(SystemExit):
        hook = InterruptHook(save=lambda state: saved.append(state.iteration), exchange_seconds=exchange_seconds)
        train(state, RankLoader(), step, [hook])
    return saved, state.iteration


def test_all_ranks_save_and_stop_after_the_same_iterations(run_ranks: Any) -> None:
    requests = {0: {4: signal.SIGUSR1, 20: signal.SIGTERM}, 1: {4: signal.SIGUSR1, 12: signal.SIGUSR1}}
    assert run_ranks(requests_of_ranks, 2, requests, 30, 0.0) == [([6, 14], 22)] * 2


def test_ranks_with_short_iterations_exchange_now_and_then_and_stop_together(run_ranks: Any) -> None:
    requests = {0: {}, 1: {4: signal.SIGUSR1, 500: signal.SIGTERM}}
    first, second = run_ranks(requests_of_ranks, 2, requests, 1000, 3600.0)
    assert first == second
    saved, last = first
    assert [4 < iteration < 4 + 3 * 15 for iteration in saved] == [True]
    assert 500 + 15 < last < 500 + 3 * 15
