"""Every setting of every task is read by one of its commands: recorded in real runs, with all parts of a run switched on in turn."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

import pet.vision.config
from pet.data.datasets.streets3d import write_streets3d
from pet.vision import GeneralizedCNN
from petlib.config import load_cfg
from tests.integration.conftest import ROOT, environment
from tests.integration.count_unread import READ_ELSEWHERE
from tests.integration.test_change_detection import write_pairs
from tests.integration.test_densepose_page import write_few_mannequins
from tests.integration.test_fairmot_page import write_few
from tests.integration.test_vision_page import write_few_shapes
from tests.pet.data.video_files import write_video

SHORT = [
    *("SOLVER.SCHEDULER.TOTAL_EPOCHS=0", "SOLVER.SCHEDULER.TOTAL_ITERS=2", "TRAIN.BATCH_SIZE=2", "TEST.IMS_PER_GPU=2"),
    *("TRAIN.NUM_WORKERS=0", "TEST.NUM_WORKERS=0", "EVAL.PERIOD_EPOCH=0", "EVAL.PERIOD_ITER=1", "EXPORT.SAMPLES=1"),
    *("SOLVER.SNAPSHOT_EPOCH=0", "SOLVER.SNAPSHOT_ITER=1", "SOLVER.AMP.DTYPE=bf16", "SOLVER.SCHEDULER.WARM_UP_EPOCHS=None"),
    *("TRAIN.RESIZE.SCALES=[64]", "TEST.RESIZE.SCALES=[64]", "TRAIN.WEIGHTS="),
]
PARTS_ON = [
    *("SOLVER.EMA.ENABLED=True", "SOLVER.AMP.ENABLED=True", "SOLVER.CLIP_GRADIENTS.METHOD=norm", "SOLVER.NONFINITE=rollback"),
    *("TEST.PRECISE_BN.ENABLED=True", "MISC.PROFILER.ENABLED=True", "EVAL.EARLY_STOP.ENABLED=True", "DATA.ON_ERROR=skip"),
    *("SOLVER.SCHEDULER.WARM_UP_ITERS=1", "SOLVER.SCHEDULER.NAME=step", "EXPORT.HALF=True", "EXPORT.HALF_TOLERANCE=1000.0"),
    *("FINETUNE.FREEZE_EPOCHS=1", "FINETUNE.HEAD_LR_MULT=2.0"),
    *("MISC.TRACKERS=[keeps]", "MISC.IMPORTS=[tests.petlib.trackers.planted]"),
]
EPOCHS = [
    *("SOLVER.SCHEDULER.TOTAL_ITERS=0", "SOLVER.SCHEDULER.TOTAL_EPOCHS=1", "SOLVER.SCHEDULER.WARM_UP_EPOCHS=1"),
    *("SOLVER.SNAPSHOT_ITER=0", "SOLVER.SNAPSHOT_EPOCH=1", "EVAL.PERIOD_ITER=0", "EVAL.PERIOD_EPOCH=1", "TRAIN.BATCH_SIZE=512"),
]
MIXED = ["TRAIN.MIXUP.MIXUP_ALPHA=0.2", "TRAIN.MIXUP.CUTMIX_ALPHA=1.0"]
ADAM, SGD = ["SOLVER.OPTIMIZER.NAME=AdamW"], ["SOLVER.OPTIMIZER.NAME=SGD"]


class Recorded(NamedTuple):
    """A run whose commands are recorded.

    Attributes:
        type: the task, as in the path of the config.
        config: below ``cfgs``.
        overrides: what is set otherwise.
        images: below the data: a folder to predict, of pairs also the second.
        exported: whether the model can be exported.
    """

    type: str
    config: str
    overrides: list[str]
    images: tuple[str, ...] = ("data/changes/images2",)
    exported: bool = True


def shapes(name: str, *options: str, exported: bool = True) -> Recorded:
    """Return a run of the general CNN on the drawn shapes."""
    small = ["EXPORT.SIZE=[256, 256]", "MODEL.BACKBONE=timm/test_resnet", "MODEL.FPN.CHANNELS=64", "MODEL.BOX.ROI.HIDDEN=32"]
    return Recorded("vision", f"vision/shapes/{name}.yaml", [*SHORT, *small, *options], ("data/shapes/test/images",), exported)


def segmentation(project: str, config: str, *options: str, images: tuple[str, ...] = ("data/changes/images2",)) -> Recorded:
    """Return a run of a segmentation project on folders of images and labels."""
    folders = ", ".join(f"{key}: {path.removeprefix('data/')}" for key, path in zip(("path", "images2"), images, strict=False))
    entry = f"{{type: semseg_folder, {folders}, annotations: changes/annotations, classes: [field, roof]}}"
    names = ["TRAIN.DATASETS=[own]", "TEST.DATASETS=[own]", f"DATA.CATALOG={{own: {entry}}}", "DATA.CLASSES=[field, roof]"]
    return Recorded(f"projects/{project}", f"projects/{project}/{config}.yaml", [*SHORT, *names, "EXPORT.SIZE=[64, 64]", *options], images)


def digits(method: str, *options: str, exported: bool = True) -> Recorded:
    """Return a run without labels on some of the bundled digits."""
    small = ["MODEL.BACKBONE=resnet20", f"CONTRAST.METHOD={method}", "CONTRAST.PROJECTOR.HIDDEN=16", "CONTRAST.PROJECTOR.DIM=8"]
    some = [few("digits"), "TEST.RESIZE.SCALES=[16]", "TRAIN.RESIZE.SCALES=[16]"]
    return Recorded("tasks/contrast", "tasks/contrast/digits/simclr_resnet20.yaml", [*SHORT, *small, *some, *options], exported=exported)


def task(name: str, config: str, *options: str, images: str = "data/changes/images2", exported: bool = True) -> Recorded:
    """Return a run of another task."""
    return Recorded(f"tasks/{name}", f"tasks/{name}/{config}.yaml", [*SHORT, *options], (images,), exported)


def project(name: str, config: str, *options: str, images: str = "data/changes/images2") -> Recorded:
    """Return a run of a project that is the general CNN with heads of its own."""
    return Recorded(f"projects/{name}", f"projects/{name}/{config}.yaml", [*SHORT, *options], (images,))


def few(kind: str, share: float = 0.02) -> str:
    """Return the catalogue in which drawn or bundled data are few."""
    entries = [f"{kind}_{split}: {{type: {kind}, split: {split}, share: [0.0, {share}]}}" for split in ("train", "test")]
    return f"DATA.CATALOG={{{', '.join(entries)}}}"


PAIRS = ("data/changes/images1", "data/changes/images2")
CROWDS = [few("crowds"), "MODEL.BACKBONE_ARGS={channels: [8, 8, 8, 8], stem_width: 8, out_indices: [2]}"]
# the run of densities in the group "vision"
INTERVAL = ["TEST.INTERVAL.CALIBRATION=run12/test/counts.csv", "TEST.INTERVAL.SHARE=0.5"]
SMALL_CNN = ["MODEL.BACKBONE=timm/test_resnet", "MODEL.FPN.CHANNELS=16", "MODEL.BOX.ROI.HIDDEN=32", "MODEL.SURFACE.CHANNELS=[16]"]
WALKERS = ["MODEL.IDENTITY.NUM_IDENTITIES=15", "MODEL.BACKBONE=timm/test_resnet", "MODEL.DLA_UP.CHANNELS=8", "EXPORT.SIZE=[128, 192]"]
WALKERS += ["TRAIN.DATASETS=[few_train]", "TEST.DATASETS=[few_test]"]
WALKERS += ["DATA.CATALOG={few_train: {type: mot, path: few, split: train}, few_test: {type: mot, path: few, split: test}}"]
MOTIONS = [few("motions"), "MODEL.BACKBONE=timm/test_resnet", "TRAIN.RESIZE.SCALES=[32]", "TEST.RESIZE.SCALES=[32]"]
FACETS = ["MODEL.BACKBONE_ARGS={width: 4, size: 32}", "TRAIN.RESIZE.SCALES=[32]", "TEST.RESIZE.SCALES=[32]", "MODEL.EMBEDDING=16"]
FACETS += ["DATA.CATALOG={facets_train: {type: facets, split: train, share: [0.0, 0.02]}, facets_test: {type: facets, split: test}}"]
FACETS += ["TRAIN.TRANSFORMS=[Resize, Normalize]", "TEST.TRANSFORMS=[Resize, Normalize]"]
CROPS = ["MODEL.BACKBONE=timm/test_resnet", "MODEL.UPSAMPLING.CHANNELS=8"]
OFFSETS = ["MODEL.KEYPOINTS.TARGET=offsets", "TRAIN.BATCH_SIZE=4"]
BOXES = ["TEST.BOXES=data/boxes.json", "TEST.DETECTOR.CFG=cfgs/vision/detector.yaml", "TEST.DETECTOR.WEIGHTS=data/detector.pth"]
STREETS = [f"streets_{split}: {{{{type: kitti_{{kind}}, path: streets3d/{split}}}}}" for split in ("train", "test")]
STREETS = ["TRAIN.DATASETS=[streets_train]", "TEST.DATASETS=[streets_test]", f"DATA.CATALOG={{{{{', '.join(STREETS)}}}}}"]
OF_POINTS = [entry.format(kind="points") for entry in STREETS]
OF_POINTS += ["EXPORT.COMPARE_SCORE=0.001", "MODEL.WIDTH=8", "MODEL.BLOCKS.CHANNELS=[8, 8, 8]", "MODEL.BLOCKS.UP_CHANNELS=8"]
SIZE = "{name: Resize, size: [64, 192]}"
OF_CAMERA = [entry.format(kind="images") for entry in STREETS]
OF_CAMERA += [
    "EXPORT.COMPARE_SCORE=0.001",
    "MODEL.BACKBONE_ARGS={channels: [8, 8, 16, 16]}",
    "MODEL.DLA_UP.CHANNELS=8",
    "MODEL.CAMERA.HIDDEN=8",
    "ANALYSER.SIZE=[64, 192]",
]
OF_CAMERA += [f"TRAIN.TRANSFORMS=[RandomHorizontalFlip, {SIZE}, Normalize]", f"TEST.TRANSFORMS=[{SIZE}, Normalize]"]
MONOFLEX = ["MODEL.CAMERA.DEPTH=ensemble", "MODEL.CAMERA.ANGLE=bins", "MODEL.CAMERA.EDGE_CENTERS=True", "MODEL.CAMERA.EDGE_FUSION=True"]
CALIBRATION = "TEST.CALIBRATION=data/streets3d/test/training/calib/000000.txt"
RFDETR = [
    "MODEL.BOX.DETECTOR=rfdetr",
    "MODEL.BOX.RFDETR.SIZE=seg_nano",
    "MODEL.HAS_MASK=True",
    "MODEL.BOX.RFDETR.ARGS={group_detr: 2, num_queries: 20, decoder_layers: 1}",
    # an untrained one is sure of nothing
    "TEST.SCORE_THRESHOLD=0.0",
]
FRAMES = "data/streets3d/test/training"
LANDCOVER = "fcn_hr18_1024x1024_16k_landcover"
GROUPS = {
    "vision": [
        shapes("mask_rcnn_R-18-FPN", *PARTS_ON, *ADAM),
        shapes("keypoint_rcnn_R-18-FPN", *SGD, "MODEL.FROZEN_BN=True"),
        shapes("parsing_rcnn_R-18-FPN", exported=False),
        shapes("cascade_rcnn_R-18-FPN"),
        shapes("fcos_R-18-FPN"),
        shapes("centernet_R-18"),
        shapes("retinanet_R-18-FPN", "TRAIN.SLIDING.SIZE=64", "TEST.SLIDING.SIZE=64"),
        Recorded("vision", "vision/shapes/dfine_tiny.yaml", [*SHORT, "EXPORT.SIZE=[128, 128]"], ("data/shapes/test/images",)),
        Recorded("vision", "vision/shapes/dfine_tiny.yaml", [*SHORT, *RFDETR, "EXPORT.SIZE=[96, 96]"], ("data/shapes/test/images",)),
        shapes("semseg_R-18", "TEST.SLIDING.SIZE=64"),
        Recorded("vision", "vision/digits/resnet20_digits.yaml", [*SHORT, *EPOCHS, *MIXED]),
        Recorded("vision", "vision/digits/resnet20_digits.yaml", [*SHORT, "TRAIN.WEIGHTS=run10/model_latest.pth"]),
        # projects whose heads are settings of the general CNN
        project("crowdcounting", "crowds/crowds_resnet10", *CROWDS, *PARTS_ON, "MODEL.DENSITY.TRANSPORT.WEIGHT=0.1"),
        project("crowdcounting", "crowds/crowds_dots_resnet10", *CROWDS, *INTERVAL),
        project("densepose", "mannequins_R-18-FPN", *SMALL_CNN, "MODEL.LOSS_WEIGHTING.METHOD=uncertainty"),
        project("fairmot", "walkers/fairmot_R-18", *WALKERS),
    ],
    "action": [
        task("action", "motions/tsm_test_resnet", *MOTIONS, *PARTS_ON, *ADAM, *MIXED, images="data/films"),
        task("action", "motions/tsn_test_resnet", *MOTIONS, *EPOCHS, *SGD, "TRAIN.BATCH_SIZE=8", images="data/films"),
        task("action", "motions/tsm_test_resnet", *MOTIONS, "TRAIN.WEIGHTS=run0/model_latest.pth", images="data/films"),
    ],
    "contrast": [
        digits("simclr", *PARTS_ON, *ADAM, "CONTRAST.WEIGHT_DECAY_END=0.1"),
        digits("moco", "CONTRAST.QUEUE=8", "CONTRAST.BATCH_NORM_GROUPS=2", "TRAIN.BATCH_SIZE=4", *SGD),
        digits("mocov3", *EPOCHS, "TRAIN.BATCH_SIZE=4"),
        digits("byol", "TRAIN.WEIGHTS=run0/model_latest.pth"),
        digits("dino", "CONTRAST.DINO.PROTOTYPES=16"),
        digits("barlow_twins"),
    ],
    "face": [
        task("face", "facets_iresnet18", *FACETS, *PARTS_ON, *ADAM),
        task("face", "facets_iresnet18", *FACETS, *EPOCHS, *SGD, "MODEL.SAMPLE_RATE=0.5", "TRAIN.BATCH_SIZE=64"),
        task("face", "facets_iresnet18", *FACETS, "TRAIN.WEIGHTS=run0/model_latest.pth"),
    ],
    "instance": [
        task("instance", "shapes/all_R-18", *CROPS, *PARTS_ON, *ADAM, images="data/shapes/test/images"),
        task("instance", "shapes/all_R-18", *CROPS, *EPOCHS, *SGD, "TEST.VIEWS.FLIP=True", *BOXES, *OFFSETS, exported=False),
        task("instance", "shapes/pose_R-18", *CROPS, "TRAIN.WEIGHTS=run0/model_latest.pth"),
    ],
    "tddet": [
        task("tddet", "streets3d/centerpoint", *OF_POINTS, *PARTS_ON, *ADAM, images=f"{FRAMES}/velodyne"),
        task(
            "tddet", "streets3d/pointpillars", *OF_POINTS, *EPOCHS, *SGD, "TRAIN.BATCH_SIZE=4", images=f"{FRAMES}/velodyne", exported=False
        ),
        task(
            "tddet", "streets3d/centerpoint", *OF_POINTS, "TRAIN.WEIGHTS=run0/model_latest.pth", images=f"{FRAMES}/velodyne", exported=False
        ),
        task("tddet", "streets3d/smoke", *OF_CAMERA, CALIBRATION, "MODEL.FROZEN_BN=True", images=f"{FRAMES}/image_2"),
        task("tddet", "streets3d/smoke", *OF_CAMERA, *MONOFLEX, "EXPORT.SIZE=[64, 192]", images=f"{FRAMES}/image_2"),
    ],
    "segmentation": [
        segmentation("changedet", "siamese_R-18_cpu", *PARTS_ON, *ADAM, images=PAIRS),
        segmentation("buildseg", "unet_R-18_cpu", *EPOCHS, "TRAIN.BATCH_SIZE=5", *SGD, "TEST.SLIDING.SIZE=64"),
        segmentation("buildseg", "unet_R-18_cpu", "TRAIN.WEIGHTS=run1/model_latest.pth"),
        segmentation("target_extraction", "fcn_hr18_1024x1024_40k4_bceious1w1.0"),
        segmentation("landcover", f"{LANDCOVER}_semi", "SEMI.DATASETS=[changes/images1]", "MODEL.NUM_CLASSES=2"),
    ],
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_few_shapes(tmp_path / "data" / "shapes")
    write_pairs(tmp_path / "data" / "changes")
    write_detector(tmp_path)
    write_few(tmp_path / "data")
    for split, count in (("train", 4), ("test", 2)):
        write_streets3d(tmp_path / "data" / "streets3d" / split, split=split, count=count)
    write_few_mannequins(tmp_path / "data" / "mannequins")
    (tmp_path / "data" / "films").mkdir()
    frames = np.random.default_rng(0).integers(0, 255, (12, 32, 32, 3), dtype=np.uint8)
    write_video(tmp_path / "data" / "films" / "film.avi", frames)
    return tmp_path


def write_detector(folder: Path) -> None:
    """Write the config of a small detector of figures, its weights, which are random, and boxes that it could have found."""
    base = f"_BASE_: {ROOT}/cfgs/vision/shapes/fcos_R-18-FPN.yaml"
    small = "MODEL: {BACKBONE: timm/test_resnet, FPN: {CHANNELS: 32}, NUM_CLASSES: 1}"
    config, data = folder / "cfgs" / "vision" / "detector.yaml", folder / "data"
    config.parent.mkdir(parents=True)
    config.write_text(f"{base}\n{small}\nDATA: {{CLASSES: [figure], OTHER_CLASSES: skip}}\n")
    torch.save(GeneralizedCNN(load_cfg(pet.vision.config, config)).state_dict(), data / "detector.pth")
    content = json.loads((data / "shapes" / "test" / "annotations.json").read_text())
    (figure,) = (entry["id"] for entry in content["categories"] if entry["name"] == "figure")
    found = [entry for entry in content["annotations"] if entry["category_id"] == figure]
    boxes = [{**{name: entry[name] for name in ("image_id", "category_id", "bbox")}, "score": 0.9} for entry in found]
    (data / "boxes.json").write_text(json.dumps(boxes))


@pytest.mark.nightly
@pytest.mark.parametrize("group", GROUPS)
def test_every_setting_is_read(group: str, data: Path) -> None:
    words = [sys.executable, "-m", "tests.integration.count_unread", json.dumps([run._asdict() for run in GROUPS[group]])]
    paths = {"PYTHONPATH": f"{ROOT / 'lib'}:{ROOT}"}
    done = subprocess.run(words, cwd=data, env={**environment(), **paths}, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    unread = sorted(set(json.loads(done.stdout.splitlines()[-1])) - READ_ELSEWHERE)
    assert not unread, f"no command has read {', '.join(unread)}"


OF_THE_GENERAL_CNN = ["tasks.cls", "projects.crowdcounting", "projects.densepose", "projects.fairmot"]


def test_every_task_is_recorded() -> None:
    recorded = {run.type.replace("/", ".") for runs in GROUPS.values() for run in runs}
    folders = {
        f"{file.parent.parent.name}.{file.parent.name}"
        for kind in ("tasks", "projects")
        for file in (ROOT / "pet" / kind).glob("*/config.py")
    }
    assert folders and folders <= recorded | set(OF_THE_GENERAL_CNN), sorted(folders - recorded)


@pytest.mark.parametrize("project", OF_THE_GENERAL_CNN)
def test_what_is_the_general_cnn_has_its_settings(project: str) -> None:
    """What reads them there reads them here: it is the same task."""
    settings = importlib.import_module(f"pet.{project}.config")
    assert set(settings.get_base_cfg().flat()) == set(pet.vision.config.get_base_cfg().flat())
