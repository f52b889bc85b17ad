"""Jobs on a real Ray of two nodes: trained, stopped, continued with another number of nodes, and with a node killed."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.training import assert_same_run
from tests.integration.clusters import (
    LENGTH,
    LIMIT_SECONDS,
    OPTIONS,
    Project,
    samples_of_one_machine,
    started,
    wait_for,
    without_cluster,
)
from tests.integration.ray_nodes import JOB_SERVER, STORE_VARIABLES, RayCluster, why_not
from tests.integration.test_train_job import CLOUD, JOB, smaller, with_light_network, write_script, write_tutorial

pytestmark = [pytest.mark.nightly, pytest.mark.skipif(bool(why_not()), reason=why_not())]
ON = f"ray:{JOB_SERVER}"


@dataclass
class RayProject(Project):
    """A project in the network of the cluster."""

    cluster: RayCluster = field(kw_only=True)

    @property
    def prefix(self) -> tuple[str, ...]:
        return self.cluster.prefix

    def printed(self) -> str:
        return self.cluster.log()


@pytest.fixture(scope="module")
def ray() -> Iterator[RayCluster]:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'pet-vision[ray]'")
    with started(RayCluster, "ray") as cluster:
        yield cluster


@pytest.fixture
def project(ray: RayCluster, tmp_path: Path) -> RayProject:
    return RayProject(tmp_path / "project", without_cluster(), cluster=ray)


def test_two_nodes_then_one_read_the_samples_of_one_machine(project: RayProject) -> None:
    project.pause_at(3)
    said = project.train("digits", ON, "--nodes", "2").output
    assert f"train of digits on {ON}: 2 node(s), 1 process(es) on each" in said and "left out: secrets: .env" in said
    project.wait_until_paused(2)
    assert project.pet("jobs", "list").succeeded().output.split()[3] == "running"

    assert "asked to save and end" in project.pet("jobs", "stop", "digits").succeeded().output
    # from here on: before, the command imports Ray's client, which takes long on a busy machine
    project.save_in_time((project.run_folder("digits") / "model_latest.pth").exists)
    printed = project.pet("jobs", "follow", "digits").succeeded().output
    assert "SIGTERM received: saving a checkpoint after iteration" in printed
    assert printed.splitlines()[-1].split()[1] == "stopped;"
    reached = project.iteration("digits")
    assert 3 < reached < LENGTH

    project.train("digits", ON)
    printed = project.pet("jobs", "follow", "digits").succeeded().output
    assert f"continuing from iteration {reached} of {LENGTH}" in printed
    assert printed.splitlines()[-1].split()[1] == "done;"
    assert project.iteration("digits") == LENGTH
    assert project.samples() == samples_of_one_machine()
    project.pet("jobs", "fetch", "digits", "--out", "here").succeeded()
    assert (project.folder / "here" / "model_latest.pth").exists()


def test_a_node_that_is_lost_changes_nothing(project: RayProject, ray: RayCluster) -> None:
    project.train("undisturbed", ON, "--nodes", "2")
    project.pet("jobs", "follow", "undisturbed").succeeded()
    project.pause_at(14)
    project.train("disturbed", ON, "--nodes", "2")
    project.wait_until_paused(2)
    ray.kill_node("n2")
    project.go_on()
    wait_for(lambda: "a node is lost" in ray.log(), "lost node", ray.log)
    ray.start_node("n2")
    printed = project.pet("jobs", "follow", "disturbed").succeeded().output
    assert "the job is started again, and goes on from its last checkpoint" in printed
    assert printed.splitlines()[-1].split()[1] == "done;", printed
    assert_same_run(project.checkpoint("disturbed"), project.checkpoint("undisturbed"))
    assert project.samples() == samples_of_one_machine()


def test_with_fewer_nodes_it_goes_on_with_those(project: RayProject, ray: RayCluster) -> None:
    project.pause_at(6)
    project.train("digits", ON, "--nodes", "1-2")
    project.wait_until_paused(2)
    ray.kill_node("n2")
    project.go_on()
    printed = project.pet("jobs", "follow", "digits").succeeded().output
    assert printed.splitlines()[-1].split()[1] == "done;", printed
    assert project.samples() == samples_of_one_machine()
    ray.start_node("n2")


def test_a_lost_node_comes_back_empty_and_goes_on_from_a_store_of_objects(ray: RayCluster, tmp_path: Path) -> None:
    pytest.importorskip("moto.server", reason="moto is not installed")
    ray.start_store("bucket")
    project = RayProject(tmp_path / "project", without_cluster() | STORE_VARIABLES, address="s3://bucket/jobs", cluster=ray)
    lost = "a node is lost"
    project.pause_at(14)
    assert "results: s3://bucket/jobs/digits/run" in project.train("digits", ON, "--nodes", "2").output
    project.wait_until_paused(2)
    before = ray.log().count(lost)
    ray.kill_node("n2")
    assert list(ray.folder_of("n2").glob("pet-runs-*/*/digits/run")), "each node has a folder of its own"
    shutil.rmtree(ray.folder_of("n2"))
    project.go_on()
    wait_for(lambda: ray.log().count(lost) > before, "lost node", ray.log)
    ray.start_node("n2")
    printed = project.pet("jobs", "follow", "digits").succeeded().output
    assert "the job is started again, and goes on from its last checkpoint" in printed and "continuing from iteration " in printed
    assert printed.splitlines()[-1].split()[1] == "done;", printed
    project.fetch("digits")
    assert project.iteration("digits") == LENGTH
    assert project.samples() == samples_of_one_machine()


@pytest.mark.parametrize("storage", ["", "s3://scripts/jobs"])
def test_the_script_of_a_job_for_the_cloud(ray: RayCluster, tmp_path: Path, storage: str) -> None:
    if storage:
        pytest.importorskip("moto.server", reason="moto is not installed")
        ray.start_store("scripts")
    write_tutorial(tmp_path, "unet")
    last = CLOUD.replace('desc="from sdk",', 'desc="from sdk", onnx_shape=(64, 96),')
    script = write_script(tmp_path, f"{with_light_network(smaller(JOB))}\n{last}")
    environment = {**without_cluster(), "PET_CLUSTER": ON, "PET_MODELS": "store", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment |= STORE_VARIABLES | {"PET_STORAGE": storage}
    words = [*ray.prefix, sys.executable, script]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    place = tmp_path / "ckpts" / "jobs" / "models" / "landcover_0.1" / "1"
    assert f"landcover_0.1, version 1: {storage or place.parents[2]}/models/landcover_0.1/1" in done.stdout + done.stderr
    assert storage or {path.name for path in place.iterdir()} == {"model.pth", "model.onnx", "config.yaml", "card.json"}


def test_the_trials_of_a_search_run_on_both_nodes_and_outlive_it(project: RayProject) -> None:
    pytest.importorskip("optuna", reason="Optuna is not installed: pip install 'pet-vision[search]'")
    (project.folder / "space.yaml").write_text("SOLVER.OPTIMIZER.BASE_LR: {low: 0.001, high: 0.5, log: True}\n")
    found = project.storage / "found"
    words = [*OPTIONS, "EVAL.PERIOD_ITER=8", "space.yaml", "--on", ON, "--trials", "3", "--processes", "2", "--out", str(found)]
    trials = [found / "trial_000", found / "trial_001"]
    project.pause_at(3)
    with start_search(project, words) as search:
        # each has taken its first steps, after which a stop saves a checkpoint
        wait_for(lambda: steps_noted(project) == 2 * 3, "two trials at a time", project.printed)
        search.kill()
    assert jobs_of_search(project) == [("running", "trial_000"), ("running", "trial_001")]

    with start_search(project, words) as search:
        assert search.stdout is not None
        printed = ""
        while "trial 1 goes on: " not in printed:
            line = search.stdout.readline()
            assert line, printed
            printed += line
        assert len(jobs_of_search(project)) == 2, "what runs is taken up, not submitted again"
        os.kill(search.pid, signal.SIGINT)
        project.go_on()
        printed += search.stdout.read()
        assert search.wait() == 128 + signal.SIGINT, printed
    assert "trial 0 is interrupted; the same command goes on with it" in printed, printed
    assert jobs_of_search(project) == [("stopped", "trial_000"), ("stopped", "trial_001")]

    printed = project.pet("search", *words).succeeded().output
    for trial in trials:
        assert re.search("continuing from iteration [1-9]", trial.with_suffix(".log").read_text())
        evaluated = [json.loads(line)["iteration"] for line in (trial / "metrics.jsonl").read_text().splitlines() if "cls/acc1" in line]
        assert evaluated == [8, 16, 24], "each evaluation once, whichever job made it"
    rows = re.findall(r"^(\d)  +finished +[\d.]+ +3 ", printed, re.MULTILINE)
    assert rows == ["0", "1", "2"], printed
    assert (found / "best.yaml").exists() and (found / "trial_002" / "model_best.pth").exists()
    again = project.pet("search", *words).succeeded().output
    assert "begins" not in again and "goes on: " not in again


def steps_noted(project: RayProject) -> int:
    """Return how many iterations all trials together have taken."""
    path = project.notes / "samples_0"
    return len(path.read_text().splitlines()) if path.exists() else 0


def start_search(project: RayProject, words: list[str]) -> "subprocess.Popen[str]":
    """Start ``pet-search`` in the network of the cluster."""
    code = "import sys; from pet import cli; sys.exit(cli.search())"
    return subprocess.Popen(
        [*project.prefix, sys.executable, "-c", code, *words],
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def jobs_of_search(project: RayProject) -> list[tuple[str, str]]:
    """Return state and trial of each job."""
    lines = project.pet("jobs", "list").succeeded().output.splitlines()
    return sorted((words[3], words[5].split("-train-")[0][-9:]) for words in (line.split() for line in lines))


def test_a_mistake_is_not_repeated(project: RayProject) -> None:
    project.train("wrong", ON, "TRAIN.DATASETS=['digits_train','nowhere']")
    printed = project.pet("jobs", "follow", "wrong").output
    assert "nowhere" in printed and printed.splitlines()[-1].split()[1] == "failed;"
    assert "started again" not in printed
    refused = project.pet("train", *OPTIONS, "--on", "ray:http://127.0.0.1:1", "--storage", str(project.storage), "--name", "away")
    assert refused.code == 2 and "Failed to connect to Ray at address: http://127.0.0.1:1" in refused.output
    assert not any((project.storage / "away").rglob("*.json"))
