from typing import Any

import pytest

from petlib.engine.hooks.metric_writer import MetricWriterHook
from petlib.engine.hooks.timer import TimerHook
from petlib.engine.loop import train


class RecordingWriter:
    def __init__(self) -> None:
        self.records: list[Any] = []
        self.ticks: list[int] = []
        self.closed = 0

    def write_training(self, record: Any) -> None:
        self.records.append(record)

    def write_evaluation(self, record: Any) -> None:
        raise AssertionError("nothing is evaluated here")

    def tick(self, iteration: int) -> None:
        self.ticks.append(iteration)

    def close(self) -> None:
        self.closed += 1


def run(state: Any, loader: Any, step: Any, *more: Any) -> RecordingWriter:
    writer, timer = RecordingWriter(), TimerHook()
    train(state, loader, step, [MetricWriterHook(make_writers=lambda start: [writer], every=3, timer=timer), timer, *more])
    return writer


def test_windows_end_at_every_third_iteration_and_at_the_end(make_state: Any, loader: Any, step: Any) -> None:
    writer = run(make_state(max_iter=7), loader, step)
    assert [record.iteration for record in writer.records] == [3, 6, 7]
    assert [record.epoch for record in writer.records] == [1, 2, 2]
    assert writer.ticks == list(range(1, 8))
    assert writer.closed == 1
    first = writer.records[0]
    assert first.lr == 0.1
    assert first.max_iter == 7
    assert first.memory_mb > 10
    assert first.iter_time > 0


def test_the_losses_are_the_means_of_the_window(make_state: Any, loader: Any, step: Any) -> None:
    seen: list[float] = []

    def watching_step(state: Any, data: Any, after_backward: Any) -> None:
        step(state, data, after_backward)
        seen.append(state.storage.latest_losses()["loss"])

    writer = run(make_state(max_iter=6), loader, watching_step)
    assert [record.losses["loss"] for record in writer.records] == pytest.approx([sum(seen[:3]) / 3, sum(seen[3:]) / 3])


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
