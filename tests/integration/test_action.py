"""Action recognition from the command line, on small video files."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests.faults.training import assert_same_state
from tests.integration.conftest import Done, Run
from tests.pet.data.video_files import write_video

CONFIG = """
MISC: {DATA_ROOT: DATA, TENSORBOARD: False, DISPLAY_ITER: 1, DEVICE: cpu}
MODEL: {NETWORK: tsm, BACKBONE: timm/test_resnet, FRAMES: 2}
DATA:
  ON_ERROR: skip
  CATALOG:
    own_train: {type: video_folder, path: train}
    own_test: {type: video_folder, path: test}
SOLVER:
  OPTIMIZER: {NAME: SGD, BASE_LR: 0.01}
  SCHEDULER: {NAME: constant, TOTAL_ITERS: 6}
  SNAPSHOT_ITER: 2
TRAIN:
  DATASETS: [own_train]
  BATCH_SIZE: 4
  NUM_WORKERS: 1
  RESIZE: {SCALES: [32]}
  TRANSFORMS: [RandomSegments, RandomResizedCrop, RandomHorizontalFlip, {name: ColorJitter, brightness: 0.3}, Normalize]
TEST:
  DATASETS: [own_test]
  IMS_PER_GPU: 2
  RESIZE: {SCALES: [32]}
  TRANSFORMS: [CentralSegments, {name: Resize, size: 32}, CenterCrop, Normalize]
  VIEW_TRANSFORMS: [{name: EvenClips, clips: 3}, {name: Resize, size: 32}, {name: CropViews, size: 32}, Normalize]
ANALYSER: {ENABLED: False}
"""
CLASSES = ("turn left", "turn right")
COPY = "w_a_test_video_by_another_name.avi"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos in class folders, one of the training cannot be read, one is also one of the test, and a config."""
    root = tmp_path_factory.mktemp("action")
    rng = np.random.default_rng(0)
    for split, count in (("train", 7), ("test", 3)):
        for name in CLASSES:
            for number in range(count):
                frames = rng.integers(0, 256, (6, 36, 48, 3), dtype=np.uint8)
                frames[..., CLASSES.index(name)] //= 4
                write_video(root / "data" / split / name / f"v_{name}_g{number:02}_c01.avi".replace(" ", ""), frames)
    shutil.copyfile(root / "data/test" / CLASSES[0] / "v_turnleft_g00_c01.avi", root / "data/train" / CLASSES[0] / COPY)
    (root / "data" / "train" / CLASSES[0] / "w_broken.avi").write_bytes(b"no video")
    config = root / "cfgs" / "tasks" / "action" / "small.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(CONFIG.replace("DATA:", "DATA:", 1).replace("DATA_ROOT: DATA", f"DATA_ROOT: {root / 'data'}"))
    return root


def start(run: Run, script: str, folder: Path, *options: str | Path) -> Done:
    return run(script, "--cfg", folder / "cfgs" / "tasks" / "action" / "small.yaml", *options)


def checkpoint(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "model_latest.pth", weights_only=True)  # type: ignore[no-any-return]


@pytest.fixture
def trained(folder: Path, run: Run) -> Path:
    """The folder of a training, made once."""
    ckpt = folder / "ckpt"
    if not (ckpt / "model_latest.pth").exists():
        start(run, "train_net_all.py", folder, f"MISC.CKPT={ckpt}").succeeded()
    return ckpt


def test_a_test_prints_the_figures_of_one_view_and_of_several(folder: Path, run: Run, trained: Path) -> None:
    done = start(run, "test_net_all.py", folder, f"MISC.CKPT={trained}").succeeded()
    lines = [line for line in done.results if line.startswith("test_acc1")]
    assert [re.sub(r"\d+\.\d+%", "%", line) for line in lines] == [
        "test_acc1@1x1: % | test_acc5@1x1: %",
        "test_acc1@3x3: % | test_acc5@3x3: %",
    ]
    metrics = json.loads((trained / "test" / "metrics.json").read_text())
    assert {"action/acc1@1x1", "action/acc1@3x3", "action/mean_class_acc@3x3"} <= set(metrics)
    assert len((trained / "test" / "3x3" / "predictions.jsonl").read_text().splitlines()) == 6


def test_an_exported_network_and_predictions_of_videos(folder: Path, run: Run, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.onnx"
    done = start(run, "export_net_all.py", folder, "--out", out, f"MISC.CKPT={trained}").succeeded()
    assert "clips (1, 3, 2, 32, 32) -> logits" in done.output
    assert "4 samples of own_test" in done.output
    videos = tmp_path / "videos"
    videos.mkdir()
    for path in sorted((folder / "data" / "test").rglob("*.avi"))[:2]:
        (videos / path.name).write_bytes(path.read_bytes())
    (videos / "broken.avi").write_bytes(b"no video")
    cv2.imwrite(str(videos / "image.png"), np.zeros((8, 8, 3), np.uint8))
    found = []
    for name, weights in (("torch", []), ("onnx", ["--weights", out])):
        target = tmp_path / name
        done = start(run, "inference.py", folder, "--images", videos, "--out", target, *weights, f"MISC.CKPT={trained}").succeeded()
        assert "12 frames of 3 videos" in done.output
        assert "2 files left out" in done.output
        assert "image.png: an image, and the model looks at videos" in done.output
        records = [json.loads(path.read_text()) for path in sorted(target.glob("v_*.json"))]
        assert [(record["frames"], record["frames_per_second"]) for record in records] == [(6, 10.0)] * 2
        assert {entry["class"] for entry in records[0]["classes"]} == set(CLASSES)
        assert cv2.imread(str(next(target.glob("v_*.jpg")))) is not None
        found.append([entry["score"] for record in records for entry in record["classes"]])
    assert found[0] == pytest.approx(found[1], abs=1e-4)


def test_looks_at_the_data(folder: Path, run: Run, tmp_path: Path) -> None:
    done = start(run, "data/check.py", folder, "--out", tmp_path)
    assert done.code == 1, "a video that cannot be read is what a training would fail on"
    report = json.loads((tmp_path / "report.json").read_text())
    (fatal,) = [finding["detail"] for finding in report["train"][0]["findings"] if finding["fatal"]]
    assert fatal.endswith("broken.avi: not a video that can be read, or one in a format that OpenCV here lacks")
    assert re.search(r"videos: [\d,]+ frames a second are decoded by a core", done.output)
    equal = [finding for finding in report["findings"] if "equal images or clips" in finding["kind"]]
    assert [Path(finding["place"]).name for finding in equal] == [COPY]
    shared = [finding["place"] for finding in report["findings"] if "parts of one whole" in finding["kind"]]
    assert len(shared) == 6
    assert shared[0] == "v_turnleft_g00"
    assert cv2.imread(str(tmp_path / "samples.png")) is not None
    for split in ("train", "test"):
        start(run, "data/browse.py", folder, "--split", split, "--count", "2", "--out", tmp_path / f"{split}.png").succeeded()
        assert cv2.imread(str(tmp_path / f"{split}.png")) is not None


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(folder: Path, run: Run, trained: Path, tmp_path: Path, workers: int) -> None:
    options = [f"MISC.CKPT={tmp_path}", f"TRAIN.NUM_WORKERS={workers}"]
    start(run, "train_net_all.py", folder, *options, "SOLVER.SCHEDULER.TOTAL_ITERS=3").succeeded()
    assert checkpoint(tmp_path)["iteration"] == 3
    start(run, "train_net_all.py", folder, *options).succeeded()
    for part in ("model", "optimizers", "schedulers", "random"):
        assert_same_state(checkpoint(tmp_path)[part], checkpoint(trained)[part], part)


@pytest.mark.nightly
def test_two_processes_train_as_one(folder: Path, run: Run, tmp_path: Path) -> None:
    """The network has no batch norm, so that samples do not meet; one of the videos cannot be read and is replaced by the same one."""
    vit = ["MODEL.NETWORK=tsn", "MODEL.BACKBONE=timm/test_vit", "MODEL.BACKBONE_ARGS={img_size: 32}", "TRAIN.PARALLEL=ddp"]
    states = []
    for count in ("1", "2"):
        start(run, "train_net_all.py", folder, "--nproc", count, f"MISC.CKPT={tmp_path / count}", *vit).succeeded()
        states.append(checkpoint(tmp_path / count)["model"])
    assert states[0].keys() == states[1].keys()
    assert all(torch.allclose(value, states[1][name], atol=1e-5) for name, value in states[0].items())


@pytest.mark.nightly
def test_two_processes_measure_what_one_measures(folder: Path, run: Run, trained: Path) -> None:
    results = []
    for count in (1, 2):
        start(run, "test_net_all.py", folder, "--nproc", str(count), f"MISC.CKPT={trained}").succeeded()
        results.append(json.loads((trained / "test" / "metrics.json").read_text()))
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["MODEL.NETWORK=tsx"], "tsx"),
        (["DATA.CATALOG.own_train.path=gone"], "there is no such folder"),
        (["TRAIN.TRANSFORMS=[Normalize]"], "TRAIN.TRANSFORMS: of a video frames are chosen first"),
        (["TRAIN.DATASETS=[digits_train]", "MODEL.NUM_CLASSES=10"], "the sample has image, the model takes clip"),
        (["DATA.ON_ERROR=raise", "DATA.CHECK_SAMPLES=64"], "broken.avi: not a video that can be read"),
    ],
)
def test_mistakes_are_one_message(folder: Path, run: Run, tmp_path: Path, options: list[str], message: str) -> None:
    done = start(run, "train_net_all.py", folder, f"MISC.CKPT={tmp_path}", *options)
    assert done.code == 2, done.output
    assert message in done.output
    assert "Traceback" not in done.output
