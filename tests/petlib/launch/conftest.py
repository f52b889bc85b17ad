import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

LIMIT_SECONDS = 180
"""How long a test waits for what comes within seconds on a machine that is not busy. What must not end by itself sleeps longer."""

SCRIPT = """
import os, signal, sys, time
from pathlib import Path
from petlib.config import CfgNode, PETLIB_SCHEMA
from petlib.errors import DataError
from petlib.launch import run_script

RANK = os.environ.get("RANK", "0")

class Task:
    def get_base_cfg(self):
        return CfgNode(PETLIB_SCHEMA)

    def infer_cfg(self, cfg):
        pass

def mark(name):
    Path(f"{{name}}{{RANK}}").write_text(str(os.getpid()))

def stop_in_order():
    def stop(number, frame):
        mark("saved")
        sys.exit(128 + number)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)

def main(cfg):
{body}

run_script(main, Task())
"""


class Toy:
    """A project in a temporary folder whose script runs a given body, without torch."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.started: list[subprocess.Popen] = []
        self.temporary = root / "tmp"
        self.temporary.mkdir()
        self.write("cfgs/toy/x.yaml", "MISC: {DEVICE: cpu}\nSOLVER: {SCHEDULER: {TOTAL_EPOCHS: 1}}\n")

    def write(self, path: str, text: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def script(self, body: str, name: str = "train_net.py") -> None:
        self.write(f"tools/toy/{name}", SCRIPT.format(body=textwrap.indent(textwrap.dedent(body), "    ")))

    def environment(self, **variables: str) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")}
        return {**own, "TMPDIR": str(self.temporary), **variables}

    def start(self, *options: str, entry: str = "train", stdout=subprocess.PIPE, **variables: str) -> subprocess.Popen:
        command = [sys.executable, "-c", f"import sys; from pet.cli import {entry}; sys.exit({entry}())"]
        process = subprocess.Popen(
            [*command, "--cfg", "cfgs/toy/x.yaml", *options],
            cwd=self.root,
            env=self.environment(**variables),
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def end(self, process: subprocess.Popen) -> subprocess.CompletedProcess:
        out, err = process.communicate(timeout=LIMIT_SECONDS)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def run(self, *options: str, **arguments) -> subprocess.CompletedProcess:
        return self.end(self.start(*options, **arguments))

    def wait_for(self, *names: str) -> list[int]:
        """Wait until the marks are there and return the process ids in them."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while not all((self.root / name).exists() and (self.root / name).read_text() for name in names):
            assert time.monotonic() < deadline, f"{names} never came"
            time.sleep(0.02)
        return [int((self.root / name).read_text()) for name in names]

    def log(self, rank: int, purpose: str = "train") -> str:
        return (self.root / f"ckpts/toy/x/logs/{purpose}_rank{rank}.log").read_text()


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and is only not yet waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still there: {[pid for pid in pids if alive(pid)]}"
        time.sleep(0.05)


@pytest.fixture
def gone():
    return wait_until_gone


@pytest.fixture
def toy(tmp_path):
    project = Toy(tmp_path)
    yield project
    for process in project.started:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            process.kill()
            process.communicate()
