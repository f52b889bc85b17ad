"""Networks of single objects by the command lines: training, test in boxes of a detector, resume, two processes, export, two stages."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pet.data.datasets.shapes_writing import write_shapes
from pet.vision import GeneralizedCNN
from pet.vision import config as vision_config
from petlib.config import load_cfg
from tests.faults.training import assert_same_run
from tests.integration.conftest import ROOT, Run

POSE = ROOT / "cfgs" / "tasks" / "instance" / "shapes" / "pose_R-18.yaml"
ALL = ROOT / "cfgs" / "tasks" / "instance" / "shapes" / "all_R-18.yaml"
DETECTOR = ROOT / "cfgs" / "vision" / "shapes" / "faster_rcnn_R-18-FPN.yaml"
SMALL_DETECTOR = ["MODEL.BACKBONE=timm/test_resnet", "MODEL.FPN.CHANNELS=32", "MODEL.BOX.ROI.HIDDEN=32", "TEST.SCORE_THRESHOLD=0.0"]
LENGTH = 4
# batch norm sees the samples of one process only; with a network that has none, two processes compute the same
WITHOUT_BATCH_NORM = [
    *("MODEL.BACKBONE=timm/vit_tiny_patch16_224", "MODEL.BACKBONE_ARGS={depth: 1, embed_dim: 48}", "MODEL.UPSAMPLING.METHOD=bilinear"),
    *("MODEL.MASK.CHANNELS=[]", "MODEL.PARSING.CHANNELS=[]", "SOLVER.OPTIMIZER.NAME=SGD", "SOLVER.OPTIMIZER.BASE_LR=0.01"),
    # the quality that is learned depends on the top of each heatmap, and where one is flat yet, the least rounding moves it
    "MODEL.KEYPOINTS.QUALITY=False",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_shapes(folder, split="tiny", count=16)
    return folder / "tiny"


def options(config: Path, data: Path, folder: Path, *further: str) -> list[str]:
    entry = f"{{type: coco, path: {data}/images, annotations: {data}/annotations.json}}"
    return [
        *("--cfg", str(config), f"DATA.CATALOG={{shapes_train: {entry}, shapes_test: {entry}}}", f"MISC.CKPT={folder}"),
        *("SOLVER.SCHEDULER.TOTAL_EPOCHS=0", f"SOLVER.SCHEDULER.TOTAL_ITERS={LENGTH}", "SOLVER.SCHEDULER.WARM_UP_EPOCHS=0"),
        *("SOLVER.SNAPSHOT_ITER=2", "SOLVER.SNAPSHOT_EPOCH=0", "SOLVER.SNAPSHOT_KEEP=0", "EVAL.PERIOD_EPOCH=0"),
        *("MISC.DISPLAY_ITER=1", "MISC.TENSORBOARD=False", "TRAIN.BATCH_SIZE=8", *further),
    ]


def without_training(config: Path, data: Path, folder: Path, *further: str) -> list[str]:
    """Return the options of what trains nothing."""
    return options(config, data, folder, *further)[:4] + list(further)


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.integration.many_runs import run_many

    folder = tmp_path_factory.mktemp("trained")
    script = "tasks/instance/train_net.py"
    (done,) = run_many([(script, options(ALL, data, folder / "run", *WITHOUT_BATCH_NORM, "TRAIN.NUM_WORKERS=1"))], folder)
    done.succeeded()
    return folder / "run"


def checkpoint(path: Path) -> dict[str, object]:
    return torch.load(path, weights_only=True)  # type: ignore[no-any-return]


def write_boxes(path: Path, data: Path) -> Path:
    """Write the boxes of the figures as a detector that finds each of them would."""
    content = json.loads((data / "annotations.json").read_text())
    (figure,) = (entry["id"] for entry in content["categories"] if entry["name"] == "figure")
    found = [entry for entry in content["annotations"] if entry["category_id"] == figure]
    path.write_text(json.dumps([{**{name: entry[name] for name in ("image_id", "category_id", "bbox")}, "score": 0.9} for entry in found]))
    return path


def test_an_interrupted_run_ends_as_one_that_was_not(trained: Path, data: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "resumed").mkdir()
    for copy in ("model_iter2.pth", "model_latest.pth"):
        shutil.copy(trained / "model_iter2.pth", tmp_path / "resumed" / copy)
    run("tasks/instance/train_net.py", *options(ALL, data, tmp_path / "resumed", *WITHOUT_BATCH_NORM, "TRAIN.NUM_WORKERS=2")).succeeded()
    assert_same_run(checkpoint(tmp_path / "resumed" / "model_latest.pth"), checkpoint(trained / "model_latest.pth"))


@pytest.mark.nightly
def test_two_processes_train_what_one_does(trained: Path, data: Path, run: Run, tmp_path: Path) -> None:
    settings = options(ALL, data, tmp_path / "two", *WITHOUT_BATCH_NORM, "TRAIN.NUM_WORKERS=0", "ANALYSER.ENABLED=False")
    run("train_net_all.py", *settings, "--nproc", "2").succeeded()
    ours, theirs = (checkpoint(folder / "model_latest.pth")["model"] for folder in (tmp_path / "two", trained))
    for name, tensor in theirs.items():  # type: ignore[attr-defined]
        torch.testing.assert_close(ours[name], tensor, rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")  # type: ignore[index]
    boxes = write_boxes(tmp_path / "bbox.json", data)
    figures = []
    for nproc in ("1", "2"):
        test = without_training(
            ALL, data, trained, *WITHOUT_BATCH_NORM, f"TEST.BOXES={boxes}", "TEST.IMS_PER_GPU=3", "TEST.VIEWS.FLIP=True"
        )
        done = run("test_net_all.py", *test, "--nproc", nproc).succeeded()
        assert "| boxes of the data" in done.output
        assert "| boxes of the detector" in done.output
        figures.append(json.loads((trained / "test" / "metrics.json").read_text()))
    assert figures[0] == pytest.approx(figures[1], nan_ok=True)
    assert figures[0]["detector/parsing/mIoU"] == pytest.approx(figures[0]["parsing/mIoU"], abs=1e-6)


def test_an_exported_network_gives_what_pytorch_gives(data: Path, run: Run, tmp_path: Path) -> None:
    small = ["MODEL.BACKBONE=timm/test_resnet", "TRAIN.NUM_WORKERS=0"]
    run("tasks/instance/train_net.py", *options(ALL, data, tmp_path / "run", *small)).succeeded()
    done = run("export_net_all.py", *without_training(ALL, data, tmp_path / "run", small[0])).succeeded()
    assert "images (1, 3, 64, 64) -> keypoints, masks, parsing, keypoint_quality, mask_quality, parsing_quality" in done.output
    refused = run("export_net_all.py", *without_training(ALL, data, tmp_path / "run", small[0], "TEST.VIEWS.FLIP=True"))
    assert refused.code == 2
    assert "TEST.VIEWS.FLIP: True given, but an exported network looks at a crop once" in refused.output
    records = []
    for weights in ("", f"{tmp_path}/run/model.onnx"):
        names = without_training(ALL, data, tmp_path / "run", small[0], *([f"TEST.WEIGHTS={weights}"] if weights else []))
        run("inference.py", "--images", data / "images", "--out", tmp_path / "out", *names).succeeded()
        files = sorted((tmp_path / "out").glob("*.json"))
        records.append([entry for path in files for entry in json.loads(path.read_text())["objects"]])
    assert len(records[0]) == len(records[1]) == 16
    for ours, theirs in zip(*records, strict=True):
        assert ours.keys() == theirs.keys()
        # with the estimated quality, which the file gives too
        assert ours["parsing_score"] == pytest.approx(theirs["parsing_score"], abs=1e-3)
        assert np.array(ours["keypoints"]).ravel() == pytest.approx(np.array(theirs["keypoints"]).ravel(), abs=0.05)
    other = without_training(POSE, data, tmp_path / "run", small[0], f"TEST.WEIGHTS={tmp_path}/run/model.onnx", "TEST.VIEWS.FLIP=True")
    refused = run("inference.py", "--images", data / "images", "--out", tmp_path / "out", *other)
    assert refused.code == 2
    assert "TEST.VIEWS: an exported network looks at an image once" in refused.output


def test_a_detector_and_the_network_predict_images_and_videos(trained: Path, data: Path, run: Run, tmp_path: Path) -> None:
    torch.manual_seed(0)
    cfg = load_cfg(vision_config, DETECTOR, SMALL_DETECTOR)
    detector = GeneralizedCNN(cfg)
    # of random weights: what it finds is a figure
    detector.get_parameter("heads.box.roi_heads.box_predictor.cls_score.bias").data[4] = 5.0
    torch.save(detector.state_dict(), tmp_path / "detector.pth")
    config = tmp_path / "cfgs" / "vision" / "detector.yaml"
    config.parent.mkdir(parents=True)
    lines = ["HIDDEN: 32", "CHANNELS: 32"]
    config.write_text(
        f"_BASE_: {DETECTOR}\nMODEL: {{BACKBONE: timm/test_resnet, FPN: {{{lines[1]}}}, BOX: {{ROI: {{{lines[0]}}}}}}}\n"
        "TEST: {SCORE_THRESHOLD: 0.0, DETECTIONS_PER_IMAGE: 3}\nDATA: {CLASSES: [circle, square, triangle, figure]}\n"
    )
    (tmp_path / "in").mkdir()
    frames = sorted((data / "images").iterdir())[:3]
    for path in frames:
        shutil.copy(path, tmp_path / "in" / path.name)
    video = cv2.VideoWriter(str(tmp_path / "in" / "film.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, (128, 128))
    for path in frames:
        image = cv2.imread(str(path))
        assert image is not None
        video.write(image)
    video.release()
    stages = [f"TEST.DETECTOR.CFG={config}", f"TEST.DETECTOR.WEIGHTS={tmp_path}/detector.pth", "TEST.DETECTOR.SCORE=0.0"]
    names = ["--images", tmp_path / "in", "--out", tmp_path / "out", *without_training(ALL, data, trained, *WITHOUT_BATCH_NORM, *stages)]
    done = run("inference.py", *names).succeeded()
    assert "3 images and 3 frames of 1 video" in done.output
    objects = [json.loads((tmp_path / "out" / f"{path.stem}.json").read_text())["objects"] for path in frames]
    found = [entry for image in objects for entry in image]
    assert found, "a detector with random weights finds something of any class"
    assert {entry["class"] for entry in found} == {"figure"}
    assert all(np.array(entry["keypoints"]).shape == (5, 3) for entry in found)
    assert all("mask" in entry and "parsing_score" in entry for entry in found)
    film = json.loads((tmp_path / "out" / "film.json").read_text())
    assert len(film["frames"]) == 3
    # without a detector each image is one object
    whole = ["--images", frames[0], "--out", tmp_path / "whole", *without_training(ALL, data, trained, *WITHOUT_BATCH_NORM)]
    run("inference.py", *whole).succeeded()
    (single,) = json.loads((tmp_path / "whole" / f"{frames[0].stem}.json").read_text())["objects"]
    assert single["box"] == [0, 0, 128, 128]


def test_data_are_looked_at_as_crops(trained: Path, data: Path, run: Run, tmp_path: Path) -> None:
    names = without_training(ALL, data, trained, *WITHOUT_BATCH_NORM)
    run("data/check.py", *names, "--out", tmp_path / "check").succeeded()
    run("data/browse.py", *names, "--count", "2", "--out", tmp_path / "views.png").succeeded()
    assert (tmp_path / "views.png").stat().st_size > 10_000


@pytest.mark.nightly
def test_figures_are_found_as_well_as_by_keypoint_rcnn(run: Run, tmp_path: Path) -> None:
    settings = [f"MISC.DATA_ROOT={tmp_path}/data", f"MISC.CKPT={tmp_path}/run"]
    run("tasks/instance/train_net.py", "--cfg", POSE, *settings, timeout=7200).succeeded()
    run("test_net.py", "--cfg", POSE, *settings, "TEST.VIEWS.FLIP=True").succeeded()
    metrics = json.loads((tmp_path / "run" / "test" / "metrics.json").read_text())
    assert metrics["keypoints/AP"] >= 0.728
