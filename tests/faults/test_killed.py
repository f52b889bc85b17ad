"""Promise 1: killed at any moment, a run continues to the very weights of an undisturbed one."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from petlib.checkpoint.locate import damage_of_checkpoint
from tests.faults.conftest import Happened
from tests.faults.training import LENGTH, LIMIT_SECONDS, Training, assert_same_run, descendants, rank_pids

KILLER = """
import itertools, os, signal, threading
from petlib.checkpoint.files import Sink

counter = itertools.count(1)

def watched(name, step):
    def call(*arguments, **options):
        in_a_save = threading.current_thread().name == "checkpoint-writer"
        if in_a_save and name == os.environ["KILL_BEFORE"] and next(counter) == int(os.environ["KILL_NUMBER"]):
            os.write(2, f"killed before {name} {[os.path.basename(str(argument)) for argument in arguments[:2]]}".encode())
            os.kill(os.getpid(), signal.SIGKILL)
        return step(*arguments, **options)
    return call

for name in ("fsync", "link", "replace", "unlink"):
    setattr(os, name, watched(name, getattr(os, name)))
Sink.write = watched("write", Sink.write)
"""
# in this order in every save; two temporary names are removed, if they are there, before the old checkpoint is
STEPS = (
    *(("write", 1), ("write", 200), ("fsync", 1), ("replace", 1)),
    *(("fsync", 2), ("link", 1), ("replace", 2), ("fsync", 3), ("unlink", 3)),
)
SAVES_ALWAYS = ("SOLVER.SNAPSHOT_ITER=1", "SOLVER.SNAPSHOT_KEEP=1", "SOLVER.SCHEDULER.TOTAL_ITERS=240", "TRAIN.BATCH_SIZE=16")


def saved_iteration(training: Training) -> int:
    """Return the iteration of the latest checkpoint, which is whole; 0 where there was none yet."""
    latest = training.folder / "model_latest.pth"
    if not latest.exists():
        return 0
    assert damage_of_checkpoint(latest) == ""
    return int(training.checkpoint()["iteration"])


@pytest.mark.fault(1, "kill -9 of a rank")
def test_a_killed_rank(training: Training, undisturbed: Training, happened: Happened) -> None:
    process = training.start()
    training.wait_for_iteration(10)
    os.kill(rank_pids(process.pid)[0], signal.SIGKILL)
    assert process.wait(LIMIT_SECONDS) == 128 + signal.SIGKILL
    assert saved_iteration(training) >= 4
    code, printed = training.run_script()
    assert code == 0, printed
    assert_same_run(training.checkpoint(), undisturbed.checkpoint())
    happened("exit code 137, continued, the same weights")


@pytest.mark.fault(1, "kill -9 inside a save, when the file has its name and the latest has not")
def test_killed_inside_a_save(training: Training, undisturbed: Training, happened: Happened) -> None:
    killer = training.module("killer", KILLER)
    code, printed = training.run_script(killer, environment={"KILL_BEFORE": "link", "KILL_NUMBER": "3"})
    assert code == -signal.SIGKILL, printed
    assert saved_iteration(training) == 8
    assert not damage_of_checkpoint(training.folder / "model_iter12.pth")
    code, printed = training.run_script()
    assert code == 0, printed
    assert "continuing from iteration 8 of" in printed
    assert_same_run(training.checkpoint(), undisturbed.checkpoint())
    assert not list(training.folder.glob(".model_*.tmp"))
    happened("continued from the save before, the same weights")


@pytest.mark.nightly
@pytest.mark.fault(1, "kill -9 before every step of a save")
def test_killed_before_every_step_of_a_save(training: Training, undisturbed: Training, happened: Happened) -> None:
    killer = training.module("killer", KILLER)
    saved = [0]
    for step, number in STEPS:
        code, printed = training.run_script(killer, "SOLVER.SNAPSHOT_KEEP=1", environment={"KILL_BEFORE": step, "KILL_NUMBER": str(number)})
        assert (code, f"killed before {step}" in printed) == (-signal.SIGKILL, True), printed
        saved.append(saved_iteration(training))
    assert saved == sorted(saved)
    code, printed = training.run_script("SOLVER.SNAPSHOT_KEEP=1")
    assert code == 0, printed
    assert_same_run(training.checkpoint(), undisturbed.checkpoint())
    assert {path.name for path in training.folder.glob("*model_*")} == {
        "model_latest.pth",
        "model_best.pth",
        f"model_iter{LENGTH}.pth",
    }
    happened(f"{len(STEPS)} times killed, continued each time, the same weights")


def kill_somewhere(training: Training, moments: random.Random, ranks: int) -> str:
    """Start the training and kill something of it at a random moment; return what, "" where it came to its end before."""
    before = saved_iteration(training)
    process = training.start(*SAVES_ALWAYS, ranks=ranks)
    victim = moments.choice(["rank", "launcher", "all"])
    early = moments.random() < 0.2
    until, pause = before + moments.randint(1, 10), moments.random() * (10 if early else 0.2)
    while not early and max(training.logged_iterations(), default=0) < until and process.poll() is None:
        time.sleep(0.005)
    time.sleep(pause)
    everything = [process.pid, *descendants(process.pid)]
    if process.poll() is not None:
        return ""
    victims = {"rank": rank_pids(process.pid)[-1:], "launcher": [process.pid], "all": everything}[victim]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    process.wait(LIMIT_SECONDS)
    wait_for_end(everything)
    return victim


def wait_for_end(pids: list[int]) -> None:
    """Wait until no process of a run is left; ranks whose launcher died save and end."""
    deadline = time.monotonic() + LIMIT_SECONDS
    for pid in pids:
        while is_running(pid):
            assert time.monotonic() < deadline, f"{pid} is still there"
            time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.nightly
@pytest.mark.fault(1, "kill -9 of a rank, of the launcher, of everything at 15 random moments")
@pytest.mark.parametrize("ranks", [1, 2], ids=["one rank", "two ranks"])
def test_killed_at_random_moments(training: Training, happened: Happened, tmp_path: Path, ranks: int) -> None:
    reference = Training(tmp_path / "undisturbed")
    reference.root.mkdir()
    assert reference.run(*SAVES_ALWAYS[2:], ranks=ranks)[0] == 0, reference.printed()
    moments = random.Random(100 + ranks)
    saved, killed = [0], []
    for _ in range(15):
        killed.append(kill_somewhere(training, moments, ranks))
        saved.append(saved_iteration(training))
    assert saved == sorted(saved)
    assert training.run(*SAVES_ALWAYS, ranks=ranks)[0] == 0, training.printed()
    assert_same_run(training.checkpoint(), reference.checkpoint())
    counts = {name: killed.count(name) for name in ("rank", "launcher", "all")}
    assert sum(counts.values()) >= 12, f"the run was too short: {counts}"
    happened(f"killed {counts}, continued each time, the same weights")
