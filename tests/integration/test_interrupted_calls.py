"""``pet.train`` in a thread, twice in one program, and interrupted: a checkpoint is saved and the same call goes on."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import environment

PROGRAM = """
import os, signal, threading, time
import pet

SHORT = dict(
    SOLVER__SCHEDULER__TOTAL_EPOCHS=0, SOLVER__SCHEDULER__TOTAL_ITERS=30, SOLVER__SCHEDULER__WARM_UP_EPOCHS=0, EVAL__PERIOD_EPOCH=0,
    EVAL__PERIOD_ITER=30, SOLVER__SNAPSHOT_EPOCH=0, MISC__DISPLAY_ITER=2, MISC__TENSORBOARD=False, REPORT__ENABLED=False)

def train(folder):
    return pet.train("vision/digits/resnet20_digits.yaml", folder=folder, **SHORT)

def interrupt():
    while not os.path.exists("interrupted/metrics.jsonl"):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
try:
    train("interrupted")
except KeyboardInterrupt:
    print("interrupted:", sorted(os.listdir("interrupted")))
runs = []
thread = threading.Thread(target=lambda: runs.append(train("interrupted")))
thread.start()
thread.join()
print("figures:", runs[0].metrics)
"""


@pytest.mark.nightly
def test_an_interrupted_call_goes_on_in_a_thread(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env={**environment(), "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
        # where the tests run in the background of a shell, it is ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert done.returncode == 0, done.stdout[-3000:]
    before, _, after = done.stdout.partition("interrupted:")
    assert re.search(r"SIGTERM received: saving a checkpoint after iteration \d+ and ending", before), before[-2000:]
    assert "model_latest.pth" in after.splitlines()[0]
    assert "continuing from iteration" in after
    assert "figures: {'cls/acc1': 0." in after
    left = [process.name for process in Path("/proc").glob("[0-9]*") if _is_in(process, tmp_path)]
    assert left == []


def _is_in(process: Path, folder: Path) -> bool:
    try:
        return (process / "cwd").resolve() == folder.resolve()
    except OSError:
        return False
