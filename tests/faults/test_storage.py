"""The promises where the checkpoints go to a store of objects: the run continues on a machine that has nothing of it."""

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from petlib.object_store import ObjectStore
from tests.faults.conftest import Happened
from tests.faults.training import LENGTH, LIMIT_SECONDS, OPTIONS, Training, assert_same_run, rank_pids
from tests.object_stores import Proxy, open_store


class Store(NamedTuple):
    """A store behind its proxy, and the place of the run in it."""

    proxy: Proxy
    place: str

    def inject(self, fault: Callable[[str, str], str]) -> None:
        """Let requests fail from here on."""
        self.proxy.fault = fault


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as patch, open_store("runs", patch.setenv) as proxy:
        yield Store(proxy, f"s3://runs/{request.node.name}")


@pytest.fixture
def other_machine(tmp_path: Path) -> Training:
    (tmp_path / "other").mkdir()
    return Training(tmp_path / "other")


def manifests(place: str) -> list[str]:
    return sorted(item.name for item in ObjectStore().list(f"{place}/checkpoints") if item.name.endswith(".json"))


@pytest.mark.fault(3, "the store refuses the credentials at the start")
def test_wrong_credentials(store: Store, training: Training, happened: Happened) -> None:
    store.inject(lambda method, path: "refuse")
    code, printed = training.run_script(f"MISC.STORAGE={store.place}", "MISC.STORAGE_TIMEOUT=2")
    assert code == 2, printed
    assert f"error: {store.place}/written_by.json: the store refuses: " in printed
    assert "AWS_SECRET_ACCESS_KEY" in printed
    assert "iter: 1/" not in printed
    happened("exit code 2 before the first iteration, with the names of the variables")


@pytest.mark.nightly
@pytest.mark.fault(1, "kill -9 in the middle of an upload, continued on another machine")
def test_killed_in_an_upload(store: Store, training: Training, other_machine: Training, undisturbed: Training, happened: Happened) -> None:
    def kill(method: str, path: str) -> str:
        if method == "PUT" and path.endswith("/000003/model_iter12.pth"):
            os.kill(rank_pids(training.processes[0].pid)[0], signal.SIGKILL)
            return "drop"
        return ""

    store.inject(kill)
    assert training.start(f"--storage={store.place}").wait(LIMIT_SECONDS) == 128 + signal.SIGKILL
    store.inject(lambda method, path: "")
    assert manifests(store.place) == ["000001.json", "000002.json"]
    code, printed = other_machine.run_script(f"MISC.STORAGE={store.place}")
    assert code == 0, printed
    assert "continuing from iteration 8 of" in printed
    assert_same_run(other_machine.checkpoint(), undisturbed.checkpoint())
    assert other_machine.logged_iterations() == list(range(1, LENGTH + 1))
    happened("continued elsewhere from the whole one before, the same weights, each iteration once in the metrics")


@pytest.mark.nightly
@pytest.mark.fault(3, "the store is away from the first checkpoint on")
def test_the_store_is_away(store: Store, training: Training, other_machine: Training, undisturbed: Training, happened: Happened) -> None:
    store.inject(lambda method, path: "busy" if method == "PUT" and "/checkpoints/" in path else "")
    code, printed = training.run_script(f"MISC.STORAGE={store.place}", "MISC.STORAGE_TIMEOUT=3")
    assert code == 2, printed
    assert printed.count("the upload failed and is tried again; training goes on") == 1
    assert f"{store.place}: model_iter{LENGTH}.pth is not uploaded after 3 s: " in printed
    assert_same_run(training.checkpoint(), undisturbed.checkpoint())
    store.inject(lambda method, path: "")
    code, printed = training.run_script(f"MISC.STORAGE={store.place}")
    assert code == 0, printed
    code, printed = other_machine.run_script(f"MISC.STORAGE={store.place}")
    assert code == 0, printed
    assert_same_run(other_machine.checkpoint(), undisturbed.checkpoint())
    happened("all iterations, then exit code 2 with the reason; the same command uploaded it")


@pytest.mark.nightly
@pytest.mark.fault(5, "SIGTERM, continued on another machine")
def test_stopped(store: Store, training: Training, other_machine: Training, undisturbed: Training, happened: Happened) -> None:
    process = training.start(f"--storage={store.place}", ranks=2)
    training.wait_for_iteration(6)
    process.send_signal(signal.SIGTERM)
    assert process.wait(LIMIT_SECONDS) == 128 + signal.SIGTERM, training.printed()
    saved = training.checkpoint()["iteration"]
    code, printed = other_machine.run_script(f"MISC.STORAGE={store.place}")
    assert code == 0, printed
    assert f"continuing from iteration {saved} of" in printed
    assert other_machine.logged_iterations() == list(range(1, LENGTH + 1))
    assert undisturbed.checkpoint()["iteration"] == other_machine.checkpoint()["iteration"]
    happened("exit code 143 with the checkpoint in the store, continued elsewhere")


@pytest.mark.nightly
@pytest.mark.fault(1, "a job with its results in a store, fetched from there")
def test_a_job(store: Store, tmp_path: Path, happened: Happened) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "scratch").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "scratch"), "XDG_CACHE_HOME": str(tmp_path / "caches"), "OMP_NUM_THREADS": "1"}

    def pet(command: str, *words: str) -> str:
        call = [sys.executable, "-c", f"import sys; from pet import cli; sys.exit(cli.{command}())", *words]
        done = subprocess.run(
            call, cwd=tmp_path / "project", env=environment, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    job = ("--cfg", "vision/digits/resnet20_digits.yaml", *OPTIONS, "--on", "local", "--storage", store.place, "--name", "digits")
    printed = pet("train", *job)
    assert f"results: {store.place}/digits/run" in printed
    shutil.rmtree(tmp_path / "scratch")
    (tmp_path / "scratch").mkdir()
    # the test of a model whose training was on another node
    assert "the weights are those of" in pet("test", *job)
    pet("jobs", "fetch", "digits")
    names = {path.relative_to(tmp_path / "project/ckpts/digits").as_posix() for path in (tmp_path / "project/ckpts/digits").rglob("*")}
    assert {"model_latest.pth", "model_best.pth", "metrics.jsonl", "report.html", "test/config.yaml"} <= names
    happened("trained, tested on an empty node, fetched")
