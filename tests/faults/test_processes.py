"""Promise 4: a rank or a loader worker dies, hangs or raises; all ends, is reported, and can begin again by itself."""

import re
import time
from pathlib import Path

import pytest

from tests.faults.conftest import Happened
from tests.faults.training import LIMIT_SECONDS, Training, assert_same_run, descendants, rank_pids

SAMPLE = 1080
IN_A_WORKER = f"""
import os, signal, time
from torch.utils.data import get_worker_info
from pet.data.datasets.digits import Digits

read = Digits.__getitem__

def stop_here(self, index):
    if index == {SAMPLE} and get_worker_info() is not None:
        stop()
    return read(self, index)

Digits.__getitem__ = stop_here
"""
IN_A_RANK = """
import os, signal, time
from pathlib import Path
from petlib.distributed import rank
from petlib.engine.step import DefaultStep

RANK, ITERATION = 1, 10
step = DefaultStep.__call__

def stop_here(self, state, data, after_backward):
    if rank() == RANK and state.iteration == ITERATION and not Path("stopped").exists():
        Path("stopped").touch()
        stop()
    step(self, state, data, after_backward)

DefaultStep.__call__ = stop_here
"""
IN_THE_DATA = """
import time
from pathlib import Path
from petlib.distributed import rank
from pet.data.datasets.digits import Digits

read, count = Digits.__getitem__, 0

def stop_here(self, index):
    global count
    count += 1
    if rank() == 1 and count > 64 * 10:
        Path("stopped").touch()
        time.sleep(1000)
    return read(self, index)

Digits.__getitem__ = stop_here
"""
KILLS = "def stop():\n    os.kill(os.getpid(), signal.SIGKILL)\n"
SUSPENDS = "def stop():\n    os.kill(os.getpid(), signal.SIGSTOP)\n"
SLEEPS = "def stop():\n    time.sleep(1000)\n"
RAISES = "def stop():\n    raise ZeroDivisionError('a fault of the program')\n"
READING = rf"the last that it began to read was sample {SAMPLE} \(position (\d+) of epoch 0\).*, for iteration (\d+)"


def assert_all_gone(pids: list[int], seconds: float = LIMIT_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while left := [pid for pid in pids if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.05)


@pytest.mark.fault(4, "a loader worker is killed by the system")
def test_a_killed_worker(training: Training, happened: Happened) -> None:
    code, printed = training.run_script(training.module("kills_worker", IN_A_WORKER + KILLS), "TRAIN.NUM_WORKERS=2")
    assert code == 1
    found = re.search(rf"WorkerError: a loader worker process died: worker \d was killed by SIGKILL; {READING}\. If it was", printed)
    assert found is not None, printed
    assert int(found[2]) == int(found[1]) // 128 + 1 > max(training.logged_iterations())
    happened(f"exit code 1, the batch of iteration {found[2]} and the sample are named")


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("stop", "where"),
    [
        pytest.param(SLEEPS, "it is here", id="it sleeps for ever"),
        pytest.param(SUSPENDS, "it could not say where it is", id="it is suspended"),
    ],
)
@pytest.mark.fault(4, "a loader worker hangs")
def test_a_worker_that_hangs(training: Training, happened: Happened, stop: str, where: str) -> None:
    module = training.module("stops_worker", IN_A_WORKER + stop)
    started = time.monotonic()
    process = training.start(module, "TRAIN.NUM_WORKERS=2", "MISC.LOADER_TIMEOUT=4", "MISC.DIST_TIMEOUT=60", ranks=2)
    training.wait_for_iteration(1)
    pids = [process.pid, *descendants(process.pid)]
    assert process.wait(LIMIT_SECONDS) == 1
    printed = training.printed()
    assert re.search(r"rank \d failed (after iteration \d+|in iteration 1):\nTraceback", printed), printed
    limit = r"no batch came from the loader workers within 4 seconds \(MISC.LOADER_TIMEOUT\)"
    found = re.search(rf"{limit}: worker \d; {READING}; {where}", printed)
    assert found is not None, printed
    assert ("stops_worker.py" in printed) == (stop == SLEEPS)
    assert_all_gone(pids)
    happened(f"exit code 1 after {time.monotonic() - started:.0f} s in all, rank, iteration {found[2]} and sample are named")


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("stop", "where"),
    [
        pytest.param(SLEEPS, r"it was here, the latest call first:\n.*in stop\n", id="it sleeps for ever"),
        pytest.param(SUSPENDS, r"the process was suspended \(SIGSTOP\)", id="it is suspended"),
    ],
)
@pytest.mark.fault(4, "a rank hangs while another waits in a collective")
def test_a_rank_that_hangs(training: Training, happened: Happened, stop: str, where: str) -> None:
    process = training.start(training.module("stops_rank", IN_A_RANK + stop), "MISC.DIST_TIMEOUT=8", ranks=2)
    training.wait_for_file("stopped")
    pids, started = [process.pid, *descendants(process.pid)], time.monotonic()
    assert process.wait(LIMIT_SECONDS) == 1
    took = time.monotonic() - started
    printed = training.printed()
    assert "rank 0 failed after iteration 10:\nTraceback" in printed
    assert "the ranks waited for each other: rank 0 after iteration 10, rank 1 after iteration 10\n" in printed
    assert re.search(rf"rank 1 did not come; the last that it began to read was sample \d+.*; {where}", printed), printed
    assert_all_gone(pids)
    happened(f"exit code 1 {took:.0f} s later with a limit of 8 s, rank 1 is named with the place where it is")


@pytest.mark.nightly
@pytest.mark.fault(4, "a rank raises")
def test_a_rank_that_raises(training: Training, happened: Happened) -> None:
    process = training.start(training.module("raises", IN_A_RANK + RAISES), ranks=2)
    training.wait_for_file("stopped")
    pids, started = [process.pid, *descendants(process.pid)], time.monotonic()
    assert process.wait(LIMIT_SECONDS) == 1
    printed = training.printed()
    assert "rank 1 failed after iteration 10:\nTraceback" in printed
    assert printed.rstrip().endswith("ZeroDivisionError: a fault of the program")
    assert_all_gone(pids)
    happened(f"exit code 1 after {time.monotonic() - started:.0f} s, the traceback of rank 1 is printed last")


@pytest.mark.nightly
@pytest.mark.fault(4, "one rank of two is killed")
def test_one_rank_of_two_is_killed(training: Training, happened: Happened) -> None:
    process = training.start(training.module("kills_rank", IN_A_RANK + KILLS), "TRAIN.NUM_WORKERS=1", ranks=2)
    training.wait_for_file("stopped")
    pids, started = [process.pid, *rank_pids(process.pid)], time.monotonic()
    assert process.wait(LIMIT_SECONDS) == 137
    assert "rank 1 was killed by SIGKILL (out of memory?) after iteration 10" in training.printed()
    assert_all_gone(pids)
    happened(f"exit code 137 after {time.monotonic() - started:.0f} s, rank and iteration are named")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Training:
    reference = Training(tmp_path_factory.mktemp("two_ranks"))
    code, printed = reference.run(ranks=2)
    assert code == 0, printed
    return reference


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        pytest.param(KILLS, "rank 1 was killed by SIGKILL", id="it is killed"),
        pytest.param(SLEEPS, "the ranks waited for each other", id="it hangs"),
    ],
)
@pytest.mark.fault(4, "a rank dies or hangs, with --max_restarts")
def test_a_run_that_restarts_by_itself(training: Training, undisturbed: Training, happened: Happened, stop: str, reason: str) -> None:
    module = training.module("stops_once", IN_A_RANK + stop)
    code, printed = training.run(module, "--max_restarts=2", "MISC.DIST_TIMEOUT=8", ranks=2)
    assert code == 0, printed
    assert reason in printed
    assert "restart 1 of 2" in printed
    assert "continuing from iteration 8 of 24" in printed
    assert_same_run(training.checkpoint(), undisturbed.checkpoint())
    happened("exit code 0, continued from iteration 8 by itself, the same weights")


@pytest.mark.nightly
@pytest.mark.fault(4, "a mistake of the user, with --max_restarts")
def test_a_mistake_of_the_user_is_not_repeated(training: Training, happened: Happened) -> None:
    raises = "from petlib.errors import DataError\ndef stop():\n    raise DataError('digits/100 is cut off')\n"
    code, printed = training.run(training.module("refuses", IN_A_RANK + raises), "--max_restarts=2", ranks=2)
    assert code == 2
    assert printed.endswith("rank 1 failed after iteration 10\nerror: digits/100 is cut off\n")
    assert "restart" not in printed
    happened("exit code 2 at once, rank and iteration are named")
