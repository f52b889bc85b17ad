"""Trainings over two hosts with addresses of their own, started by hand as on machines without a cluster."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.faults.training import assert_same_run
from tests.integration.clusters import LIMIT_SECONDS, OPTIONS, without_cluster
from tests.integration.hosts import NAMES, Hosts, why_not

pytestmark = [pytest.mark.nightly, pytest.mark.skipif(bool(why_not()), reason=why_not())]
ROOT = Path(__file__).parent.parent.parent
ENDPOINT = "10.77.0.1:29500"
PET = [sys.executable, "-c", "import sys; from pet import cli; sys.exit(cli.train())"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=1", "--rdzv_backend=c10d", "--rdzv_id=7"]
SCRIPT = str(ROOT / "tools/vision/train_net.py")
# the script itself takes the path of a config, not the name of one that comes with Pet
TRAINING = [
    "--cfg",
    str(ROOT / "cfgs" / OPTIONS[1]),
    *(word for word in OPTIONS[2:] if not word.startswith("MISC.IMPORTS")),
    "MISC.DEVICE=cpu",
]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    made = Hosts(tmp_path_factory.mktemp("hosts"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def one_machine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The checkpoint of the same training, two processes on one machine."""
    folder = tmp_path_factory.mktemp("one") / "run"
    done = subprocess.run(
        [*PET, *TRAINING, "--nproc", "2", f"MISC.CKPT={folder}"], env=environment(), capture_output=True, text=True, timeout=LIMIT_SECONDS
    )
    assert done.returncode == 0, done.stderr
    return checkpoint(folder)


def environment() -> dict[str, str]:
    return {**without_cluster(), "OMP_NUM_THREADS": "1"}


def checkpoint(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "model_latest.pth", weights_only=True)  # type: ignore[no-any-return]


def start(hosts: Hosts, commands: dict[str, list[str]]) -> list[str]:
    """Run a command on each host and return what they print."""
    processes = [
        subprocess.Popen(
            [*hosts.prefix(name), *words], cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for name, words in commands.items()
    ]
    printed = [process.communicate(timeout=LIMIT_SECONDS)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(printed)
    return printed


def test_the_launcher_on_each_host(hosts: Hosts, one_machine: dict[str, Any], tmp_path: Path) -> None:
    words = {
        name: [*PET, "--nnodes", "2", "--node_rank", str(rank), "--rdzv_endpoint", ENDPOINT, *TRAINING, f"MISC.CKPT={tmp_path}/run"]
        for rank, name in enumerate(NAMES)
    }
    printed = start(hosts, words)
    assert all("1 process on the CPU on each of 2 machines" in text for text in printed)
    assert_same_run(checkpoint(tmp_path / "run"), one_machine)


def test_torchrun_on_each_host(hosts: Hosts, one_machine: dict[str, Any], tmp_path: Path) -> None:
    agent = [*TORCHRUN, "--nnodes=2", f"--rdzv_endpoint={ENDPOINT}"]
    training = [SCRIPT, *TRAINING, f"MISC.CKPT={tmp_path}/run"]
    start(hosts, {name: [*agent, f"--local_addr={address}", *training] for name, address in NAMES.items()})
    assert_same_run(checkpoint(tmp_path / "run"), one_machine)
