import errno
import json
import logging
import os
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from petlib.errors import OutputError
from petlib.events.storage import EvaluationRecord, TrainingRecord, Writer
from petlib.events.writers.console import ConsoleWriter
from petlib.events.writers.json_lines import JsonLinesWriter
from petlib.events.writers.tensorboard import TensorBoardWriter


def record(iteration: int, **changes: float) -> TrainingRecord:
    values = {"lr": 0.1, "eta_seconds": 10151.0, "memory_mb": 123.4, "iter_time": 0.16, "data_time": 0.0003, **changes}
    return TrainingRecord(
        iteration=iteration,
        max_iter=63960,
        epoch=1,
        total_epochs=164,
        losses={"loss": 2.5},
        metrics={"acc1": 0.25},
        **values,
    )


def test_the_console_line_has_the_shape_of_pet(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        ConsoleWriter(name="resnet110.yaml").write_training(record(20))
    first, second, third = caplog.messages[0].splitlines()
    assert first == "|-[resnet110.yaml]-[epoch: 1/164]-[iter: 20/63960]-[lr: 0.100000]-[eta: 2:49:11]"
    assert second.strip() == "|-[memory: 123M]-[iter_time: 0.1600s]-[data_time: 0.0003s]"
    assert third.strip() == "|-[loss: 2.5000]-[acc1: 0.2500]"


def test_a_run_without_epochs_shows_only_iterations(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        ConsoleWriter(name="x.yaml").write_training(TrainingRecord(20, 100, 1, 0, 0.1, 1.0, 1.0, 1.0, 0.0))
    assert caplog.messages[0].startswith("|-[x.yaml]-[iter: 20/100]-[lr: 0.100000]-[eta: 0:00:01]")


def test_json_lines_of_a_resumed_run_are_listed_once(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    writer = JsonLinesWriter(path=path, start_iteration=0)
    for iteration in (20, 40, 60):
        writer.write_training(record(iteration))
    writer.close()
    with path.open("a") as file:
        file.write('{"iteration": 80, "lo')
    writer = JsonLinesWriter(path=path, start_iteration=40)
    writer.write_training(record(60, lr=float("nan")))
    writer.write_evaluation(EvaluationRecord(60, {"cls/acc1": 0.5, "bbox/APl": float("nan")}))
    writer.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["iteration"] for line in lines] == [20, 40, 60, 60]
    assert lines[0]["loss"] == 2.5
    assert lines[2]["lr"] is None
    assert lines[3] == {"iteration": 60, "cls/acc1": 0.5, "bbox/APl": None}


def test_an_undefined_metric_is_a_dash(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        ConsoleWriter(name="x.yaml").write_evaluation(EvaluationRecord(20, {"bbox/AP": 0.5, "bbox/APl": float("nan")}))
    assert caplog.messages == ["|-[x.yaml]-[iter: 20]-[evaluation]-[bbox/AP: 0.5000]-[bbox/APl: -]"]


def test_tensorboard_gets_every_figure(tmp_path: Path) -> None:
    writer = TensorBoardWriter(folder=tmp_path, start_iteration=0)
    writer.write_training(record(20))
    writer.write_evaluation(EvaluationRecord(20, {"cls/acc1": 0.5, "bbox/APl": float("nan")}))
    writer.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {"lr", "time/iter_time", "time/data_time", "train/loss", "train/acc1", "eval/cls/acc1"}
    assert events.Scalars("train/loss")[0].value == 2.5
    assert events.Scalars("eval/cls/acc1")[0].step == 20


def steps(folder: Path) -> list[int]:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return [scalar.step for scalar in events.Scalars("train/loss")]


def test_a_resumed_run_purges_what_is_repeated(tmp_path: Path) -> None:
    first = TensorBoardWriter(folder=tmp_path, start_iteration=0)
    for iteration in (20, 40, 60):
        first.write_training(record(iteration))
    first.close()
    second = TensorBoardWriter(folder=tmp_path, start_iteration=40)
    second.write_training(record(60))
    second.close()
    assert steps(tmp_path) == [20, 40, 60]


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_its_events_anew(tmp_path: Path) -> None:
    for _ in range(2):
        writer = TensorBoardWriter(folder=tmp_path, start_iteration=0)
        for iteration in (1, 2, 3):
            writer.write_training(record(iteration))
        writer.close()
    assert steps(tmp_path) == [1, 2, 3]


def test_events_stay_in_order_when_the_clock_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for start, now in ((0, 2_000_000_000), (3, 1_900_000_000), (6, 1_800_000_000)):
        monkeypatch.setattr("time.time_ns", lambda now=now: now * 10**9)
        monkeypatch.setattr("time.time", lambda now=now: float(now))
        writer = TensorBoardWriter(folder=tmp_path, start_iteration=start)
        for iteration in range(start + 1, start + 5):
            writer.write_training(record(iteration))
        writer.close()
    assert steps(tmp_path) == list(range(1, 11))


@pytest.mark.parametrize("kind", ["json", "events"])
def test_figures_wait_for_room_on_the_disk(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "metrics.jsonl"
    writer: Writer = (
        JsonLinesWriter(path=path, start_iteration=0) if kind == "json" else TensorBoardWriter(folder=tmp_path, start_iteration=0)
    )
    writer.write_training(record(1))
    write = os.write

    def fail(descriptor: int, data: bytes) -> int:
        if len(data) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:-9])

    monkeypatch.setattr(os, "write", fail)
    writer.write_training(record(2))
    writer.write_training(record(3))
    monkeypatch.setattr(os, "write", write)
    writer.write_training(record(4))
    writer.close()
    found = [json.loads(line)["iteration"] for line in path.read_text().splitlines()] if kind == "json" else steps(tmp_path)
    assert found == [1, 2, 3, 4]
    assert ["it cannot be written: No space left on device" in caplog.messages[0], "nothing is lost" in caplog.messages[1]] == [True] * 2


def test_lines_out_of_order_and_cut_off_are_dropped_too(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"iteration": 1}\n{"iteration": 9}\nbroken\n{"iteration": 2}\n\xff\n[1]\n{"iteration": 3}')
    JsonLinesWriter(path=path, start_iteration=3).close()
    assert path.read_bytes() == b'{"iteration": 1}\n{"iteration": 2}\n'


def test_files_that_cannot_be_made_are_a_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="the metrics cannot be written: File exists; make room, or choose another JsonLinesWriter.path"):
        JsonLinesWriter(path=tmp_path / "file" / "metrics.jsonl", start_iteration=0)
    with pytest.raises(OutputError, match="the events cannot be written: Not a directory; make room, or set TensorBoardWriter False"):
        TensorBoardWriter(folder=tmp_path / "file" / "events", start_iteration=0)
