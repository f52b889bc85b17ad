"""A run that was stopped at any moment ends with the very weights of one that was not."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.faults.training import assert_same_run, rank_pids
from tests.integration.conftest import DIGITS, Run, command, environment
from tests.integration.many_runs import run_many

LENGTH = 24
OPTIONS = [
    "--cfg",
    str(DIGITS),
    "SOLVER.SCHEDULER.TOTAL_EPOCHS=0",
    f"SOLVER.SCHEDULER.TOTAL_ITERS={LENGTH}",
    "SOLVER.SCHEDULER.WARM_UP_EPOCHS=None",
    "SOLVER.SCHEDULER.WARM_UP_ITERS=3",
    "SOLVER.SNAPSHOT_ITER=4",
    "SOLVER.EMA.ENABLED=True",
    "SOLVER.ACCUMULATION=2",
    "EVAL.PERIOD_EPOCH=0",
    "EVAL.PERIOD_ITER=6",
    # 1,437 samples: an epoch ends in the middle of iteration 5
    "TRAIN.BATCH_SIZE=256",
    "MISC.DISPLAY_ITER=1",
    "ANALYSER.ENABLED=False",
    "MISC.TENSORBOARD=False",
]


def checkpoint(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "model_latest.pth", weights_only=True)  # type: ignore[no-any-return]


def assert_same_weights(folder: Path, reference: Path) -> None:
    assert checkpoint(folder)["iteration"] == LENGTH
    assert_same_run(checkpoint(folder), checkpoint(reference))


def start(folder: Path, tmp_path: Path, *options: str) -> subprocess.Popen[bytes]:
    words = command("train_net_all.py", *OPTIONS, "--nproc", "1", f"MISC.CKPT={folder}", *options)
    return subprocess.Popen(words, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for_iteration(folder: Path, iteration: int, process: subprocess.Popen[bytes]) -> None:
    path, deadline = folder / "metrics.jsonl", time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        if path.exists() and f'"iteration": {iteration},' in path.read_text():
            return
        time.sleep(0.005)
    raise AssertionError(f"iteration {iteration} was not seen; the launcher's exit code is {process.poll()}")


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never disturbed, without loader workers."""
    tmp_path = tmp_path_factory.mktemp("reference")
    (done,) = run_many([("vision/train_net.py", [*OPTIONS, f"MISC.CKPT={tmp_path}/run", "TRAIN.NUM_WORKERS=0"])], tmp_path)
    done.succeeded()
    return tmp_path / "run"


def test_killed_at_a_random_iteration(reference: Path, tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "run"
    iteration = random.SystemRandom().randint(5, LENGTH - 4)
    process = start(folder, tmp_path, "TRAIN.NUM_WORKERS=1")
    wait_for_iteration(folder, iteration, process)
    for pid in rank_pids(process.pid):
        os.kill(pid, signal.SIGKILL)
    assert process.wait(180) == 128 + signal.SIGKILL
    run("vision/train_net.py", *OPTIONS, f"MISC.CKPT={folder}", "TRAIN.NUM_WORKERS=2").succeeded()
    assert_same_weights(folder, reference)
    assert all(count == 1 for count in lines_per_iteration(folder).values())


def test_asked_to_stop_twice(reference: Path, tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "run"
    for iteration, number in ((7, signal.SIGTERM), (13, signal.SIGINT)):
        process = start(folder, tmp_path, "TRAIN.NUM_WORKERS=2")
        wait_for_iteration(folder, iteration, process)
        process.send_signal(number)
        assert process.wait(180) == 128 + number
        assert iteration < checkpoint(folder)["iteration"] < LENGTH
    run("vision/train_net.py", *OPTIONS, f"MISC.CKPT={folder}", "TRAIN.NUM_WORKERS=0").succeeded()
    assert_same_weights(folder, reference)
    assert sorted(lines_per_iteration(folder)) == list(range(1, LENGTH + 1))


def test_a_finished_run_is_left_alone(reference: Path, run: Run) -> None:
    before = (reference / "model_latest.pth").read_bytes()
    done = run("vision/train_net.py", *OPTIONS, f"MISC.CKPT={reference}").succeeded()
    assert f"continuing from iteration {LENGTH} of {LENGTH}" in done.output
    assert (reference / "model_latest.pth").read_bytes() == before


def lines_per_iteration(folder: Path) -> dict[int, int]:
    """Return how many training lines ``metrics.jsonl`` has of each iteration."""
    counts: dict[int, int] = {}
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        if '"loss_cls"' in line:
            iteration = int(line.partition('"iteration": ')[2].partition(",")[0])
            counts[iteration] = counts.get(iteration, 0) + 1
    return counts
