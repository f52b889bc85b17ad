"""Promise 3: where the disk is full, the folder read-only or the network folder stalled, training goes on or ends as configured."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from petlib.checkpoint.locate import damage_of_checkpoint
from tests.faults.conftest import Happened
from tests.faults.training import LENGTH, Training, assert_same_run

FAULTS = """
import errno, os, resource, signal, time
from pathlib import Path
from petlib.checkpoint import checkpointer, files

FAULT, ITERATIONS = os.environ["FAULT"], os.environ["FAULT_AT"].split(",")
write_file, write, fsync, replace = checkpointer.write_file, files.Sink.write, os.fsync, os.replace
iteration, slept = [""], []

def is_faulty(fault):
    return FAULT == fault and iteration[0] in ITERATIONS

def watched_write_file(path, state):
    iteration[0] = path.stem.removeprefix("model_iter")
    # Linux sends SIGXFSZ, which python ignores, and the write fails with EFBIG
    limit = 1_000_000 if is_faulty("limit") else resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        write_file(path, state)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        iteration[0] = ""

def watched_write(sink, data):
    if is_faulty("full"):
        sink.written = getattr(sink, "written", 0) + len(data)
        if sink.written > 500_000:
            sink.error = OSError(errno.ENOSPC, "No space left on device")
            raise sink.error
    return write(sink, data)

def watched_fsync(descriptor):
    if is_faulty("stuck"):
        time.sleep(3600)
    if is_faulty("slow") and not slept:
        slept.append(True)
        # however fast the machine is: longer than the limit, and until training has gone on after the next save
        time.sleep(1.5)
        while '"iteration": 13,' not in Path("run/metrics.jsonl").read_text():
            time.sleep(0.05)
    if is_faulty("read-only"):
        raise OSError(errno.EROFS, "Read-only file system")
    return fsync(descriptor)

checkpointer.write_file, files.Sink.write, os.fsync = watched_write_file, watched_write, watched_fsync
"""
REASONS = {
    "full": r"No space left on device \(\d+ MB are free in {folder}\)",
    "limit": r"File too large \(\d+ MB are free in {folder}\)",
    "read-only": r"\[Errno 30\] Read-only file system",
}
CONTINUES = "SOLVER.SNAPSHOT_ON_ERROR=continue"


def run(training: Training, fault: str, at: str, *settings: str) -> tuple[int, str]:
    faults = training.module("disk_faults", FAULTS)
    return training.run_script(faults, *settings, environment={"FAULT": fault, "FAULT_AT": at})


def failure(training: Training, fault: str, iteration: int) -> str:
    reason = REASONS[fault].format(folder=training.folder)
    beginning = rf"model_iter{iteration}\.pth: the checkpoint could not be saved: {reason}"
    return rf"{beginning}; the previous checkpoint is untouched: {training.folder}/model_latest\.pth"


def assert_all_whole(training: Training, *iterations: int) -> None:
    """Check which numbered checkpoints there are, that all are whole, and that nothing half done is left."""
    names = {path.name for path in training.folder.glob("*.pth")} | {path.name for path in training.folder.glob(".model*")}
    assert names - {"model_best.pth"} == {"model_latest.pth", *(f"model_iter{iteration}.pth" for iteration in iterations)}
    assert not any(map(damage_of_checkpoint, training.folder.glob("*.pth")))


@pytest.mark.fault(3, "the disk is full at two saves, continue")
def test_full_and_continue(training: Training, undisturbed: Training, happened: Happened) -> None:
    code, printed = run(training, "full", "8,12", CONTINUES)
    assert code == 0, printed
    for iteration in (8, 12):
        pattern = failure(training, "full", iteration) + r"; training goes on \(SOLVER\.SNAPSHOT_ON_ERROR is continue\)"
        assert len(re.findall(pattern, printed)) == 1, printed
    assert "2 attempts to save a checkpoint failed in this run; the last checkpoint is on the disk" in printed
    assert_all_whole(training, LENGTH - 4, LENGTH)
    assert_same_run(training.checkpoint(), undisturbed.checkpoint())
    happened("exit code 0, two error lines, the same weights")


@pytest.mark.nightly
@pytest.mark.parametrize("fault", list(REASONS))
@pytest.mark.fault(3, "a save fails, stop")
def test_stop(training: Training, undisturbed: Training, happened: Happened, fault: str) -> None:
    code, printed = run(training, fault, "8")
    assert code == 2
    assert re.search("error: .*" + failure(training, fault, 8), printed), printed
    assert "Traceback" not in printed
    assert_all_whole(training, 4)
    code, printed = training.run_script()
    assert code == 0, printed
    assert "continuing from iteration 4 of" in printed
    assert_same_run(training.checkpoint(), undisturbed.checkpoint())
    happened("exit code 2 with the reason, the old checkpoint stayed; later continued, the same weights")


@pytest.mark.nightly
@pytest.mark.parametrize("fault", ["limit", "read-only"])
@pytest.mark.fault(3, "saves fail, continue")
def test_continue(training: Training, undisturbed: Training, happened: Happened, fault: str) -> None:
    code, printed = run(training, fault, "8,12,16", CONTINUES)
    assert code == 0, printed
    assert all(re.search(failure(training, fault, iteration), printed) for iteration in (8, 12, 16))
    assert_all_whole(training, LENGTH - 4, LENGTH)
    assert_same_run(training.checkpoint(), undisturbed.checkpoint())
    happened("exit code 0, an error line for each, the same weights")


@pytest.mark.nightly
@pytest.mark.fault(3, "the last save fails, continue")
def test_the_last_save_fails(training: Training, happened: Happened) -> None:
    code, printed = run(training, "full", str(LENGTH), CONTINUES)
    assert code == 2
    assert f"the last checkpoint of the run, of iteration {LENGTH}, is not saved: " in printed[printed.index("error: ") :]
    assert_all_whole(training, LENGTH - 8, LENGTH - 4)
    happened("exit code 2, the checkpoint before stayed")


@pytest.mark.nightly
@pytest.mark.parametrize("policy", ["stop", "continue"])
@pytest.mark.fault(3, "a network folder does not answer any more")
def test_stuck(training: Training, happened: Happened, policy: str) -> None:
    code, printed = run(training, "stuck", "8", f"SOLVER.SNAPSHOT_ON_ERROR={policy}", "SOLVER.SNAPSHOT_TIMEOUT=2")
    assert code == 2
    overdue = r"model_iter8\.pth: the checkpoint is not on the disk after \d+ s \(SOLVER\.SNAPSHOT_TIMEOUT is 2 s\)"
    assert re.search("error: .*" + overdue, printed), printed
    reached = max(training.logged_iterations())
    if policy == "continue":
        assert f"the last checkpoint of the run, of iteration {LENGTH}, is not saved" in printed
        assert "no checkpoint of iteration 16 is saved, because an earlier one still hangs" in printed
        assert reached == LENGTH
    else:
        assert reached == 12
    assert training.checkpoint()["iteration"] == 4
    code, printed = training.run_script()
    assert code == 0, printed
    assert_all_whole(training, LENGTH - 4, LENGTH)
    happened(f"trained up to iteration {reached}, exit code 2 although the writer hangs, the checkpoint before stayed")


@pytest.mark.nightly
@pytest.mark.fault(3, "a network folder does not answer for seconds, continue")
def test_slow(training: Training, undisturbed: Training, happened: Happened) -> None:
    code, printed = run(training, "slow", "8", CONTINUES, "SOLVER.SNAPSHOT_TIMEOUT=1")
    assert code == 0, printed
    assert re.search(r"model_iter8\.pth: the checkpoint is not on the disk after \d+ s.*; training goes on", printed)
    assert "model_iter8.pth: the checkpoint that took too long is saved after all" in printed
    assert training.checkpoint()["iteration"] == LENGTH
    assert_same_run(training.checkpoint(), undisturbed.checkpoint())
    happened("training went on, the late checkpoint was accepted, exit code 0, the same weights")


@pytest.mark.nightly
@pytest.mark.parametrize("fault", ["full", "stuck"])
@pytest.mark.parametrize("policy", ["stop", "continue"])
@pytest.mark.fault(3, "saving fails on rank 0 of two")
def test_two_ranks(training: Training, happened: Happened, fault: str, policy: str) -> None:
    faults = training.module("disk_faults", FAULTS)
    settings = (faults, f"SOLVER.SNAPSHOT_ON_ERROR={policy}", "SOLVER.SNAPSHOT_TIMEOUT=2")
    code, printed = training.run(*settings, ranks=2, environment={"FAULT": fault, "FAULT_AT": "8"})
    assert code == (0 if (fault, policy) == ("full", "continue") else 2), printed
    assert re.search(r"model_iter8\.pth: the checkpoint (could not be saved: No space|is not on the disk after)", printed), printed
    assert max(training.logged_iterations()) == (12 if policy == "stop" else LENGTH)
    assert training.checkpoint()["iteration"] == (LENGTH if code == 0 else 4)
    happened(f"exit code {code}, both ranks ended together")


@pytest.fixture
def small_disk(training: Training) -> Iterator[Path]:
    """The output folder on a disk that has room for one checkpoint and a half."""
    training.folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3600k", "tmpfs", training.folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield training.folder
    subprocess.run(["umount", "-l", training.folder], check=True)


@pytest.mark.nightly
@pytest.mark.fault(3, "a real small disk fills up and gets room later")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_small_disk(training: Training, small_disk: Path, undisturbed: Training, happened: Happened) -> None:
    code, printed = training.run_script()
    assert code == 2, printed
    assert re.search(failure(training, "full", 8).replace(r"\d+ MB", r"[12] MB"), printed), printed
    assert_all_whole(training, 4)
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    code, printed = training.run_script()
    assert code == 0, printed
    assert_same_run(training.checkpoint(), undisturbed.checkpoint())
    happened("exit code 2 with the room that is left, the old checkpoint stayed; with more room continued, the same weights")
