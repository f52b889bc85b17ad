"""A short training by the real command line, to be disturbed."""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tests.integration.warm_python import warm_python

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "cfgs" / "vision" / "digits" / "resnet20_digits.yaml"
LENGTH = 24
OPTIONS = (
    "SOLVER.SCHEDULER.TOTAL_EPOCHS=0",
    f"SOLVER.SCHEDULER.TOTAL_ITERS={LENGTH}",
    "SOLVER.SCHEDULER.WARM_UP_EPOCHS=None",
    "SOLVER.SCHEDULER.WARM_UP_ITERS=3",
    "SOLVER.SNAPSHOT_ITER=4",
    "EVAL.PERIOD_EPOCH=0",
    # 1,437 samples: an epoch ends in the middle of iteration 12
    "TRAIN.BATCH_SIZE=128",
    "MISC.DISPLAY_ITER=1",
    "ANALYSER.ENABLED=False",
    "MISC.TENSORBOARD=False",
)
LIMIT_SECONDS = 180


@dataclass
class Training:
    """Starts ``tools/train_net_all.py`` on digits with ``OPTIONS``, as often as a test wants, in the output folder ``folder``."""

    root: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """The output folder."""
        return self.root / "run"

    @property
    def screen(self) -> Path:
        """The file that gets what the latest command prints, errors too."""
        return self.root / "screen.txt"

    def module(self, name: str, code: str) -> str:
        """Write a module that runs can name in ``MISC.IMPORTS``, and return the setting that names it."""
        (self.root / f"{name}.py").write_text(code)
        return f"MISC.IMPORTS=['{name}']"

    def environment(self, variables: dict[str, str] | None = None) -> dict[str, str]:
        """Return the environment of the commands: one thread, and the modules of :meth:`module` are found."""
        path = os.pathsep.join(filter(None, [str(self.root), os.environ.get("PYTHONPATH")]))
        return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, **(variables or {})}

    def start(self, *options: str, ranks: int = 1, environment: dict[str, str] | None = None, **popen: Any) -> subprocess.Popen[bytes]:
        """Start the command; options of the launcher begin with ``--``, settings are ``KEY=VALUE``."""
        launcher = [option for option in options if option.startswith("--")]
        settings = [option for option in options if not option.startswith("--")]
        words = [sys.executable, str(ROOT / "tools/train_net_all.py"), "--cfg", str(DIGITS), "--nproc", str(ranks), *launcher]
        with self.screen.open("wb") as screen:
            streams = {"stdout": screen, "stderr": subprocess.STDOUT, **popen}
            process = subprocess.Popen(
                [*words, *OPTIONS, f"MISC.CKPT={self.folder}", *settings], cwd=self.root, env=self.environment(environment), **streams
            )
        self.processes.append(process)
        return process

    def run(self, *options: str, ranks: int = 1, timeout: float = LIMIT_SECONDS, **arguments: Any) -> tuple[int, str]:
        """Run the command to its end; return its exit code and what it printed."""
        code = self.start(*options, ranks=ranks, **arguments).wait(timeout)
        return code, self.printed()

    def run_script(self, *settings: str, environment: dict[str, str] | None = None, timeout: float = LIMIT_SECONDS) -> tuple[int, str]:
        """Run the training script without the launcher, in a fork of a python that has the libraries loaded; takes a third of the time."""
        words = [ROOT / "tools/vision/train_net.py", "--cfg", DIGITS, *OPTIONS, f"MISC.CKPT={self.folder}", *settings]
        return warm_python().run(words, folder=self.root, environment=self.environment(environment), timeout=timeout)

    def printed(self) -> str:
        """Return what the latest command has printed so far."""
        return self.screen.read_text(errors="replace")

    def wait_for(self, pattern: str, *, timeout: float = LIMIT_SECONDS) -> str:
        """Wait until the latest command has printed what the regular expression describes, and return that."""
        deadline = time.monotonic() + timeout
        while (found := re.search(pattern, self.printed())) is None:
            assert self.processes[-1].poll() is None, f"it ended without printing {pattern!r}:\n{self.printed()}"
            assert time.monotonic() < deadline, f"{pattern!r} was not printed within {timeout} s:\n{self.printed()}"
            time.sleep(0.01)
        return found.group()

    def wait_for_iteration(self, iteration: int) -> None:
        """Wait until an iteration is in the log of metrics."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while iteration not in self.logged_iterations():
            assert self.processes[-1].poll() is None, f"it ended before iteration {iteration}:\n{self.printed()}"
            assert time.monotonic() < deadline, f"iteration {iteration} never came:\n{self.printed()}"
            time.sleep(0.005)

    def wait_for_file(self, name: str) -> None:
        """Wait until a module of :meth:`module` has made a file in the folder that the command runs in."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while not (self.root / name).exists():
            assert self.processes[-1].poll() is None, f"it ended without making {name}:\n{self.printed()}"
            assert time.monotonic() < deadline, f"{name} never came:\n{self.printed()}"
            time.sleep(0.005)

    def logged_iterations(self) -> list[int]:
        """Return the iterations of the training lines of ``metrics.jsonl``, one entry a line."""
        path = self.folder / "metrics.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        records = [json.loads(line) for line in lines if line.endswith("\n")]
        return [record["iteration"] for record in records if "loss_cls" in record]

    def checkpoint(self, name: str = "model_latest.pth") -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return torch.load(self.folder / name, weights_only=True)  # type: ignore[no-any-return]


def rank_pids(launcher: int) -> list[int]:
    """Return the process ids of the ranks that a launcher started."""
    return [int(pid) for pid in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()]


def descendants(pid: int) -> list[int]:
    """Return the process ids of all that a process started, directly or not."""
    tasks = Path(f"/proc/{pid}/task")
    children = [child for task in tasks.iterdir() for child in map(int, (task / "children").read_text().split())] if tasks.exists() else []
    return [*children, *(process for child in children for process in descendants(child))]


def assert_same_state(first: Any, second: Any, place: str = "state") -> None:
    """Compare nested values bit for bit."""
    if isinstance(first, torch.Tensor):
        assert torch.equal(first, second), place
    elif isinstance(first, dict):
        assert first.keys() == second.keys(), place
        for name in first:
            assert_same_state(first[name], second[name], f"{place}.{name}")
    elif isinstance(first, list | tuple):
        assert len(first) == len(second), place
        for index, pair in enumerate(zip(first, second, strict=True)):
            assert_same_state(*pair, f"{place}[{index}]")
    else:
        assert first == second, place


def assert_same_run(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Compare all of two checkpoints that training depends on, bit for bit."""
    assert first["iteration"] == second["iteration"]
    for part in ("model", "optimizers", "schedulers", "ema", "hooks", "random"):
        assert_same_state(first[part], second[part], part)
