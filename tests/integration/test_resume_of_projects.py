"""FairMOT, counting and dense poses: a run that is killed ends as one that is not; two processes train and measure what one does."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pet.data.datasets.mannequins import COUNTS, write_mannequins
from pet.data.datasets.walkers import write_walkers
from pet.data.files.mot_text import read_mot
from tests.faults.training import assert_same_run, rank_pids
from tests.integration.conftest import ROOT, Run, command, environment
from tests.integration.many_runs import run_many
from tests.integration.test_exact_resume import wait_for_iteration
from tests.integration.test_two_ranks import assert_close_weights

LENGTH, KILLED_AT = 16, 5
CONFIGS = {
    "fairmot": "walkers/fairmot_R-18.yaml",
    "crowdcounting": "crowds/crowds_dots_resnet10.yaml",
    "densepose": "mannequins_R-18-FPN.yaml",
}
COMMON = [
    *("SOLVER.SCHEDULER.TOTAL_EPOCHS=0", f"SOLVER.SCHEDULER.TOTAL_ITERS={LENGTH}", "SOLVER.SNAPSHOT_EPOCH=0", "SOLVER.SNAPSHOT_ITER=2"),
    *("EVAL.PERIOD_EPOCH=0", "EVAL.PERIOD_ITER=0", "MISC.DISPLAY_ITER=1", "MISC.TENSORBOARD=False", "ANALYSER.ENABLED=False"),
    *("TRAIN.BATCH_SIZE=2", "SOLVER.SCHEDULER.WARM_UP_EPOCHS=None", "SOLVER.SCHEDULER.WARM_UP_ITERS=3", "SOLVER.EMA.ENABLED=True"),
]
SMALL = {
    "fairmot": [
        *("MODEL.BACKBONE=timm/test_resnet", "TRAIN.DATASETS=[few_train]", "TEST.DATASETS=[few_test]"),
        "DATA.CATALOG={few_train: {type: mot, path: few, split: train}, few_test: {type: mot, path: few, split: test, step: 6}}",
        # two processes equal one to the rounding of float32
        *("TEST.SCORE_THRESHOLD=0.0", "SOLVER.AMP.ENABLED=False"),
    ],
    "crowdcounting": [
        "DATA.CATALOG={crowds_train: {type: crowds, share: [0.0, 0.04]}, crowds_test: {type: crowds, split: test, share: [0.0, 0.1]}}",
        "MODEL.BACKBONE_ARGS={channels: [8, 8, 8, 8], stem_width: 8, out_indices: [2]}",
    ],
    "densepose": [
        *("MODEL.BACKBONE=timm/test_resnet", "MODEL.FPN.CHANNELS=16", "MODEL.BOX.ROI.HIDDEN=32", "MODEL.SURFACE.CHANNELS=[16]"),
        *("MODEL.SURFACE.POOL=8", "TEST.SCORE_THRESHOLD=0.0", "MODEL.LOSS_WEIGHTING.METHOD=uncertainty"),
    ],
}
# batch norm sees the samples of one process only
WITHOUT_BATCH_NORM = [
    *("MODEL.NECK=fpn", "MODEL.FPN.LEVELS=[2]", "MODEL.FPN.TOP=none", "MODEL.FPN.CHANNELS=16"),
    *("MODEL.FROZEN_BN=True", "SOLVER.OPTIMIZER.NAME=SGD"),
    # no part without a gradient
    "MODEL.BACKBONE_ARGS={out_indices: [1]}",
]


def line_of(name: str, folder: Path, *further: str) -> list[str | Path]:
    return ["--cfg", ROOT / "cfgs" / "projects" / name / CONFIGS[name], f"MISC.CKPT={folder}", *COMMON, *SMALL[name], *further]


def script_of(name: str) -> str:
    return f"projects/{name}/train_net.py"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``data``: few sequences of people, and few mannequins as if they were all."""
    folder = tmp_path_factory.mktemp("projects")
    train, _ = (write_walkers(folder / "data" / "few", split=split, count=2) for split in ("train", "test"))
    annotations = [read_mot(path, what="the annotations") for path in train.glob("*/gt/gt.txt")]
    people = sum(len(np.unique(rows.ids[rows.classes == 1])) for rows in annotations)
    (folder / "people.txt").write_text(f"MODEL.IDENTITY.NUM_IDENTITIES={people}")
    for split, count in COUNTS.items():
        path = write_mannequins(folder / "data" / "mannequins", split=split, count=8)
        content = json.loads(path.read_text(encoding="utf-8"))
        content["info"]["count"] = count
        path.write_text(json.dumps(content), encoding="utf-8")
    return folder


def data_options(name: str, data: Path) -> list[str]:
    return [f"MISC.DATA_ROOT={data / 'data'}", *([(data / "people.txt").read_text()] if name == "fairmot" else [])]


def checkpoint(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "model_latest.pth", weights_only=True)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.nightly if name == "densepose" else ()) for name in CONFIGS])
def test_a_killed_run_ends_as_one_that_was_not_disturbed(name: str, data: Path, tmp_path: Path) -> None:
    folders = {kind: tmp_path / kind for kind in ("killed", "undisturbed")}
    lines = {kind: line_of(name, folder, *data_options(name, data)) for kind, folder in folders.items()}
    words = command("train_net_all.py", *lines["killed"], "--nproc", "1", "TRAIN.NUM_WORKERS=1")
    process = subprocess.Popen(words, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_iteration(folders["killed"], KILLED_AT, process)
    for pid in rank_pids(process.pid):
        os.kill(pid, signal.SIGKILL)
    assert process.wait(180) == 128 + signal.SIGKILL
    assert KILLED_AT - 2 <= checkpoint(folders["killed"])["iteration"] < LENGTH
    resumed, _ = (done.succeeded() for done in run_many([(script_of(name), line) for line in lines.values()], tmp_path))
    assert "continuing from iteration" in resumed.output
    ours, theirs = (checkpoint(folder) for folder in folders.values())
    assert ours["iteration"] == LENGTH
    assert_same_run(ours, theirs)


@pytest.fixture(scope="module")
def tracked(data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str | Path]:
    """The command line of FairMOT without batch norm, which one process has trained."""
    folder = tmp_path_factory.mktemp("tracked")
    line = line_of("fairmot", folder / "one", *data_options("fairmot", data), *WITHOUT_BATCH_NORM)
    (done,) = run_many([(script_of("fairmot"), line)], folder)
    done.succeeded()
    return line


@pytest.mark.nightly
def test_two_processes_train_the_fairmot_that_one_does(tracked: list[str | Path], run: Run, tmp_path: Path) -> None:
    one = Path(str(tracked[2]).removeprefix("MISC.CKPT="))
    done = run("train_net_all.py", *tracked, f"MISC.CKPT={tmp_path / 'two'}", "--nproc", "2").succeeded()
    assert "2 processes on cpu" in done.output
    ours, theirs = (checkpoint(folder)["model"] for folder in (tmp_path / "two", one))
    assert any(key.startswith("heads.identity.classifier.") for key in theirs) and any(key.startswith("weighting.") for key in theirs)
    assert_close_weights(ours, theirs)


@pytest.mark.nightly
def test_two_processes_measure_the_tracks_that_one_does(tracked: list[str | Path], run: Run) -> None:
    folder = Path(str(tracked[2]).removeprefix("MISC.CKPT=")) / "test"
    results = []
    for count in ("1", "2"):
        test = ["TEST.IMS_PER_GPU=1", "TEST.TRACKER={name: fairmot, score: 0, buffer: 2}", "--nproc", count]
        run("test_net_all.py", *tracked, *test).succeeded()
        texts = {path.name: path.read_text() for path in (folder / "tracks").iterdir()}
        results.append((json.loads((folder / "metrics.json").read_text()), texts))
    assert results[0] == results[1]
    assert len(results[0][1]) == 2 and all(results[0][1].values()) and "track/HOTA" in results[0][0]


def test_two_processes_measure_the_surfaces_that_one_does(data: Path, run: Run, tmp_path: Path) -> None:
    line = line_of("densepose", tmp_path / "run", *data_options("densepose", data), f"SOLVER.SCHEDULER.TOTAL_ITERS={LENGTH // 4}")
    run(script_of("densepose"), *line).succeeded()
    results = []
    for count in ("1", "2"):
        run("test_net_all.py", *line, "TEST.IMS_PER_GPU=1", "--nproc", count).succeeded()
        folder = tmp_path / "run" / "test"
        results.append([(folder / name).read_text() for name in ("metrics.json", "surface.json")])
    assert results[0] == results[1] and "gps/AP" in results[0][0]
