"""Promise 8: two runs never write into one output folder, and what a killed run left behind is in no one's way."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.conftest import Happened
from tests.faults.training import DIGITS, LENGTH, LIMIT_SECONDS, OPTIONS, ROOT, Training, rank_pids

# the run that is in the way holds still at iteration 6, and goes on when the file "go" is there
HELD = """
import pathlib, time
from petlib.engine.step import DefaultStep

call = DefaultStep.__call__

def wait(self, state, data, after_backward):
    while state.iteration == 6 and not pathlib.Path("go").exists():
        pathlib.Path("held").touch()
        time.sleep(0.02)
    call(self, state, data, after_backward)

DefaultStep.__call__ = wait
"""


def hold(training: Training, **arguments: int) -> subprocess.Popen[bytes]:
    """Start a run and return when it holds still in iteration 6, with the checkpoint of iteration 4 on the disk."""
    process = training.start(training.module("held", HELD), **arguments)
    while not ((training.root / "held").exists() and (training.folder / "model_latest.pth").exists()):
        assert process.poll() is None, training.printed()
        time.sleep(0.02)
    return process


@pytest.fixture
def holder(training: Training) -> subprocess.Popen[bytes]:
    """A process that has the lock of the folder, as a training has it."""
    code = "import sys, time; from pathlib import Path; from petlib.run_lock import RunLock; "
    code += "RunLock(Path(sys.argv[1])).acquire(); time.sleep(300)"
    path = training.folder / "config.lock"
    process = subprocess.Popen([sys.executable, "-c", code, str(path)])
    training.processes.append(process)
    while not path.exists() or not path.read_text():
        assert process.poll() is None
        time.sleep(0.02)
    return process


@pytest.mark.fault(8, "a start in a folder that another run holds")
def test_a_folder_that_is_taken(training: Training, holder: subprocess.Popen[bytes], happened: Happened) -> None:
    code, printed = training.run_script()
    assert code == 2, printed
    message = printed.splitlines()[-1]
    assert message.startswith(
        f"error: {training.folder}: another run writes into this folder: process {holder.pid} on {socket.gethostname()}, since 20"
    )
    assert "Traceback" not in printed
    assert not (training.folder / "config.yaml").exists()
    happened("exit code 2, one message with who holds it")


@pytest.mark.nightly
@pytest.mark.fault(8, "a second training next to one that runs")
def test_a_second_training_is_refused_and_the_first_goes_on(training: Training, happened: Happened) -> None:
    process = hold(training)
    code, printed = training.run_script("MISC.SEED=7")
    assert code == 2, printed
    message = printed.splitlines()[-1]
    holder = rank_pids(process.pid)[0]
    assert message.startswith(
        f"error: {training.folder}: another run writes into this folder: process {holder} on {socket.gethostname()}, since 20"
    )
    assert f"started as: {ROOT}/tools/vision/train_net.py --cfg {DIGITS}" in message
    assert message.endswith("; wait for it, stop it, or choose another folder with MISC.CKPT")
    assert "Traceback" not in printed
    assert "SEED: 3" in (training.folder / "config.yaml").read_text()
    (training.root / "go").touch()
    assert process.wait(LIMIT_SECONDS) == 0, training.printed()
    assert training.logged_iterations() == list(range(1, LENGTH + 1))
    assert not (training.folder / "config.lock").exists()
    happened("exit code 2, one message with who holds it; the first went on to its end")


@pytest.mark.nightly
@pytest.mark.fault(8, "a second training of two ranks, through the launcher")
def test_two_ranks_are_refused_with_one_message(training: Training, happened: Happened) -> None:
    process = hold(training, ranks=2)
    words = [sys.executable, str(ROOT / "tools/train_net_all.py"), "--cfg", str(DIGITS), "--nproc", "2", *OPTIONS]
    second = subprocess.run(
        [*words, f"MISC.CKPT={training.folder}"],
        cwd=training.root,
        env=training.environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert second.returncode == 2
    assert second.stderr.count("another run writes into this folder") == 1
    assert "Traceback" not in second.stderr
    (training.root / "go").touch()
    assert process.wait(LIMIT_SECONDS) == 0, training.printed()
    happened("exit code 2, one message")


@pytest.mark.nightly
@pytest.mark.fault(8, "a start right after kill -9 of a rank whose workers live")
def test_after_kill_9_the_next_run_begins_at_once(training: Training, happened: Happened) -> None:
    process = hold(training, ranks=2)
    os.kill(rank_pids(process.pid)[0], signal.SIGKILL)
    (training.root / "go").touch()
    code, printed = training.run_script("TRAIN.NUM_WORKERS=2")
    assert code == 0, printed
    assert "taken over from a run that ended without giving it back: process" in printed
    assert "continuing from iteration 4 of 24" in printed
    assert process.wait(LIMIT_SECONDS) == 128 + signal.SIGKILL
    happened("the lock was taken over with a line in the log, the run continued")


@pytest.mark.nightly
@pytest.mark.fault(8, "a start right after kill -9 of the launcher")
def test_after_the_death_of_the_launcher_the_next_run_waits_for_the_ranks_to_save(training: Training, happened: Happened) -> None:
    process = hold(training)
    process.kill()
    process.wait()
    # the rank saves as soon as its step has ended, which is a while after the next run came
    subprocess.Popen(["sh", "-c", "until grep -q 'IMS_PER_GPU: 99' run/logs/*; do sleep 0.1; done; sleep 5; touch go"], cwd=training.root)
    code, printed = training.run_script("TEST.IMS_PER_GPU=99")
    assert code == 0, printed
    assert "waiting for a run whose launcher was killed to save and end" in printed
    assert "continuing from iteration 7 of 24" in printed
    assert training.logged_iterations() == list(range(1, LENGTH + 1))
    happened("the next run waited until the rank had saved, and continued from there")


@pytest.mark.nightly
@pytest.mark.fault(8, "a rank is killed and restarted by --max_restarts")
def test_a_restart_is_not_refused(training: Training, happened: Happened) -> None:
    code = "import os, signal\nfrom petlib.engine.step import DefaultStep\ncall = DefaultStep.__call__\n"
    code += "def die(self, state, data, after_backward):\n"
    code += "    if state.iteration == 9 and os.environ.get('TORCHELASTIC_RESTART_COUNT') == '0':\n"
    code += "        os.kill(os.getpid(), signal.SIGKILL)\n"
    code += "    call(self, state, data, after_backward)\nDefaultStep.__call__ = die\n"
    exit_code, printed = training.run("--max_restarts=1", training.module("dies", code), "TRAIN.NUM_WORKERS=2")
    assert exit_code == 0, printed
    assert "taken over from a run that ended without giving it back" in printed
    assert training.logged_iterations() == list(range(1, LENGTH + 1))
    happened("restarted, exit code 0")


@pytest.mark.nightly
@pytest.mark.fault(8, "a lock of a machine that was lost")
def test_a_lock_of_another_machine_that_is_lost_lapses(training: Training, happened: Happened, tmp_path: Path) -> None:
    process = hold(training)
    text = (training.folder / "config.lock").read_text()
    os.kill(rank_pids(process.pid)[0], signal.SIGKILL)
    process.wait(LIMIT_SECONDS)
    lines = [line if '"boot"' not in line else ' "boot": "another",' for line in text.splitlines()]
    lines = [line if '"host"' not in line else ' "host": "node7",' for line in lines]
    lines[0] = "{" if lines[0] == "{" else lines[0]
    (training.folder / "config.lock").write_text("\n".join(lines))
    code, printed = training.run_script()
    assert code == 0, printed
    assert "waiting whether a run of another machine has ended: its lock lapses after 45 s" in printed
    assert "taken over from a run that ended without giving it back" in printed
    happened("waited 45 s and continued")
