"""MLflow on SQLite, W&B offline and Trackio on this machine, each read back; skipped where a package is not installed."""

import importlib.util
import json
import sqlite3
import struct
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from petlib.trackers.connection import TrackerConnection
from petlib.trackers.tracker import FINISHED, STOPPED, TrackedRun

PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


def needs(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: it takes longer to install than CI has time for; pip install '.[{package}]'")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
        "WANDB_MODE": "offline",
        "TRACKIO_DIR": str(tmp_path / "trackio"),
        "HF_HUB_OFFLINE": "1",
    }.items():
        monkeypatch.setenv(name, value)
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text("A: 1\n")
    (run / "model_best.pth").write_bytes(b"weights")
    (run / "curves.png").write_bytes(PICTURE)
    return run


@contextmanager
def part_of_a_run(tracker: str, folder: Path, *, record: str = "", outcome: str = FINISHED, **settings: Any) -> Iterator[TrackerConnection]:
    """Track a part of a run, and let the tracker end."""
    run = TrackedRun("digits", "first", folder, {"SOLVER.OPTIMIZER.BASE_LR": 0.5, **settings})
    connection = TrackerConnection(tracker, run=run, record=record, imports=[], grace=10.0)
    yield connection
    connection.send(do="end", outcome=outcome)
    connection.finish(time.monotonic() + 150)


def send(connection: TrackerConnection, *iterations: int) -> None:
    for iteration in iterations:
        connection.send(do="figures", kind="training", iteration=iteration, figures={"lr": 0.1, "train/dots/nAP@0.5": iteration / 100})


def send_files(connection: TrackerConnection, folder: Path) -> None:
    for name in ("config.yaml", "model_best.pth"):
        connection.send(do="file", name=name, path=str(folder / name))
    connection.send(do="picture", name="curves.png", path=str(folder / "curves.png"), iteration=60)


def track_in_two_parts(tracker: str, folder: Path, caplog: pytest.LogCaptureFixture) -> str:
    """Track a run that was interrupted after iteration 40 and continued from iteration 20; return the id of its record."""
    with part_of_a_run(tracker, folder, outcome=STOPPED) as connection:
        send(connection, 20, 40)
    record = connection.record
    assert record
    with part_of_a_run(tracker, folder, record=record, **{"SOLVER.OPTIMIZER.BASE_LR": 0.25, "MISC.SEED": 4}) as connection:
        send(connection, 40, 60)
        send_files(connection, folder)
    assert connection.record == record
    assert caplog.messages == []
    return record


@pytest.mark.nightly
def test_mlflow(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    needs("mlflow")
    record = track_in_two_parts("mlflow", folder, caplog)
    with closing(sqlite3.connect(folder.parent / "mlflow.db")) as base:
        figures = base.execute("select step, value from metrics where key = 'train/dots/nAP_0.5' order by step").fetchall()
        assert figures == [(20, 0.2), (40, 0.4), (60, 0.6)]
        assert base.execute("select run_uuid, name, status from runs").fetchall() == [(record, "first", "FINISHED")]
        parameters = dict(base.execute("select key, value from params").fetchall())
        assert parameters == {"SOLVER.OPTIMIZER.BASE_LR": "0.5", "MISC.SEED": "4"}
        assert ("digits",) in base.execute("select name from experiments").fetchall()
        (place,) = base.execute("select artifact_uri from runs").fetchone()
    kept = {str(path.relative_to(place)) for path in Path(place).rglob("*") if path.is_file()}
    assert kept == {"files/config.yaml", "files/model_best.pth", "pictures/curves.png"}


@pytest.mark.nightly
def test_mlflow_that_does_not_answer(folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:hidden@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with part_of_a_run("mlflow", folder) as connection:
        send(connection, 20)
    (message,) = caplog.messages
    assert message.startswith("tracker mlflow: it cannot begin: ")
    assert message.endswith("the training goes on")
    assert "hidden" not in message and "127.0.0.1" not in message, message


@pytest.mark.nightly
def test_wandb(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    needs("wandb")
    record = track_in_two_parts("wandb", folder, caplog)
    parts = sorted(folder.glob(f"wandb/offline-run-*-{record}/run-{record}.wandb"))
    assert len(parts) == 2, "wandb sync joins them by their id"
    figures = [step for part in parts for step in wandb_history(part)]
    assert [(step["_step"], step["train/dots/nAP@0.5"]) for step in figures if "lr" in step] == [(20, 0.2), (40, 0.4), (60, 0.6)]
    assert [step["_step"] for step in figures if any(name.startswith("pictures/curves.png") for name in step)] == [60]


def wandb_history(path: Path) -> list[dict[str, Any]]:
    """Return what an offline run recorded, by iteration."""
    from wandb.proto import wandb_internal_pb2

    found = []
    for data in leveldb_records(path.read_bytes()[7:], first_block=32768 - 7):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            items = {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            found.append({"_step": record.history.step.num, **items})
    return found


def leveldb_records(log: bytes, first_block: int) -> Iterator[bytes]:
    """Yield the records of a log of LevelDB: blocks of 32 KiB with parts of records, each with checksum, length and kind."""
    place, left, record = 0, first_block, b""
    while place + 7 <= len(log):
        if left < 7:
            place, left = place + left, 32768
            continue
        length, kind = struct.unpack("<HB", log[place + 4 : place + 7])
        record += log[place + 7 : place + 7 + length]
        place, left = place + 7 + length, left - 7 - length
        if kind in (1, 4):
            yield record
            record = b""


@pytest.mark.nightly
def test_trackio(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    needs("trackio")
    record = track_in_two_parts("trackio", folder, caplog)
    (path,) = (folder.parent / "trackio").glob("digits.db")
    with closing(sqlite3.connect(path)) as base:
        rows = base.execute("select run_name, step, metrics from metrics order by step").fetchall()
    assert {row[0] for row in rows} == {record}
    assert [row[1] for row in rows if "nAP@0.5" in str(row[2])] == [20, 40, 60]
    assert [row[1] for row in rows if "pictures/curves.png" in str(row[2])] == [60]
