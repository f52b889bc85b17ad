import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR

from petlib.checkpoint.checkpointer import Checkpointer
from petlib.engine.hooks.checkpoint import CheckpointHook
from petlib.engine.hooks.lr_schedule import LRScheduleHook
from petlib.engine.hooks.metric_writer import MetricWriterHook
from petlib.engine.hooks.nan_guard import TrainingDivergedError
from petlib.engine.hooks.rollback import RollbackHook
from petlib.engine.hooks.timer import TimerHook
from petlib.engine.loop import train
from petlib.engine.state import TrainState
from petlib.events.writers.json_lines import JsonLinesWriter


class Recorder:
    """A step that writes down which iterations it did with which rate, and fails in some of them."""

    def __init__(self, step: Any, fails_in: set[int]) -> None:
        self._step = step
        self._fails_in = fails_in
        self.done: list[int] = []
        self.rates: dict[int, float] = {}

    def __call__(self, state: TrainState, data: Any, after_backward: Any) -> None:
        self.done.append(state.iteration + 1)
        self.rates[state.iteration + 1] = state.optimizer.param_groups[0]["lr"]
        self._step(state, data, after_backward)
        if state.iteration + 1 in self._fails_in:
            state.model.layer.weight.data.fill_(float("nan"))


def run(make_state: Any, loader: Any, step: Any, folder: Path, *, max_iter: int = 12, save_every: int = 4, limit: int = 2) -> TrainState:
    state: TrainState = make_state(max_iter=max_iter)
    state.checkpointer = Checkpointer(folder)
    state.schedulers = {"main": LambdaLR(state.optimizer, lambda iteration: 0.9**iteration)}
    timer = TimerHook()
    hooks = [
        timer,
        MetricWriterHook(
            make_writers=lambda start: [JsonLinesWriter(path=folder / "metrics.jsonl", start_iteration=start)],
            every=2,
            write_at=(save_every,),
            timer=timer,
        ),
        RollbackHook(every=(save_every,), save_every=save_every, limit=limit),
        LRScheduleHook(),
        CheckpointHook(every=save_every, config="", saves_beginning=True),
    ]
    train(state, loader, step, hooks)
    return state


def test_the_run_goes_on_behind_the_iteration_that_failed(
    make_state: Any, loader: Any, step: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder(step, {6})
    with caplog.at_level(logging.WARNING):
        state = run(make_state, loader, recorder, tmp_path)
    # the weights are bad after 6; the loss of 7 shows it, which is seen when the figures of 8 are written
    assert recorder.done == [1, 2, 3, 4, 5, 6, 7, 8, 8, 9, 10, 11, 12]
    assert recorder.rates == pytest.approx({iteration: 0.1 * 0.9 ** (iteration - 1) for iteration in range(1, 13)})
    assert "iteration 7 is not finite: back to the weights of iteration 4, on with iteration 8; gone back so far: 1" in caplog.messages
    assert caplog.messages[-1] == "the run went back to a checkpoint 1 times because something was not finite"
    assert state.iteration == 12
    assert bool(state.model.layer.weight.isfinite().all())
    lines = [line for line in (tmp_path / "metrics.jsonl").read_text().splitlines() if '"iteration"' in line]
    iterations = [int(line.split('"iteration": ')[1].split(",")[0]) for line in lines]
    assert iterations == sorted(set(iterations))


def test_the_weights_are_those_of_the_checkpoint_and_the_batches_left_out(make_state: Any, loader: Any, step: Any, tmp_path: Path) -> None:
    state = run(make_state, loader, Recorder(step, {6}), tmp_path, save_every=4)
    expected = make_state(max_iter=12)
    expected.schedulers = {}
    for iteration, batch in enumerate(loader.batches(0, 12), start=1):
        if iteration in (5, 6, 7):
            continue
        expected.optimizer.param_groups[0]["lr"] = 0.1 * 0.9 ** (iteration - 1)
        step(expected, iter([batch]), lambda _: None)
    for name, value in state.network.state_dict().items():
        if name != "norm.num_batches_tracked":
            torch.testing.assert_close(value, expected.network.state_dict()[name])


def test_before_the_first_checkpoint_the_run_goes_back_to_its_beginning(make_state: Any, loader: Any, step: Any, tmp_path: Path) -> None:
    recorder = Recorder(step, {1})
    run(make_state, loader, recorder, tmp_path, max_iter=4)
    assert recorder.done[0] == 1
    assert recorder.done[-2:] == [3, 4]


def test_the_last_iteration_may_fail(make_state: Any, loader: Any, step: Any, tmp_path: Path) -> None:
    state = run(make_state, loader, Recorder(step, {12}), tmp_path)
    saved = torch.load(tmp_path / "model_latest.pth", weights_only=True)
    assert saved["iteration"] == state.iteration == 12
    assert saved["hooks"]["nan_guard"] == {"count": 1, "in_a_row": 0}
    assert bool(saved["model"]["layer.weight"].isfinite().all())


def test_a_run_that_only_goes_back_ends(make_state: Any, loader: Any, step: Any, tmp_path: Path) -> None:
    message = r"^the run went back 2 times without a new checkpoint \(RollbackHook.limit\): the loss became nan in iteration"
    with pytest.raises(TrainingDivergedError, match=message):
        run(make_state, loader, Recorder(step, set(range(5, 100))), tmp_path, max_iter=40, save_every=10)
    saved = torch.load(tmp_path / "model_latest.pth", weights_only=True)
    assert bool(saved["model"]["layer.weight"].isfinite().all())
    assert saved["hooks"]["nan_guard"]["in_a_row"] == 2


def test_a_new_checkpoint_begins_the_count_anew(make_state: Any, loader: Any, step: Any, tmp_path: Path) -> None:
    state = run(make_state, loader, Recorder(step, {6, 14, 22, 30}), tmp_path, max_iter=40, limit=1)
    assert state.iteration == 40
