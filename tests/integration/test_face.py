"""Face recognition from the training to embeddings of files, on drawn heads."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from pet.data.datasets.facets import draw_image
from pet.metrics.verification import normalise
from tests.integration.conftest import ROOT, Run
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
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("two")


def test_a_run_of_two_processes_is_continued_by_one(one: Path, two: Path, run: Run) -> None:
    run("train_net_all.py", *OPTIONS, f"MISC.CKPT={two}", "--nproc", "2", "SOLVER.SCHEDULER.TOTAL_ITERS=3").succeeded()
    shutil.copytree(two, two / "copy")
    assert (two / "model_iter3.dcp").is_dir()
    done = run("tasks/face/train_net.py", *OPTIONS, f"MISC.CKPT={two}").succeeded()
    assert "continuing from iteration 3 of 6" in done.output
    np.testing.assert_allclose(losses(two), losses(one), atol=1e-5)
    assert len(set(losses(one))) == 6


@pytest.mark.nightly
def test_a_run_of_two_processes_is_continued_by_three(one: Path, two: Path, run: Run) -> None:
    folder = two / "copy"
    run("train_net_all.py", *OPTIONS, f"MISC.CKPT={folder}", "--nproc", "3").succeeded()
    np.testing.assert_allclose(losses(folder), losses(one), atol=1e-5)


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
