import logging
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from petlib.distributed.process_group import rank
from petlib.engine.hooks.checkpoint import CheckpointHook
from petlib.engine.hooks.metric_writer import MetricWriterHook
from petlib.engine.hooks.nan_guard import NanGuardHook, TrainingDivergedError
from petlib.engine.hooks.timer import TimerHook
from petlib.engine.loop import train
from petlib.engine.state import Batch, BatchStream, TrainState
from tests.conftest import RunRanks


def poisoned(step: Any, at: int, value: float) -> Any:
    """Return a step before which the weights become ``value`` once ``at`` iterations are done."""

    def run(state: Any, data: Any, after_backward: Any) -> None:
        if state.iteration == at:
            state.model.layer.weight.data.fill_(value)
        step(state, data, after_backward)

    return run


class NamedLoader:
    def batches(self, start_iteration: int, max_iter: int) -> Iterator[Batch]:
        for iteration in range(start_iteration, max_iter):
            yield {"x": torch.ones(8, 1) * iteration}

    def samples_of(self, iteration: int) -> list[dict[str, Any]]:
        return [{"index": 10 * iteration + place, "file": f"{place}.png"} for place in range(10)]


@pytest.mark.parametrize(("bad", "word"), [(float("nan"), "nan"), (float("inf"), "inf")])
def test_the_run_ends_before_such_weights_are_saved(make_state: Any, loader: Any, step: Any, bad: float, word: str) -> None:
    state = make_state(max_iter=20)
    hooks = [NanGuardHook(every=(0, 4)), CheckpointHook(every=4, config="")]
    with pytest.raises(TrainingDivergedError, match=rf"the loss became {word} in iteration 7 \(learning rate 0.1"):
        train(state, loader, poisoned(step, 6, bad), hooks)
    assert state.iteration == 8
    assert state.checkpointer.saved == [(4, False)]


def test_finite_losses_pass(make_state: Any, loader: Any, step: Any) -> None:
    state = make_state(max_iter=5)
    train(state, loader, step, [NanGuardHook(every=(2, 0))])
    assert state.iteration == 5


@pytest.mark.parametrize(("at", "every"), [(1, 3), (0, 1), (4, 3), (8, 3)])
def test_the_first_bad_iteration_of_what_is_written_is_found(make_state: Any, loader: Any, step: Any, at: int, every: int) -> None:
    state, timer = make_state(max_iter=20), TimerHook()
    writer = MetricWriterHook(make_writers=lambda start: [], every=every, timer=timer)
    with pytest.raises(TrainingDivergedError, match=f"the loss became nan in iteration {at + 1} "):
        train(state, loader, poisoned(step, at, float("nan")), [timer, writer, NanGuardHook(every=())])


def test_the_samples_of_the_iteration_are_named(make_state: Any, step: Any, caplog: pytest.LogCaptureFixture) -> None:
    state = make_state(max_iter=6)
    with caplog.at_level(logging.ERROR), pytest.raises(TrainingDivergedError) as caught:
        train(state, NamedLoader(), poisoned(step, 2, float("nan")), [NanGuardHook(every=(6,))])
    assert "The samples of that iteration: 20 (0.png), 21 (1.png), " in str(caught.value)
    assert "27 (7.png) and 2 more (all are in the log).\n" in str(caught.value)
    assert "iteration 3 is not finite; its samples: 20 (0.png), " in caplog.messages[0]
    assert caplog.messages[0].endswith("28 (8.png), 29 (9.png)")


def test_weights_are_looked_at_where_the_loss_is_still_finite(make_state: Any, loader: Any, step: Any) -> None:
    state = make_state(max_iter=8)

    def step_to_nan(state: Any, data: Any, after_backward: Any) -> None:
        step(state, data, after_backward)
        if state.iteration == 3:
            state.model.layer.weight.data.fill_(float("inf"))

    with pytest.raises(TrainingDivergedError, match="weights or gradients became NaN or infinite by iteration 4, while the loss is finite"):
        train(state, loader, step_to_nan, [NanGuardHook(every=(4,)), CheckpointHook(every=4, config="")])
    assert state.checkpointer.saved == []


def test_buffers_are_looked_at_unless_they_hold_infinity_by_design(make_state: Any, loader: Any, step: Any) -> None:
    state = make_state(max_iter=4)
    state.model.register_buffer("mask", torch.tensor([0.0, -float("inf")]))
    train(state, loader, step, [NanGuardHook(every=(2,))])
    state = make_state(max_iter=4)

    def step_to_nan(state: Any, data: Any, after_backward: Any) -> None:
        step(state, data, after_backward)
        state.model.norm.running_mean.fill_(float("nan"))

    with pytest.raises(TrainingDivergedError, match="by iteration 2"):
        train(state, loader, step_to_nan, [NanGuardHook(every=(2,))])


class OneSample:
    """Rank 1 has a bad batch in the third iteration, which rank 0 sees in no line and no gradient."""

    def batches(self, start_iteration: int, max_iter: int) -> Iterator[Batch]:
        for iteration in range(start_iteration, max_iter):
            bad = float("nan") if iteration == 2 and rank() == 1 else 1.0
            yield {"x": torch.ones(1, 1) * bad}

    def samples_of(self, iteration: int) -> list[dict[str, Any]]:
        return [{"index": 10 * rank() + iteration}]


def stop_on_ranks() -> tuple[int, str]:
    model = torch.nn.Linear(1, 1)
    state = TrainState(
        model=model,
        optimizers={"main": torch.optim.SGD(model.parameters(), lr=0.1)},
        schedulers={},
        max_iter=8,
        iterations_per_epoch=8,
        checkpointer=None,  # type: ignore[arg-type]  # nothing is saved here
    )

    def step(state: TrainState, data: BatchStream, after_backward: Any) -> None:
        total = state.model(next(data)["x"]).mean()
        state.storage.put({"loss": total}, {}, total=total)

    try:
        train(state, OneSample(), step, [NanGuardHook(every=(4,))])
    except TrainingDivergedError as error:
        return state.iteration, str(error)
    return state.iteration, "no error"


def test_ranks_stop_together_and_name_whose_batch_it_was(run_ranks: RunRanks) -> None:
    first, second = run_ranks(stop_on_ranks, 2)
    assert first == second
    iteration, message = first
    assert iteration == 4
    assert message.startswith("the loss became nan in iteration 3 (learning rate 0.1).\n  The samples of that iteration: 12.\n")
