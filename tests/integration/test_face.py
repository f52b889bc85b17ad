"""Face recognition from the training to embeddings of files, on drawn heads."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from pet.data.datasets.facets import draw_image
from pet.metrics.verification import normalise
from tests.integration.conftest import ROOT, Run, command, environment
from tests.integration.many_runs import run_many

OPTIONS = [
    "--cfg",
    str(ROOT / "cfgs" / "tasks" / "face" / "facets_iresnet18.yaml"),
    *("SOLVER.SCHEDULER.TOTAL_EPOCHS=0", "SOLVER.SCHEDULER.TOTAL_ITERS=6", "SOLVER.SCHEDULER.WARM_UP_EPOCHS=None"),
    *("SOLVER.OPTIMIZER.BASE_LR=0.02", "SOLVER.SCHEDULER.NAME=constant", "SOLVER.SNAPSHOT_ITER=3", "SOLVER.SNAPSHOT_KEEP=0"),
    *("TRAIN.BATCH_SIZE=12", "MISC.DISPLAY_ITER=1", "MISC.TENSORBOARD=False", "ANALYSER.ENABLED=False", "EVAL.PERIOD_EPOCH=0"),
    *("MODEL.SAMPLE_RATE=0.4", "MODEL.EMBEDDING=16", "TRAIN.RESIZE.SCALES=[32]", "TEST.RESIZE.SCALES=[32]"),
    "TRAIN.TRANSFORMS=[Resize, RandomHorizontalFlip, Normalize]",
    "TEST.TRANSFORMS=[Resize, Normalize]",
    # batch norm sees the samples of one process only; with a network that has none, several processes compute what one does
    *("MODEL.BACKBONE=timm/vit_tiny_patch16_224", "MODEL.BACKBONE_ARGS={img_size: 32, depth: 1}"),
]

KILLER = """
import os, signal
from petlib.engine.step import DefaultStep

step = DefaultStep.__call__

def stop_here(self, state, data, after_backward):
    if state.iteration == 5:
        state.checkpointer.wait()
        os.kill(os.getpid(), signal.SIGKILL)
    step(self, state, data, after_backward)

DefaultStep.__call__ = stop_here
"""


def losses(folder: Path) -> list[float]:
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line["loss_face"] for line in lines if "loss_face" in line]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process trained, without launcher."""
    folder = tmp_path_factory.mktemp("one")
    (done,) = run_many([("tasks/face/train_net.py", [*OPTIONS, f"MISC.CKPT={folder}"])], folder)
    done.succeeded()
    return folder


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left that got SIGKILL after five iterations, with a checkpoint of the third."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "killer.py").write_text(KILLER)
    words = command("train_net_all.py", *OPTIONS, "--nproc", "2", f"MISC.CKPT={folder / 'run'}", "MISC.IMPORTS=['killer']")
    paths = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(words, cwd=folder, env={**environment(), "PYTHONPATH": paths}, capture_output=True, text=True, timeout=300)
    assert done.returncode == 128 + signal.SIGKILL, done.stdout + done.stderr
    assert (folder / "run" / "model_iter3.dcp").is_dir()
    return folder / "run"


@pytest.mark.parametrize("processes", [1, *(pytest.param(count, marks=pytest.mark.nightly) for count in (2, 3))])
def test_a_killed_run_of_two_processes_is_continued_by_any_number(
    one: Path, killed: Path, run: Run, tmp_path: Path, processes: int
) -> None:
    folder, whole = tmp_path / "run", tmp_path / "whole"
    shutil.copytree(killed, folder)
    script = ["tasks/face/train_net.py"] if processes == 1 else ["train_net_all.py", "--nproc", str(processes)]
    done = run(*script, *OPTIONS, f"MISC.CKPT={folder}").succeeded()
    assert "continuing from iteration 3 of 6" in done.output
    np.testing.assert_allclose(losses(folder), losses(one), atol=1e-5)
    assert len(set(losses(one))) == 6
    if processes == 2:
        run("train_net_all.py", *OPTIONS, f"MISC.CKPT={whole}", "--nproc", "2").succeeded()
        assert losses(folder) == losses(whole)


def test_the_test_measures_pairs_of_unseen_people(one: Path, run: Run) -> None:
    done = run("test_net.py", *OPTIONS, f"MISC.CKPT={one}").succeeded()
    metrics = json.loads((one / "test" / "metrics.json").read_text())
    assert {"facets_test/accuracy", "facets_test/accuracy_std", "facets_test/tar@far=0.01", "facets_test/nearest_tar@far=0.01"} <= set(
        metrics
    )
    assert 0.5 <= metrics["facets_test/accuracy"] <= 1
    assert done.results[-1].startswith(f"facets_test: accuracy {metrics['facets_test/accuracy']:.2%} +- ")
    lines = (one / "test" / "facets_test_pairs.csv").read_text().splitlines()
    assert len(lines) == 1201
    assert lines[0] == "image,image2,same,squared_distance"


def test_the_test_measures_templates(one: Path, run: Run, tmp_path: Path) -> None:
    for name in ("loose_crop", "meta"):
        (tmp_path / name).mkdir()
    for number in range(12):
        cv2.imwrite(str(tmp_path / "loose_crop" / f"{number}.png"), draw_image(number // 3, number % 3))
    images = "".join(f"{number}.png {number // 3} {number}\n" for number in range(12))
    (tmp_path / "meta" / "ijbc_face_tid_mid.txt").write_text(images)
    (tmp_path / "meta" / "ijbc_template_pair_label.txt").write_text("0 1 0\n0 0 1\n2 3 0\n")
    for name, text in (("gallery_G1", "0,5\n1,6\n"), ("gallery_G2", "2,7\n"), ("probe_mixed", "0,5\n2,7\n")):
        (tmp_path / "meta" / f"ijbc_1N_{name}.csv").write_text(f"TEMPLATE_ID,SUBJECT_ID\n{text}")
    settings = [
        f"DATA.CATALOG={{ijbc: {{type: face_templates, path: '{tmp_path}'}}}}",
        "TEST.DATASETS=[ijbc]",
        "EVAL.FALSE_ACCEPTS=[0.0001]",
    ]
    done = run("test_net.py", *OPTIONS, f"MISC.CKPT={one}", *settings).succeeded()
    # a template has cosine 1 with itself
    assert done.results[-1] == "ijbc: tar@far=0.0001: 100.00% | rank1: 100.00% | tpir@fpir=0.01: 100.00%"
    with np.load(one / "test" / "ijbc_templates.npz") as content:
        assert content["embeddings"].shape == (4, 16)


def test_exported_embeddings_are_those_of_the_checkpoint(one: Path, run: Run, tmp_path: Path) -> None:
    done = run("export_net.py", *OPTIONS, f"MISC.CKPT={one}", "--out", str(tmp_path / "face.onnx")).succeeded()
    assert "least cosine 1.0000" in done.output
    (tmp_path / "faces" / "ada").mkdir(parents=True)
    for number in range(3):
        cv2.imwrite(str(tmp_path / "faces" / "ada" / f"{number}.png"), draw_image(number, 0))
    (tmp_path / "faces" / "broken.png").write_bytes(b"no image")
    found = []
    for weights in ("", str(tmp_path / "face.onnx")):
        out = tmp_path / f"out{bool(weights)}"
        options = ["--images", str(tmp_path / "faces"), "--out", str(out), *(["--weights", weights] if weights else [])]
        done = run("inference.py", *OPTIONS, f"MISC.CKPT={one}", *options).succeeded()
        assert "3 images" in done.output
        assert "1 file left out" in done.output
        with np.load(out / "embeddings.npz") as content:
            assert [Path(file).name for file in content["files"]] == ["0.png", "1.png", "2.png"]
            found.append(content["embeddings"])
    assert found[0].shape == (3, 16)
    assert (normalise(found[0]) * normalise(found[1])).sum(axis=1).min() > 0.9999


def test_data_are_looked_at(run: Run, tmp_path: Path) -> None:
    done = run("data/check.py", *OPTIONS, f"MISC.CKPT={tmp_path}", "--split", "test").succeeded()
    assert "600" in done.output
    run("data/browse.py", *OPTIONS, f"MISC.CKPT={tmp_path}", "--count", "2").succeeded()
    assert (tmp_path / "data" / "train_views.png").is_file()


def test_what_is_no_list_of_pairs_cannot_be_tested_on(one: Path, run: Run) -> None:
    done = run("test_net.py", *OPTIONS, f"MISC.CKPT={one}", "TEST.DATASETS=[digits_test]")
    assert done.code == 2
    assert "TEST.DATASETS: digits_test has no pairs of images to compare" in done.output
