"""Folders that are full, read-only or do not answer: a save fails in time, on all ranks, and the checkpoint before stays."""

import datetime
import errno
import logging
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch

from petlib import distributed
from petlib.checkpoint import Checkpointer
from petlib.checkpoint.background import Worker
from petlib.checkpoint.files import Sink
from petlib.errors import CheckpointError

OVERDUE = r"model_iter2\.pth: the checkpoint is not on the disk after \d+ s \(Checkpointer\.timeout is 1 s\): the folder does not answer"


@pytest.fixture
def stall(monkeypatch):
    """Let the disk not answer until the event is set."""
    answers = threading.Event()
    monkeypatch.setattr(os, "fsync", lambda descriptor: answers.wait(60))
    yield answers
    answers.set()


def saved_once(folder, **arguments):
    """Return a checkpointer of a folder that has a checkpoint, whose save could take all the time that it needed."""
    first = Checkpointer(folder)
    first.save({"iteration": 1}, iteration=1)
    first.wait()
    return Checkpointer(folder, **arguments)


def test_a_stalled_save_fails_in_time_and_is_accepted_when_it_is_finished_after_all(tmp_path, monkeypatch, caplog):
    checkpointer = saved_once(tmp_path, timeout=1)
    answers, fsync = threading.Event(), os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: answers.wait(60) and fsync(descriptor))
    checkpointer.save({"iteration": 2}, iteration=2)
    assert not checkpointer.stalled
    with pytest.raises(CheckpointError, match=OVERDUE + ".*; the previous checkpoint is untouched"):
        checkpointer.wait()
    assert checkpointer.stalled
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(CheckpointError, match=OVERDUE):
            checkpointer.save({"iteration": 3}, iteration=3)
    with pytest.raises(CheckpointError, match=OVERDUE):
        checkpointer.finish()
    assert time.monotonic() - began < 15, "what is late already is not waited for again"
    assert Checkpointer(tmp_path).read_latest() == {"iteration": 1}
    threading.Timer(0.1, answers.set).start()
    checkpointer.wait(patient=True)
    assert not checkpointer.stalled
    assert "model_iter2.pth: the checkpoint that took too long is saved after all" in caplog.text
    checkpointer.save({"iteration": 3}, iteration=3)
    checkpointer.wait(patient=True)
    assert checkpointer.read_latest() == {"iteration": 3}


def test_a_stalled_save_in_the_foreground_fails_in_time_too(tmp_path, stall):
    checkpointer = Checkpointer(tmp_path, background=False, timeout=0.2)
    with pytest.raises(CheckpointError, match=r"model_iter2\.pth: the checkpoint is not on the disk after"):
        checkpointer.save({}, iteration=2)


def test_a_next_save_waits_for_the_one_before(tmp_path, monkeypatch):
    checkpointer = Checkpointer(tmp_path)
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: time.sleep(0.1) or fsync(descriptor))
    for iteration in (1, 2):
        checkpointer.save({"data": torch.full((1000,), iteration)}, iteration=iteration)
    assert Checkpointer(tmp_path).read_latest()["data"].eq(1).all()
    checkpointer.wait()
    assert Checkpointer(tmp_path).read_latest()["data"].eq(2).all()


SCRIPT = """
import os, sys, time
from petlib.checkpoint import Checkpointer

fsync, seconds = os.fsync, float(sys.argv[2])
os.fsync = lambda descriptor: time.sleep(seconds) or fsync(descriptor)
checkpointer = Checkpointer(sys.argv[1], timeout=float(sys.argv[3]))
checkpointer.save({"iteration": 1}, iteration=1)
sys.exit(7)
"""


@pytest.mark.parametrize(("stall", "timeout", "saved"), [(0.3, 60, True), (600, 1, False)], ids=["slow", "stuck"])
def test_a_process_that_ends_waits_for_the_writer_but_not_for_ever(tmp_path, stall, timeout, saved):
    done = subprocess.run([sys.executable, "-c", SCRIPT, tmp_path, str(stall), str(timeout)], capture_output=True, text=True, timeout=180)
    assert done.returncode == 7, done.stderr
    assert (tmp_path / "model_latest.pth").exists() == saved
    assert ("checkpoint-writer: not finished after" in done.stderr) != saved


def refuse(*_, **__):
    raise OSError(errno.EROFS, "Read-only file system")


def test_a_read_only_folder_is_reported_and_the_next_save_may_succeed(tmp_path, monkeypatch):
    checkpointer = saved_once(tmp_path)
    with monkeypatch.context() as patch:
        for name in ("replace", "link", "unlink", "mkdir"):
            patch.setattr(os, name, refuse)
        checkpointer.save({}, iteration=2)
        with pytest.raises(CheckpointError, match=r"model_iter2\.pth.*Read-only file system; the previous checkpoint is untouched"):
            checkpointer.wait()
    assert checkpointer.read_latest() == {"iteration": 1}
    checkpointer.save({"iteration": 3}, iteration=3)
    assert checkpointer.read_latest() == {"iteration": 3}


def test_where_only_the_old_ones_cannot_be_removed_the_save_has_succeeded(tmp_path, monkeypatch, caplog):
    checkpointer = saved_once(tmp_path, keep=1)
    unlink = os.unlink
    monkeypatch.setattr(os, "unlink", lambda path, **options: refuse() if "model_iter1" in str(path) else unlink(path, **options))
    checkpointer.save({"iteration": 2}, iteration=2)
    assert checkpointer.read_latest() == {"iteration": 2}
    assert "model_iter2.pth is saved, but an older checkpoint cannot be removed: [Errno 30] Read-only file system" in caplog.text


def test_what_a_failed_write_left_is_removed_and_a_failing_removal_hides_nothing(tmp_path, monkeypatch):
    checkpointer = saved_once(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")))
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", lambda path, **_: refuse() if os.path.lexists(path) else (_ for _ in ()).throw(FileNotFoundError()))
        checkpointer.save({}, iteration=2)
        with pytest.raises(CheckpointError, match="No space left on device"):
            checkpointer.wait()
    with pytest.raises(CheckpointError, match="No space left on device"):
        checkpointer.save({}, iteration=2)
        checkpointer.wait()
    assert {path.name for path in tmp_path.iterdir()} == {"model_iter1.pth", "model_latest.pth"}


def fail_on_rank_zero(folder):
    checkpointer = saved_once(folder)
    messages = []
    if distributed.is_main_process():
        Sink.write = refuse
    for state in ({"iteration": 2}, {"odd": datetime.date(2020, 1, 1)}):
        checkpointer_saves = lambda state=state: (checkpointer.save(state, iteration=2), checkpointer.wait())  # noqa: E731
        with pytest.raises(CheckpointError) as caught:
            checkpointer_saves()
        messages.append(str(caught.value))
    return messages


def test_all_ranks_learn_that_the_first_could_not_save(tmp_path, run_ranks):
    first, second = run_ranks(fail_on_rank_zero, 2, tmp_path)
    assert first == second
    assert "model_iter2.pth: the checkpoint could not be saved: [Errno 30] Read-only file system; the previous" in first[0]
    assert "model_iter2.pth: the checkpoint could not be saved: odd holds a datetime.date" in first[1]


def stall_on_rank_zero(folder):
    checkpointer = saved_once(folder, timeout=1.5)
    if distributed.is_main_process():
        os.fsync = lambda descriptor: time.sleep(600)
    checkpointer.save({"iteration": 2}, iteration=2)
    with pytest.raises(CheckpointError) as caught:
        checkpointer.wait()
    return str(caught.value), checkpointer.stalled


def test_all_ranks_learn_that_the_folder_of_the_first_does_not_answer(tmp_path, run_ranks):
    first, second = run_ranks(stall_on_rank_zero, 2, tmp_path)
    assert first == second
    assert "model_iter2.pth: the checkpoint is not on the disk after " in first[0]
    assert first[1]


def stall_with_shards(folder):
    model = distributed.parallelize(torch.nn.Linear(6, 4), "fsdp", device=torch.device("cpu"), find_unused_parameters=False)
    Checkpointer(folder, sharded=True).save({"model": distributed.unwrap(model), "iteration": 1}, iteration=1)
    checkpointer = Checkpointer(folder, sharded=True, timeout=1)
    if distributed.rank() == 1:
        os.fsync = lambda descriptor: time.sleep(600)
    messages = []
    for iteration in (2, 3):
        with pytest.raises(CheckpointError) as caught:
            checkpointer.save({"model": distributed.unwrap(model), "iteration": iteration}, iteration=iteration)
        messages.append(str(caught.value))
    return messages


def test_a_rank_whose_part_of_a_folder_stalls_ends_the_save_of_all(tmp_path, run_ranks):
    first, second = run_ranks(stall_with_shards, 2, tmp_path)
    assert first == second
    assert "model_iter2.dcp: the checkpoint could not be saved: it could not be written: rank 1: no answer within 1 s" in first[0]
    assert "rank 1: what was begun" in first[1]
    assert {path.name for path in tmp_path.iterdir()} == {"model_iter1.dcp", "model_latest.dcp"}
    assert Checkpointer(tmp_path).read_latest()["iteration"] == 1


def test_a_worker_that_was_given_up_is_not_waited_for(caplog):
    answers = threading.Event()
    worker = Worker("test", limit=60)
    worker.start(lambda: answers.wait(60))
    worker.give_up()
    worker.finish()
    assert worker.busy
    answers.set()
    assert worker.wait()
    worker.start(lambda: signal.raise_signal(-1))
    with caplog.at_level(logging.ERROR):
        worker.finish()
    assert "Invalid argument" in caplog.text
