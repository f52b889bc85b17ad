"""Jobs on a real Slurm of two nodes: trained, stopped, continued with another number of nodes, killed and preempted."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.training import assert_same_run
from tests.integration.clusters import LENGTH, OPTIONS, SAVE_SECONDS, Project, samples_of_one_machine, wait_for, without_cluster
from tests.integration.slurm_daemons import Slurm, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    pytest.importorskip("submitit")
    # the paths of sockets are short
    folder = Path(tempfile.mkdtemp(prefix="pet-slurm-", dir="/tmp"))
    cluster = Slurm(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def project(slurm: Slurm, tmp_path: Path) -> Project:
    variables = {name: value for name, value in slurm.environment.items() if name.startswith("SLURM_CONF") or name == "PATH"}
    return Project(tmp_path / "project", {**without_cluster(), **variables})


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

    begin = time.monotonic()
    assert "asked to save and end" in project.pet("jobs", "stop", "digits").succeeded().output
    project.go_on()
    wait_for((project.run_folder("digits") / "model_latest.pth").exists, "checkpoint", project.printed)
    assert time.monotonic() - begin < SAVE_SECONDS
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
    begin = time.monotonic()
    project.go_on()
    wait_for((project.run_folder("digits") / "model_latest.pth").exists, "checkpoint", project.printed)
    assert time.monotonic() - begin < SAVE_SECONDS
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
