"""What tests of clusters share: their start, a project with a short training, the commands, and which samples each iteration read."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch

from petlib.data.samplers import ShuffledSampler
from tests.integration.conftest import Done

LENGTH = 24
BATCH = 128
DIGITS, SEED = 1437, 3
OPTIONS = (
    *("--cfg", "vision/digits/resnet20_digits.yaml"),
    *("SOLVER.SCHEDULER.TOTAL_EPOCHS=0", f"SOLVER.SCHEDULER.TOTAL_ITERS={LENGTH}"),
    *("SOLVER.SCHEDULER.WARM_UP_EPOCHS=None", "SOLVER.SCHEDULER.WARM_UP_ITERS=3"),
    *("SOLVER.SNAPSHOT_ITER=4", "EVAL.PERIOD_EPOCH=0", f"TRAIN.BATCH_SIZE={BATCH}"),
    *("MISC.DISPLAY_ITER=1", "ANALYSER.ENABLED=False", "MISC.TENSORBOARD=False", "MISC.IMPORTS=['watched']"),
)
# goes along as part of the code: notes which samples each iteration read, and waits where a test asks it to
WATCHED = """
import json, os, time
from pathlib import Path
from petlib.distributed import rank, world_size
from petlib.engine.step import DefaultStep
from pet.data.datasets.digits import Digits

notes = Path("@notes@")
read, step, indices = Digits.__getitem__, DefaultStep.__call__, []

def noted(self, index):
    indices.append(int(index))
    return read(self, index)

def watched(self, state, data, after_backward):
    if (notes / "pause_at").exists() and state.iteration == int((notes / "pause_at").read_text()):
        (notes / f"paused_{rank()}").touch()
        while (notes / "pause_at").exists():
            time.sleep(0.01)
    iteration = state.iteration
    indices.clear()
    step(self, state, data, after_backward)
    line = json.dumps({"iteration": iteration, "rank": rank(), "ranks": world_size(), "samples": indices}) + "\\n"
    with (notes / f"samples_{rank()}").open("a") as file:
        file.write(line)

Digits.__getitem__, DefaultStep.__call__ = noted, watched
"""
LIMIT_SECONDS = 400.0
SAVE_SECONDS = 20.0


class Cluster(Protocol):
    """Daemons on this machine."""

    def start(self) -> None:
        """Start them."""

    def stop(self) -> None:
        """End them, and all that they started."""


AnyCluster = TypeVar("AnyCluster", bound=Cluster)


@contextmanager
def started(make: Callable[[Path], AnyCluster], kind: str) -> Iterator[AnyCluster]:
    """Start a cluster in a folder of its own, whose path is short because those of sockets are."""
    folder = Path(tempfile.mkdtemp(prefix=f"pet-{kind}-", dir="/tmp"))
    cluster = make(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Project:
    """A folder from which commands are submitted.

    Attributes:
        folder: the code.
        environment: with which commands find the cluster.
        address: of a store of objects where the results go; empty: a folder that all nodes share.
    """

    folder: Path
    environment: dict[str, str]
    address: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.notes.mkdir()
        (self.folder / "watched.py").write_text(WATCHED.replace("@notes@", str(self.notes)))
        (self.folder / ".env").write_text("TOKEN=not to be sent")
        self.environment = {**self.environment, "XDG_CACHE_HOME": str(self.folder.parent / "cache"), "OMP_NUM_THREADS": "1"}

    @property
    def storage(self) -> Path:
        return self.folder.parent / "storage"

    @property
    def notes(self) -> Path:
        return self.folder.parent / "notes"

    def pet(self, program: str, *words: str) -> Done:
        code = "import sys; from pet import cli; sys.exit(getattr(cli, sys.argv.pop(1))())"
        done = subprocess.run(
            [*self.prefix, sys.executable, "-c", code, program, *words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_SECONDS,
        )
        return Done(done.returncode, done.stdout)

    @property
    def prefix(self) -> tuple[str, ...]:
        """The words before every command."""
        return ()

    def train(self, name: str, on: str, *words: str) -> Done:
        storage = self.address or str(self.storage)
        return self.pet("train", *OPTIONS, "--on", on, "--storage", storage, "--name", name, *words).succeeded()

    def run_folder(self, name: str) -> Path:
        """Return the folder with the results; of a store what :meth:`fetch` brought."""
        return self.folder.parent / "fetched" / name if self.address else self.storage / name / "run"

    def fetch(self, name: str) -> None:
        """Bring the results from the store."""
        self.pet("jobs", "fetch", name, "--out", str(self.run_folder(name))).succeeded()

    def pause_at(self, iteration: int) -> None:
        (self.notes / "pause_at").write_text(str(iteration))

    def go_on(self) -> None:
        (self.notes / "pause_at").unlink()
        for path in self.notes.glob("paused_*"):
            path.unlink()

    def save_in_time(self, is_saved: Callable[[], bool]) -> None:
        """Let ranks go on that were asked to stop, and check how long it takes until a checkpoint is there."""
        begin = time.monotonic()
        self.go_on()
        wait_for(is_saved, "checkpoint", self.printed)
        seconds = time.monotonic() - begin
        print(f"a checkpoint {seconds:.1f} s after the stop")
        assert seconds < SAVE_SECONDS

    def wait_until_paused(self, ranks: int) -> None:
        wait_for(lambda: len(list(self.notes.glob("paused_*"))) == ranks, f"{ranks} paused ranks", self.printed)

    def printed(self) -> str:
        paths = sorted((self.folder / "ckpts" / "jobs" if self.address else self.storage).glob("*/jobs/*/*.out"))
        return "\n".join(path.read_text(errors="replace")[-4000:] for path in paths)

    def samples(self) -> dict[int, list[int]]:
        """Return which samples each iteration read, over all its ranks, sorted; what was repeated has to be the same."""
        by_size: dict[tuple[int, int], dict[int, list[int]]] = {}
        for path in sorted(self.notes.glob("samples_*")):
            for line in path.read_text().splitlines():
                note = json.loads(line)
                of_ranks = by_size.setdefault((note["iteration"], note["ranks"]), {})
                assert of_ranks.setdefault(note["rank"], note["samples"]) == note["samples"]
        found: dict[int, list[int]] = {}
        for (iteration, ranks), of_ranks in by_size.items():
            # a rank that was killed in the middle has noted nothing
            if len(of_ranks) == ranks:
                together = sorted(sample for samples in of_ranks.values() for sample in samples)
                assert found.setdefault(iteration, together) == together
        return found

    def iteration(self, name: str) -> int:
        """Return how far the latest checkpoint of a run is."""
        return int(self.checkpoint(name)["iteration"])

    def checkpoint(self, name: str) -> dict[str, Any]:
        return torch.load(self.run_folder(name) / "model_latest.pth", weights_only=True)  # type: ignore[no-any-return]


def samples_of_one_machine() -> dict[int, list[int]]:
    """Return which samples each iteration of the training reads, sorted, by the sampler itself."""
    sampler = ShuffledSampler(DIGITS, seed=SEED)
    positions = np.arange(LENGTH * BATCH).reshape(LENGTH, BATCH)
    return {
        iteration: sorted(int(sampler.indices(place // DIGITS, np.array([place % DIGITS]))[0]) for place in row)
        for iteration, row in enumerate(positions.tolist())
    }


def wait_for(is_there: Callable[[], bool], what: str, printed: Callable[[], str]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not is_there():
        assert time.monotonic() < deadline, f"no {what} within {LIMIT_SECONDS} s:\n{printed()}"
        time.sleep(0.05)


def without_cluster() -> dict[str, str]:
    """Return the environment of this process without what belongs to a job."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "RAY_", "SUBMITIT_", "PET_"))}
