import re
import time
from typing import Any

import pytest
import torch

from petlib.engine.hook import Hook
from petlib.engine.hooks.metric_writer import MetricWriterHook
from petlib.engine.hooks.timer import TimerHook
from petlib.engine.loop import train


class RecordingWriter:
    def __init__(self) -> None:
        self.records: list[Any] = []
        self.closed = 0

    def write_training(self, record: Any) -> None:
        self.records.append(record)

    def write_evaluation(self, record: Any) -> None:
        raise AssertionError("nothing is evaluated here")

    def close(self) -> None:
        self.closed += 1


def run(state: Any, loader: Any, step: Any, **options: Any) -> RecordingWriter:
    writer, timer = RecordingWriter(), TimerHook()
    train(state, loader, step, [MetricWriterHook(make_writers=lambda start: [writer], every=3, timer=timer, **options), timer])
    return writer


def test_windows_end_at_every_third_iteration_and_at_the_end(make_state: Any, loader: Any, step: Any) -> None:
    writer = run(make_state(max_iter=7), loader, step)
    assert [record.iteration for record in writer.records] == [3, 6, 7]
    assert [record.epoch for record in writer.records] == [1, 2, 2]
    assert writer.closed == 1
    first = writer.records[0]
    assert first.lr == 0.1
    assert first.max_iter == 7
    assert first.memory_mb > 10
    assert first.iter_time > 0


def test_the_first_iteration_shows_that_the_run_goes(make_state: Any, loader: Any, step: Any, caplog: pytest.LogCaptureFixture) -> None:
    def slow_step(state: Any, data: Any, after_backward: Any) -> None:
        time.sleep(0.05)
        step(state, data, after_backward)

    caplog.set_level("INFO", logger="petlib.engine.hooks.metric_writer")
    run(make_state(max_iter=7), loader, slow_step)
    (line,) = [record.getMessage() for record in caplog.records if "first iteration" in record.getMessage()]
    found = re.fullmatch(
        r"the first iteration took (.+) s, (.+) s of it waiting for data; memory: (\d+)M; the first figures come at iteration 3", line
    )
    assert found, line
    assert float(found[1]) >= 0.05
    assert 0.0 <= float(found[2]) <= float(found[1])
    assert int(found[3]) > 10


def test_the_losses_are_the_means_of_the_window(make_state: Any, loader: Any) -> None:
    def numbered_step(state: Any, data: Any, after_backward: Any) -> None:
        loss = torch.tensor(float(state.iteration))
        state.storage.put({"loss": loss}, {"acc1": loss / 10}, total=loss)

    writer = run(make_state(max_iter=6), loader, numbered_step)
    assert [record.losses for record in writer.records] == [{"loss": 1.0}, {"loss": 4.0}]
    assert [record.metrics["acc1"] for record in writer.records] == pytest.approx([0.1, 0.4])


def test_writers_are_closed_when_the_run_fails(make_state: Any, loader: Any) -> None:
    def failing_step(state: Any, data: Any, after_backward: Any) -> None:
        raise RuntimeError("boom")

    writer, timer = RecordingWriter(), TimerHook()
    with pytest.raises(RuntimeError, match="boom"):
        train(
            make_state(max_iter=2),
            loader,
            failing_step,
            [MetricWriterHook(make_writers=lambda start: [writer], every=3, timer=timer), timer],
        )
    assert writer.closed == 1


def test_short_windows_are_written_together_but_none_is_lost_before_a_checkpoint(
    make_state: Any, loader: Any, step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # on a busy machine a window may take a second, which is still short to this
    monkeypatch.setattr("petlib.engine.hooks.metric_writer.SECONDS_BETWEEN_WRITES", 1000.0)
    written: dict[int, list[int]] = {}

    def watching_step(state: Any, data: Any, after_backward: Any) -> None:
        written[state.iteration] = [record.iteration for record in state.writers[0].records]
        step(state, data, after_backward)

    writer = run(make_state(max_iter=30), loader, watching_step, write_at=(0, 20))
    assert written[3] == [3]
    assert written[19] == [3], "windows of a few microseconds wait for others"
    assert written[20] == [3, 6, 9, 12, 15, 18]
    assert [record.iteration for record in writer.records] == list(range(3, 31, 3))


def test_long_windows_are_written_at_once(make_state: Any, loader: Any, step: Any) -> None:
    written: dict[int, int] = {}

    def slow_step(state: Any, data: Any, after_backward: Any) -> None:
        written[state.iteration] = len(state.writers[0].records)
        time.sleep(0.15)
        step(state, data, after_backward)

    run(make_state(max_iter=8), loader, slow_step)
    assert (written[3], written[6]) == (1, 2)


def test_windows_are_written_before_an_unplanned_save_and_before_the_last_one(make_state: Any, loader: Any, step: Any) -> None:
    writer, timer = RecordingWriter(), TimerHook()
    hook = MetricWriterHook(make_writers=lambda start: [writer], every=1, timer=timer)
    written: list[list[int]] = []

    class Saving(Hook):
        order = 90
        key = "saving"

        def before_step(self, state: Any) -> None:
            if state.iteration == 6:
                hook.write_ended(state)
                written.append([record.iteration for record in writer.records])

        def after_step(self, state: Any) -> None:
            if state.stop_reason:
                written.append([record.iteration for record in writer.records])

    class Stopping(Hook):
        order = 10
        key = "stopping"

        def after_step(self, state: Any) -> None:
            if state.iteration == 8:
                state.stop_reason = "it was asked for"

    train(make_state(max_iter=20), loader, step, [hook, timer, Saving(), Stopping()])
    assert written == [list(range(1, 7)), list(range(1, 9))]
    assert [record.iteration for record in writer.records] == list(range(1, 9))
