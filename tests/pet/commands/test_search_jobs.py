"""pet-search on a cluster with a planted engine: what is submitted, what is taken up again, how trials end, messages."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pet.vision.config
from pet.cluster import engines
from pet.cluster.job import ClusterJob, Target
from pet.cluster.node import launcher_words, write_ending
from pet.cluster.package import Package
from pet.cluster.records import Record
from pet.commands import search, search_jobs
from pet.search.loop import Search, Slot
from pet.search.trial_config import Around
from petlib.config import load_cfg
from petlib.errors import OutputError
from petlib.launch.start.arguments import parse_tool_arguments
from tests.integration.conftest import DIGITS
from tests.pet.search.test_search import LEARNING_RATE, make_study

TARGET = Target("ray", "http://127.0.0.1:8265")
ON = ("--on", str(TARGET))
POINT = {"SOLVER.OPTIMIZER.BASE_LR": 0.25, "SOLVER.OPTIMIZER.NAME": "SGD", "TRAIN.RESIZE.SCALES": [16]}


class Planted:
    """An engine that keeps what it gets; a job is as far as a test says."""

    def __init__(self) -> None:
        self.jobs: list[ClusterJob] = []
        self.stopped: list[str] = []
        self.state_of: dict[str, str] = {}
        self.package: Package | None = None

    def check(self, job: ClusterJob, target: Target) -> None:
        assert target == TARGET and job.program == "train"

    def submit(self, job: ClusterJob, target: Target, package: Package) -> str:
        assert target == TARGET
        self.jobs.append(job)
        self.package = package
        return job.id

    def state(self, record: Record) -> str:
        return self.state_of.get(record.number, "running")

    def follow(self, record: Record) -> Iterator[str]:
        yield from ("one\n", f"last words of {record.job.name}\n")

    def stop(self, record: Record) -> None:
        self.stopped.append(record.number)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Planted:
    planted = Planted()
    monkeypatch.setitem(engines.ENGINES, "ray", planted)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(search_jobs, "STATE_SECONDS", 0.0)
    code = tmp_path / "code"
    (code / "found").mkdir(parents=True)
    for path in ("models.py", "found/trial_000.log"):
        (code / path).write_text("")
    monkeypatch.chdir(code)
    return planted


def make_jobs(*words: str) -> search_jobs.TrialJobs:
    command = ["--cfg", "vision/digits/resnet20_digits.yaml", *ON, *words, "MISC.SEED=4"]
    options, overrides = parse_tool_arguments(command, description="", add_options=search.add_options)
    around = Around(
        config=DIGITS,
        type_folder="vision",
        task=pet.vision.config,
        cfg=load_cfg(pet.vision.config, DIGITS, overrides, type_folder="vision"),
    )
    return search_jobs.TrialJobs(
        target=TARGET, around=around, folder=Path("found").absolute(), words=["--cfg", options.cfg, *overrides], options=options
    )


def write_evaluations(job: ClusterJob, *values: float) -> None:
    job.run_folder.mkdir(exist_ok=True)
    lines = [json.dumps({"iteration": number, "cls/acc1": value}) for number, value in enumerate(values)]
    (job.run_folder / "metrics.jsonl").write_text("\n".join(lines))


def test_a_trial_is_a_job_that_writes_into_its_folder(engine: Planted) -> None:
    folder = Path("found/trial_000").absolute()
    trial = make_jobs("--gpus_per_node", "2", "--name", "digits").begin(folder, POINT, Slot())
    (job,) = engine.jobs
    assert (job.name, job.results, job.gpus_per_node) == ("digits-trial_000", str(folder), 2)
    words = launcher_words(job, nodes=1, node_rank=0, endpoint="")
    assert words[3:] == [
        *("--nproc", "2", "--cfg", "vision/digits/resnet20_digits.yaml", "MISC.SEED=4"),
        *("SOLVER.OPTIMIZER.BASE_LR=0.25", "SOLVER.OPTIMIZER.NAME='SGD'", "TRAIN.RESIZE.SCALES=[16]", f"MISC.CKPT={folder}"),
    ]
    cfg = load_cfg(pet.vision.config, DIGITS, words[7:], type_folder="vision")
    assert {key: cfg.flat()[key] for key in POINT} == POINT
    assert load_cfg(pet.vision.config, folder.with_suffix(".yaml"), type_folder="vision").flat() == {
        **cfg.flat(),
        "MISC.CKPT": str(folder),
    }
    assert engine.package is not None and [*engine.package.sizes] == ["models.py"], "results of trials are not sent"
    assert trial.poll() is None and trial.evaluations() == []
    write_evaluations(job, 0.5, 0.75)
    assert [one.value for one in trial.evaluations()] == [0.5, 0.75]
    write_ending(job, 0)
    assert trial.poll() == 0 and not trial.was_stopped
    assert trial.last_words() == "one\nlast words of digits-trial_000" == folder.with_suffix(".log").read_text().strip()


@pytest.mark.parametrize(("state", "submitted"), [("running", 1), ("pending", 1), ("done", 1), ("stopped", 2), ("lost", 2)])
def test_a_job_that_runs_on_without_its_search_is_taken_up(state: str, submitted: int, engine: Planted) -> None:
    folder = Path("found/trial_000").absolute()
    make_jobs().begin(folder, POINT, Slot())
    engine.state_of[engine.jobs[0].id] = state
    trial = make_jobs().begin(folder, POINT, Slot())
    assert len(engine.jobs) == submitted
    write_ending(engine.jobs[-1], 0)
    assert trial.poll() == 0


@pytest.mark.parametrize(("state", "code", "stopped"), [("stopped", 143, True), ("failed", 1, False), ("done", 0, False)])
def test_how_a_job_ends_that_notes_nothing(state: str, code: int, stopped: bool, engine: Planted) -> None:
    trial = make_jobs().begin(Path("found/trial_000").absolute(), POINT, Slot())
    trial.stop()
    trial.kill()
    assert engine.stopped == [engine.jobs[0].id], "it is asked once"
    engine.state_of[engine.jobs[0].id] = state
    assert (trial.poll(), trial.was_stopped) == (code, stopped)


def test_a_cluster_that_is_silent_ends_the_search_and_not_its_trials(engine: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = make_jobs().begin(Path("found/trial_000").absolute(), POINT, Slot())
    (job,) = engine.jobs
    engine.state_of[job.id] = "lost"
    assert trial.poll() is None
    engine.state_of[job.id] = "running"
    assert trial.poll() is None
    engine.state_of[job.id] = "lost"
    monkeypatch.setattr(search_jobs, "LOST_SECONDS", -1.0)
    with pytest.raises(OutputError, match=f"{job.id}: {TARGET} does not say how it is since .* s; the same command goes on with"):
        trial.poll()
    trial.kill()
    assert not engine.stopped


def test_a_search_over_jobs(engine: Planted, tmp_path: Path) -> None:
    jobs, lines = make_jobs(), list[str]()

    def begin(folder: Path, point: Any, slot: Slot) -> search_jobs.TrialJob:
        trial = jobs.begin(folder, point, slot)
        write_evaluations(engine.jobs[-1], 0.5, point[LEARNING_RATE.key])
        write_ending(engine.jobs[-1], 0)
        return trial

    study = make_study(tmp_path / "study")
    running = Search(
        study=study,
        folder=Path("found").absolute(),
        slots=2 * [Slot()],
        trials=3,
        seconds=None,
        begin=begin,
        greater=True,
        say=lines.append,
        poll_seconds=0.01,
    )
    assert running.run()
    rows = study.rows()
    assert [row["state"] for row in rows] == 3 * ["finished"]
    assert [row["value"] for row in rows] == [max(0.5, row["point"][LEARNING_RATE.key]) for row in rows]
    assert lines.count("trial 0: iteration 0: 0.5") == 1
    assert {job.results for job in engine.jobs} == {str(Path(f"found/trial_00{number}").absolute()) for number in range(3)}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--nodes", "2"), "--nodes: it is about the machines of a cluster; give --on ray:http://HOST:8265, or leave it out"),
        (("--name", "x"), "--name: it is about the machines of a cluster"),
        (("--on", "slurm"), "--on slurm: ray:http://HOST:8265 expected, .* on Slurm, call pet-search in a job of one node"),
        (("--on", "ray:head"), "--on ray:head: the address of Ray's dashboard"),
        ((*ON, "--gpu_id", "0"), "--gpu_id 0 and --on: the cluster chooses the GPUs; say how many with --gpus_per_node"),
        ((*ON, "--nodes", "0"), "--nodes 0: a number from 1 on"),
    ],
)
def test_mistakes_are_reported(words: tuple[str, ...], message: str, engine: Planted, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("optuna")
    Path("space.yaml").write_text("SOLVER.OPTIMIZER.BASE_LR: [0.1, 0.2]\n")
    code = search.main(["--cfg", "vision/digits/resnet20_digits.yaml", "space.yaml", "--out", "found", *words])
    assert code == 2 and not engine.jobs
    assert re.search(message, capsys.readouterr().err)
