"""The process of a tracker, as a run uses it: what arrives, and what a tracker that raises or hangs costs."""

import json
import logging
import time
from pathlib import Path

import pytest

from petlib.trackers.connection import TrackerConnection, known_record
from petlib.trackers.tracker import FINISHED, TrackedRun

PLANTED = "tests.petlib.trackers.planted"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def connect(name: str, folder: Path, record: str = "") -> TrackerConnection:
    run = TrackedRun("digits", "first", folder, {"SOLVER.OPTIMIZER.BASE_LR": 0.5})
    return TrackerConnection(name, run=run, record=record, imports=[PLANTED], grace=1.0)


def send_figures(connection: TrackerConnection, *iterations: int) -> None:
    for iteration in iterations:
        connection.send(do="figures", kind="training", iteration=iteration, figures={"lr": 0.1})


def end(connection: TrackerConnection, seconds: float = 60.0) -> None:
    connection.send(do="end", outcome=FINISHED)
    connection.finish(time.monotonic() + seconds)


def kept(folder: Path) -> list[list[object]]:
    return [json.loads(line) for line in (folder / "kept.jsonl").read_text().splitlines()]


def test_a_tracker_gets_all_and_a_run_that_continues_repeats_nothing(folder: Path) -> None:
    (folder / "config.yaml").write_text("A: 1")
    first = connect("keeps", folder)
    first.send(do="file", name="config.yaml", path=str(folder / "config.yaml"))
    send_figures(first, 20, 40)
    first.send(do="figures", kind="evaluation", iteration=40, figures={"eval/cls/acc1": 0.5})
    first.send(do="picture", name="curves.png", path="curves.png", iteration=40)
    end(first)
    assert kept(folder) == [
        ["begin", "", "digits", "first", {"SOLVER.OPTIMIZER.BASE_LR": 0.5}],
        ["file", "config.yaml", 4],
        ["figures", 20, {"lr": 0.1}],
        ["figures", 40, {"lr": 0.1}],
        ["figures", 40, {"eval/cls/acc1": 0.5}],
        ["picture", "curves.png", 40],
        ["end", "finished"],
    ]
    assert first.record == known_record(folder, "keeps") == "record-1"
    again = connect("keeps", folder, record=first.record)
    send_figures(again, 40, 60)
    end(again)
    assert [words[:2] for words in kept(folder)[7:]] == [["begin", "record-1"], ["figures", 60], ["end", "finished"]]


def test_a_new_record_begins_with_its_first_figures(folder: Path) -> None:
    for _ in range(2):
        connection = connect("keeps", folder)
        send_figures(connection, 20)
        end(connection)
    assert [words[0] for words in kept(folder)] == 2 * ["begin", "figures", "end"]


def test_a_tracker_that_raises_is_one_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    connection = connect("raises", folder)
    send_figures(connection, 20, 40, 60)
    end(connection)
    assert caplog.messages == [
        "tracker raises: ConnectionError: no answer; the training goes on",
        "tracker raises: 0 messages were lost, 3 failed",
    ]
    assert [words[0] for words in kept(folder)] == ["begin", "end"]


def test_a_tracker_that_cannot_begin_is_one_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    connection = connect("cannot_begin", folder)
    end(connection)
    send_figures(connection, 20)
    assert caplog.messages == ["tracker cannot_begin: it cannot begin: PermissionError: token refused; the training goes on"]
    assert connection.record == ""


def test_a_tracker_that_hangs_costs_no_time_and_no_memory(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    connection = connect("hangs", folder)
    figures = {f"train/loss_{number}": 0.5 for number in range(1000)}
    started = time.process_time()
    for iteration in range(400):
        connection.send(do="figures", kind="training", iteration=iteration, figures=figures)
    assert time.process_time() - started < 5, "sending must not wait"
    end(connection, seconds=0.2)
    first, second, third = caplog.messages
    assert first == "tracker hangs: it does not keep up, or hangs: what it does not take is lost to it; the training goes on"
    assert second.startswith("tracker hangs: it has not recorded everything in time: what is left is lost to it (TrackersHook.timeout)")
    assert "messages were lost, 0 failed" in third
    assert not (folder / "kept.jsonl").exists()


def test_a_module_that_is_missing_is_one_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = TrackedRun("digits", "first", folder, {})
    with caplog.at_level(logging.WARNING):
        end(TrackerConnection("keeps", run=run, record="", imports=["no_such_module"], grace=1.0))
    (message,) = caplog.messages
    assert "there is no module 'no_such_module'" in message
