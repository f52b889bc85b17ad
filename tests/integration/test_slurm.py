"""Jobs on a real Slurm of two nodes: trained, stopped, continued with another number of nodes, killed and preempted."""

import logging
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from petlib.object_store import ObjectStore
from tests.faults.training import assert_same_run
from tests.integration.clusters import LENGTH, OPTIONS, Project, samples_of_one_machine, started, wait_for, without_cluster
from tests.integration.slurm_daemons import NODES, Slurm, why_not
from tests.object_stores import open_store

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    pytest.importorskip("submitit")
    with started(Slurm, "slurm") as cluster:
        yield cluster


def project_of(slurm: Slurm, folder: Path, *, address: str = "") -> Project:
    variables = {name: value for name, value in slurm.environment.items() if name.startswith("SLURM_CONF") or name == "PATH"}
    return Project(folder / "project", {**without_cluster(), **variables}, address=address)


@pytest.fixture
def project(slurm: Slurm, tmp_path: Path) -> Project:
    return project_of(slurm, tmp_path)


@pytest.fixture
def stored(slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Give a project whose results go to a store of objects; its nodes share no folder with them."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with open_store("bucket", monkeypatch.setenv):
        yield project_of(slurm, tmp_path, address="s3://bucket/jobs")


def number_of(project: Project, name: str) -> str:
    """Return Slurm's number of the newest job of a run."""
    paths = (project.storage / name / "jobs").glob("*/*_submitted.pkl")
    return max(int(path.name.partition("_")[0]) for path in paths).__str__()


def state_of(project: Project, name: str) -> str:
    (line,) = [line for line in project.pet("jobs", "list").succeeded().output.splitlines() if f"{name}-train" in line][-1:]
    return line.split()[3]


def test_two_nodes_then_one_read_the_samples_of_one_machine(project: Project, slurm: Slurm) -> None:
    project.pause_at(3)
    said = project.train("digits", "slurm", "--nodes", "2").output
    assert "train of digits on slurm: 2 node(s), 1 process(es) on each" in said
    assert "left out: secrets: .env" in said
    copy = next((project.storage / "digits" / "jobs").glob("*/code"))
    assert (copy / "watched.py").exists() and not (copy / ".env").exists()
    project.wait_until_paused(2)
    refused = project.pet("train", *OPTIONS, "--on", "slurm", "--storage", str(project.storage), "--name", "digits")
    assert refused.code == 2 and "is running and writes into" in refused.output

    assert "asked to save and end" in project.pet("jobs", "stop", "digits").succeeded().output
    project.save_in_time((project.run_folder("digits") / "model_latest.pth").exists)
    printed = project.pet("jobs", "follow", "digits").succeeded().output
    assert "SIGTERM received: saving a checkpoint after iteration" in printed
    assert printed.splitlines()[-1].split()[1] == "stopped;"
    reached = project.iteration("digits")
    assert 3 < reached < LENGTH

    project.train("digits", "slurm")
    printed = project.pet("jobs", "follow", "digits").succeeded().output
    assert f"continuing from iteration {reached} of {LENGTH}" in printed
    assert printed.splitlines()[-1].split()[1] == "done;"
    assert project.iteration("digits") == LENGTH
    assert project.samples() == samples_of_one_machine()
    assert "checkpoint" not in project.pet("jobs", "fetch", "digits", "--out", "here").succeeded().output
    assert (project.folder / "here" / "model_latest.pth").exists() and not (project.folder / "here" / "config.lock").exists()


@pytest.mark.nightly
def test_two_nodes_one_and_two_again(project: Project) -> None:
    for nodes, pause in ((2, 3), (1, 12), (2, LENGTH)):
        if pause < LENGTH:
            project.pause_at(pause)
        project.train("digits", "slurm", "--nodes", str(nodes))
        if pause < LENGTH:
            project.wait_until_paused(nodes)
            project.pet("jobs", "stop", "digits").succeeded()
            project.go_on()
        project.pet("jobs", "follow", "digits").succeeded()
    assert project.iteration("digits") == LENGTH
    assert project.samples() == samples_of_one_machine()


@pytest.mark.nightly
def test_empty_nodes_go_on_from_a_store_of_objects(stored: Project, slurm: Slurm) -> None:
    project, place = stored, "s3://bucket/jobs/digits/run"
    project.pause_at(3)
    assert f"results: {place}" in project.train("digits", "slurm", "--nodes", "2").output
    project.wait_until_paused(2)
    project.pet("jobs", "stop", "digits").succeeded()
    project.save_in_time(lambda: any(item.name == "000001.json" for item in ObjectStore().list(f"{place}/checkpoints")))
    assert project.pet("jobs", "follow", "digits").succeeded().output.splitlines()[-1].split()[1] == "stopped;"
    project.fetch("digits")
    reached = project.iteration("digits")
    assert 3 < reached < LENGTH

    for node in NODES:
        assert list(slurm.folder_of(node).glob("pet-runs-*/*/digits/run")), "each node has a folder of its own"
        shutil.rmtree(slurm.folder_of(node))
    project.train("digits", "slurm", "--nodes", "2")
    printed = project.pet("jobs", "follow", "digits").succeeded().output
    assert f"continuing from iteration {reached} of {LENGTH}" in printed
    assert printed.splitlines()[-1].split()[1] == "done;"
    project.fetch("digits")
    assert project.iteration("digits") == LENGTH
    assert project.samples() == samples_of_one_machine()
    assert len((project.run_folder("digits") / "metrics.jsonl").read_text().splitlines()) >= LENGTH


@pytest.mark.nightly
@pytest.mark.parametrize("lost", ["n1", "n2"])
def test_a_node_that_is_lost_changes_nothing(project: Project, slurm: Slurm, lost: str) -> None:
    project.train("undisturbed", "slurm", "--nodes", "2")
    project.pet("jobs", "follow", "undisturbed").succeeded()
    project.pause_at(14)
    project.train("disturbed", "slurm", "--nodes", "2")
    project.wait_until_paused(2)
    slurm.kill_node(lost)
    project.go_on()
    number = number_of(project, "disturbed")
    wait_for(lambda: slurm.job(number).get("Restarts", "0") != "0", "second start", slurm.log)
    slurm.start_node(lost)
    printed = project.pet("jobs", "follow", "disturbed").succeeded().output
    assert printed.splitlines()[-1].split()[1] == "done;", printed
    assert_same_run(project.checkpoint("disturbed"), project.checkpoint("undisturbed"))
    assert project.samples() == samples_of_one_machine()


@pytest.mark.nightly
def test_a_preempted_job_saves_and_goes_on_by_itself(project: Project, slurm: Slurm) -> None:
    project.pause_at(3)
    project.train("digits", "slurm", "--nodes", "2")
    project.wait_until_paused(2)
    number = number_of(project, "digits")
    slurm.run("sbatch", "--partition=urgent", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=sleep 1")
    wait_for(lambda: slurm.job(number).get("PreemptTime") not in (None, "None"), "preemption", slurm.log)
    project.save_in_time((project.run_folder("digits") / "model_latest.pth").exists)
    printed = project.pet("jobs", "follow", "digits").succeeded().output
    assert "SIGTERM received: saving a checkpoint" in printed and "continuing from iteration" in printed
    assert printed.splitlines()[-1].split()[1] == "done;"
    assert slurm.job(number)["Restarts"] == "1"
    assert project.samples() == samples_of_one_machine()


@pytest.mark.nightly
def test_a_rank_that_is_killed_and_one_that_fails_for_good(project: Project, slurm: Slurm) -> None:
    project.pause_at(3)
    project.train("digits", "slurm", "--nodes", "1", "--max_restarts", "1")
    project.wait_until_paused(1)
    lock = (project.run_folder("digits") / "config.lock").read_text()
    os.kill(int(next(line for line in lock.splitlines() if '"pid"' in line).split(":")[1].strip(" ,")), signal.SIGKILL)
    project.go_on()
    printed = project.pet("jobs", "follow", "digits").succeeded().output
    assert "exit code 137: Slurm starts the job again" in printed
    assert project.iteration("digits") == LENGTH
    failed = project.train("wrong", "slurm", "TRAIN.DATASETS=['digits_train','nowhere']")
    assert "submitted" in failed.output
    printed = project.pet("jobs", "follow", "wrong").output
    assert "nowhere" in printed and printed.splitlines()[-1].split()[1] == "failed;"
    assert slurm.job(number_of(project, "wrong"))["Restarts"] == "0"


def test_mistakes_are_reported_before_anything_is_sent(project: Project) -> None:
    begin = ("train", *OPTIONS, "--storage", str(project.storage))
    absent = project.pet(*begin, "--on", "slurm:gpu")
    assert absent.code == 2 and "--on slurm:gpu: no such partition; there are urgent, usual" in absent.output
    large = project.pet(*begin, "--on", "slurm", "--cpus_per_node", "64")
    assert large.code == 2 and "the nodes of this partition have 4 cores" in large.output
    assert not project.storage.exists()
