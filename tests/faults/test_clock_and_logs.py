"""Promise 10: clocks, time zones, a full log disk and lost screens do not stop a training; promise of long runs: no step twice."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.faults.conftest import Happened
from tests.faults.training import DIGITS, LENGTH, LIMIT_SECONDS, OPTIONS, ROOT, Training, assert_same_run, rank_pids

TRAIN = (str(ROOT / "tools/train_net_all.py"), "--nproc", "1")
SCRIPT = (str(ROOT / "tools/vision/train_net.py"),)

# the clock of the system jumps in iteration 6 and back in iteration 12, and so do the time zone and the times of new files
CLOCK = """
import os, time
from petlib.engine.step import DefaultStep

now, now_ns = time.time, time.time_ns
hours = int(os.environ["CLOCK_HOURS"])
offset = hours * 3600
time.time = lambda: now() + offset
time.time_ns = lambda: now_ns() + offset * 10**9
call = DefaultStep.__call__

def jump(self, state, data, after_backward):
    global offset
    if state.iteration in (6, 12):
        offset = -7 * 3600 if state.iteration == 6 else 30 * 86400
        os.environ["TZ"] = "Pacific/Kiritimati" if state.iteration == 6 else "America/Adak"
        time.tzset()
    call(self, state, data, after_backward)

DefaultStep.__call__ = jump
"""

# the disk has no room for logs, metrics and events from iteration 6 to 12, and none for curves at the end
FULL = """
import errno, os
from petlib.engine.step import DefaultStep

write, call, full = os.write, DefaultStep.__call__, False

def refuse(descriptor, data):
    name = os.readlink(f"/proc/self/fd/{descriptor}")
    if full and name.endswith((".log", ".jsonl")) or full and "tfevents" in name:
        if len(data) > 200:
            # a disk that fills up takes the first part
            return write(descriptor, data[:100])
        raise OSError(errno.ENOSPC, "No space left on device")
    return write(descriptor, data)

def fill(self, state, data, after_backward):
    global full
    full = 6 <= state.iteration < 12
    call(self, state, data, after_backward)

os.write, DefaultStep.__call__ = refuse, fill
os.makedirs("run/curves.png", exist_ok=True)
"""


def event_steps(folder: Path) -> list[int]:
    """Return the steps of the loss as TensorBoard shows them."""
    events = EventAccumulator(str(folder / "events"), size_guidance={"scalars": 0})
    events.Reload()
    return [event.step for event in events.Scalars("train/loss_cls")]


def run_in_shell(training: Training, command: tuple[str, ...], redirection: str, *settings: str) -> int:
    """Run a command whose streams a shell redirects; return the exit code of the command itself."""
    words = [sys.executable, *command, "--cfg", str(DIGITS), *OPTIONS, f"MISC.CKPT={training.folder}", "SOLVER.SCHEDULER.TOTAL_ITERS=6"]
    line = " ".join(f"'{word}'" for word in [*words, *settings])
    text = f"( {line}; echo $? >code ) {redirection}"
    subprocess.run(["bash", "-c", text], cwd=training.root, env=training.environment(), timeout=240, check=False)
    return int((training.root / "code").read_text())


@pytest.mark.nightly
@pytest.mark.fault(10, "the clock and the time zone jump, forwards and backwards")
def test_jumps_of_the_clock(training: Training, happened: Happened) -> None:
    module = training.module("clock", CLOCK)
    # the second half begins five hours before the first
    for hours, length in ((0, LENGTH // 2 + 2), (-5, LENGTH)):
        options = ("MISC.TENSORBOARD=True", f"SOLVER.SCHEDULER.TOTAL_ITERS={length}", "EVAL.PERIOD_ITER=6", module)
        code, printed = training.run_script(*options, environment={"CLOCK_HOURS": str(hours)})
        assert code == 0, printed
    assert training.logged_iterations() == list(range(1, LENGTH + 1))
    assert event_steps(training.folder) == list(range(1, LENGTH + 1))
    assert training.checkpoint()["iteration"] == LENGTH
    happened("trained to the end; every iteration once in both logs")


@pytest.mark.fault(10, "no room on the disk of the logs for six iterations")
def test_a_full_log_disk(training: Training, happened: Happened) -> None:
    code, printed = training.run_script("MISC.TENSORBOARD=True", training.module("full", FULL))
    assert code == 0, printed
    for name in ("train_rank0.log", "metrics.jsonl", "events.out.tfevents"):
        said = [line for line in printed.splitlines() if name in line]
        assert len([line for line in said if "it cannot be written: No space left on device" in line]) == 1, name
        assert len([line for line in said if "it can be written again; nothing is lost" in line]) == 1, name
    assert "the curves of the run cannot be drawn" in printed
    assert training.logged_iterations() == list(range(1, LENGTH + 1))
    assert event_steps(training.folder) == list(range(1, LENGTH + 1))
    log = (training.folder / "logs" / "train_rank0.log").read_text()
    assert [f"[iter: {iteration}/{LENGTH}]" for iteration in range(1, LENGTH + 1) if log.count(f"[iter: {iteration}/{LENGTH}]") != 1] == []
    happened("said once for each file; when there was room all lines were written, none lost")


@pytest.mark.nightly
@pytest.mark.fault(10, "stdout and stderr closed, full, or a pipe without a reader")
@pytest.mark.parametrize(
    ("command", "redirection"),
    [
        *((TRAIN, streams) for streams in (">&- 2>&-", ">/dev/full 2>&1", "2>&1 | head -1")),
        *((SCRIPT, streams) for streams in (">&-", "2>&-", ">&- 2>&-", ">/dev/full", ">/dev/full 2>&1", "2>&1 | head -1", "| true")),
    ],
)
def test_lost_streams(training: Training, happened: Happened, command: tuple[str, ...], redirection: str) -> None:
    assert run_in_shell(training, command, redirection) == 0
    assert training.logged_iterations() == list(range(1, 7))
    assert "[iter: 6/6]" in (training.folder / "logs" / "train_rank0.log").read_text()
    # a mistake keeps its exit code, whether anybody can read the message or not
    assert run_in_shell(training, command, redirection, "MODEL.BACKBONE=resnet32", "SOLVER.SCHEDULER.TOTAL_ITERS=8") == 2
    happened("the log is whole, exit codes 0 and 2")


@pytest.mark.nightly
@pytest.mark.fault("long-run", "kill -9 at ten random moments, read back as TensorBoard and as JSON")
def test_every_step_is_listed_once_in_both_logs(training: Training, happened: Happened) -> None:
    code, printed = training.run_script()
    assert code == 0, printed
    reference = training.checkpoint()
    training.folder.rename(training.root / "undisturbed")
    generator = random.Random(7)
    for _ in range(10):
        begun = len(training.logged_iterations())
        process = training.start("MISC.TENSORBOARD=True", "SOLVER.SNAPSHOT_ITER=2")
        while process.poll() is None and len(training.logged_iterations()) in (0, begun):
            time.sleep(0.01)
        time.sleep(generator.uniform(0.0, 0.4))
        for pid in rank_pids(process.pid) if process.poll() is None else []:
            os.kill(pid, signal.SIGKILL)
        process.wait(LIMIT_SECONDS)
    code, printed = training.run_script("MISC.TENSORBOARD=True", "SOLVER.SNAPSHOT_ITER=2")
    assert code == 0, printed
    assert training.logged_iterations() == list(range(1, LENGTH + 1))
    assert event_steps(training.folder) == list(range(1, LENGTH + 1))
    assert_same_run(training.checkpoint(), reference)
    happened("every iteration once in metrics.jsonl and in the events, the same weights")
