"""Every task trains, evaluates, saves, is tested and continued on a GPU that is not there, with the numbers of the CPU."""

import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from pet.data.catalog.source import Source
from pet.data.datasets.mannequins import write_mannequins
from pet.data.datasets.mot import build_mot
from pet.data.datasets.shapes_writing import write_shapes
from pet.data.datasets.streets3d import write_streets3d
from pet.data.datasets.walkers import write_walkers
from tests.integration.conftest import ROOT, Done, environment
from tests.integration.warm_python import warm_python

RUNNER = Path(__file__).with_name("run_script.py")
ITERATIONS, EDGE = 3, 64
RUN = [
    *("SOLVER.SCHEDULER.TOTAL_EPOCHS=0", f"SOLVER.SCHEDULER.TOTAL_ITERS={ITERATIONS}", "SOLVER.SNAPSHOT_ITER=2", "SOLVER.SNAPSHOT_KEEP=0"),
    *(f"EVAL.PERIOD_ITER={ITERATIONS}", "EVAL.PERIOD_EPOCH=0", "MISC.DISPLAY_ITER=1", "MISC.TENSORBOARD=False", "ANALYSER.ENABLED=False"),
    *("SOLVER.SCHEDULER.WARM_UP_ITERS=0", "SOLVER.SCHEDULER.WARM_UP_EPOCHS=0", "TRAIN.NUM_WORKERS=0", "TEST.NUM_WORKERS=0"),
    *("TRAIN.BATCH_SIZE=4", "TRAIN.WEIGHTS=''"),
]
TINY = "MODEL.BACKBONE=timm/test_resnet"
BOXES = [TINY, "MODEL.FPN.CHANNELS=32", "MODEL.BOX.ROI.HIDDEN=32", "TEST.SCORE_THRESHOLD=0.0", "TEST.IMS_PER_GPU=4"]
ONE_STAGE = [TINY, "MODEL.FPN.CHANNELS=32", "MODEL.BOX.CONVOLUTIONS=1", "TEST.SCORE_THRESHOLD=0.0", "TEST.IMS_PER_GPU=4"]
SIZES = [f"TRAIN.RESIZE.SCALES=[{EDGE}]", f"TEST.RESIZE.SCALES=[{EDGE}]"]
FEW = "{few: {type: digits, split: train, share: [0.0, 0.02]}, some: {type: digits, split: test, share: [0.0, 0.05]}}"
SHORT_PROBE = [f"DATA.CATALOG={FEW}", "TRAIN.DATASETS=[few]", "TEST.DATASETS=[some]", "PROBE.NEIGHBOURS=[5]"]
FEW_SETS = ["TRAIN.DATASETS=[few]", "TEST.DATASETS=[some]"]
FEW_CLIPS = "{few: {type: motions, split: train, share: [0.0, 0.02]}, some: {type: motions, split: test, share: [0.0, 0.05]}}"
FEW_CROWDS = "{few: {type: crowds, split: train, share: [0.0, 0.02]}, some: {type: crowds, split: test, share: [0.0, 0.03]}}"
COUNTED = [
    f"DATA.CATALOG={FEW_CROWDS}",
    *FEW_SETS,
    "MODEL.BACKBONE_ARGS={channels: [8, 8, 16, 16], out_indices: [2]}",
    "TEST.IMS_PER_GPU=1",
]
CAMERA_SIZE = "{name: Resize, size: [64, 192]}"
CAMERA = [
    *("MODEL.BACKBONE_ARGS={channels: [8, 8, 16, 16]}", "MODEL.DLA_UP.CHANNELS=8", "MODEL.CAMERA.HIDDEN=8", "MODEL.CAMERA.FOCAL=123.0"),
    *(f"TRAIN.TRANSFORMS=[RandomHorizontalFlip, {CAMERA_SIZE}, Normalize]", f"TEST.TRANSFORMS=[{CAMERA_SIZE}, Normalize]"),
    *("TEST.SCORE_THRESHOLD=0.0", "TEST.MAX_BOXES=10"),
]
EDGES = ["MODEL.CAMERA.EDGE_CENTERS=True", "MODEL.CAMERA.EDGE_FUSION=True"]
TASKS = {
    "digits": (
        "vision",
        "vision/digits/resnet20_digits.yaml",
        [TINY, "SOLVER.EMA.ENABLED=True", "TRAIN.MIXUP.MIXUP_ALPHA=0.2", "DATA.CACHE=device"],
    ),
    "mask_rcnn": (
        *("vision", "vision/shapes/mask_rcnn_R-18-FPN.yaml"),
        [*BOXES, "MODEL.MASK.CHANNELS=[16]", "TEST.VIEWS.FLIP=True", "TEST.SOFT_NMS.METHOD=gaussian", "SOLVER.NONFINITE=skip"],
    ),
    "semseg": (
        *("vision", "vision/shapes/semseg_R-18.yaml"),
        [TINY, "MODEL.SEMSEG.DECODER_ARGS={decoder_channels: [16, 16, 16, 8, 8]}", "TEST.VIEWS.FLIP=True"],
    ),
    "unet": (
        *("projects/buildseg", "projects/buildseg/unet_R-18_cpu.yaml"),
        [*SIZES, "MODEL.NETWORK_ARGS={encoder: timm/test_resnet}", "TRAIN.TRANSFORMS=[Normalize]", "TEST.TRANSFORMS=[Normalize]"],
    ),
    "keypoint_rcnn": ("vision", "vision/shapes/keypoint_rcnn_R-18-FPN.yaml", [*BOXES, "MODEL.KEYPOINTS.CHANNELS=[16]"]),
    "parsing_rcnn": (
        *("vision", "vision/shapes/parsing_rcnn_R-18-FPN.yaml"),
        [*BOXES, "MODEL.PARSING.CHANNELS=[16]", "MODEL.PARSING.POOL=8"],
    ),
    "cascade_rcnn": ("vision", "vision/shapes/cascade_rcnn_R-18-FPN.yaml", [*BOXES, "SOLVER.NONFINITE=rollback"]),
    "retinanet": ("vision", "vision/shapes/retinanet_R-18-FPN.yaml", ONE_STAGE),
    "fcos": ("vision", "vision/shapes/fcos_R-18-FPN.yaml", ONE_STAGE),
    "centernet": ("vision", "vision/shapes/centernet_R-18.yaml", [TINY, "TEST.SCORE_THRESHOLD=0.0", "TEST.IMS_PER_GPU=4"]),
    "change": ("projects/changedet", "projects/changedet/siamese_R-18_cpu.yaml", SIZES),
    "single objects": (
        *("tasks/instance", "tasks/instance/shapes/all_R-18.yaml"),
        [TINY, "MODEL.MASK.CHANNELS=[8]", "MODEL.PARSING.CHANNELS=[8]", "TEST.VIEWS.FLIP=True"],
    ),
    "finetune": ("tasks/cls", "tasks/cls/finetune_resnet18.yaml", [*SIZES, TINY, "SOLVER.AMP.ENABLED=False"]),
    "face": (
        *("tasks/face", "tasks/face/facets_iresnet18.yaml"),
        [*SIZES, TINY, "MODEL.BACKBONE_ARGS={}", "MODEL.SAMPLE_RATE=0.5", "SOLVER.EMA.ENABLED=True"],
    ),
    "contrast": (
        *("tasks/contrast", "tasks/contrast/digits/simclr_resnet20.yaml"),
        [TINY, "CONTRAST.METHOD=moco", "CONTRAST.QUEUE=16", "DATA.CHECK_SAMPLES=2", *SHORT_PROBE],
    ),
    "fairmot": (
        *("projects/fairmot", "projects/fairmot/walkers/fairmot_R-18.yaml"),
        [TINY, "MODEL.DLA_UP.CHANNELS=8", "TEST.IMS_PER_GPU=4", "TEST.SCORE_THRESHOLD=0.0"],
    ),
    "density": (
        *("projects/crowdcounting", "projects/crowdcounting/crowds/crowds_resnet10.yaml"),
        [*COUNTED, "TRAIN.TRANSFORMS=[{name: RandomCrop, size: 64}, Normalize]", "MODEL.DENSITY.TRANSPORT.WEIGHT=0.1"],
    ),
    "dots": (
        *("projects/crowdcounting", "projects/crowdcounting/crowds/crowds_dots_resnet10.yaml"),
        [*COUNTED, "TRAIN.TRANSFORMS=[{name: RandomCrop, size: 64}, Normalize]"],
    ),
    "dense poses": (
        *("projects/densepose", "projects/densepose/mannequins_R-18-FPN.yaml"),
        [TINY, "MODEL.FPN.CHANNELS=16", "MODEL.BOX.ROI.HIDDEN=32", "MODEL.SURFACE.CHANNELS=[16]", "TEST.SCORE_THRESHOLD=0.0"],
    ),
    "action": ("tasks/action", "tasks/action/motions/tsm_test_resnet.yaml", [f"DATA.CATALOG={FEW_CLIPS}", *FEW_SETS]),
    "pillars": (
        *("tasks/tddet", "tasks/tddet/streets3d/centerpoint.yaml"),
        ["MODEL.WIDTH=8", "MODEL.BLOCKS.CHANNELS=[8, 8, 8]", "MODEL.BLOCKS.UP_CHANNELS=8", "TEST.SCORE_THRESHOLD=0.0", "TEST.MAX_BOXES=10"],
    ),
    "anchors in space": (
        *("tasks/tddet", "tasks/tddet/streets3d/pointpillars.yaml"),
        ["MODEL.WIDTH=8", "MODEL.BLOCKS.CHANNELS=[8, 8, 8]", "MODEL.BLOCKS.UP_CHANNELS=8", "TEST.SCORE_THRESHOLD=0.0", "TEST.MAX_BOXES=10"],
    ),
    "smoke": ("tasks/tddet", "tasks/tddet/streets3d/smoke.yaml", CAMERA),
    "monoflex": (
        *("tasks/tddet", "tasks/tddet/streets3d/smoke.yaml"),
        [*CAMERA, "MODEL.CAMERA.DEPTH=ensemble", "MODEL.CAMERA.ANGLE=bins", *EDGES],
    ),
    "land cover, distilled": (
        *("projects/landcover", "projects/landcover/fcn_hr18_1024x1024_16k_landcover_semi.yaml"),
        [*SIZES, "SOLVER.AMP.ENABLED=False"],
    ),
}
IN_CI = ("digits", "mask_rcnn", "semseg", "unet")
"""The others take CI too long: an operation on a pretended tensor costs many times one on a plain one."""


def write_scenes(folder: Path) -> None:
    """Write images, a second date with a bright square, where that is, and the images of two classes."""
    rng = np.random.default_rng(0)
    for number in range(10):
        image = rng.integers(40, 120, (EDGE, EDGE, 3)).astype(np.uint8)
        later, label = image.copy(), np.zeros((EDGE, EDGE), np.uint8)
        later[8:40, 8 + number : 40 + number] = 230
        label[8:40, 8 + number : 40 + number] = 1
        for name, pixels, suffix in (("images", later, "jpg"), ("before", image, "jpg"), ("labels", label, "png")):
            (folder / name).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / name / f"{number}.{suffix}"), pixels)
        for split in ("train", "val"):
            place = folder / split / ("dark" if number % 2 else "bright")
            place.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(place / f"{number}.jpg"), image if number % 2 else later)


def write_data(folder: Path) -> None:
    """Write the data sets of all tasks, a few samples each."""
    write_shapes(folder, split="tiny", count=8, size=96)
    write_scenes(folder)
    write_walkers(folder / "walkers", split="train", count=1)
    write_mannequins(folder / "mannequins", split="train", count=8)
    write_streets3d(folder / "streets3d", split="train", count=4)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return folder


def walkers_in(data: Path) -> list[str]:
    entry = f"{{type: mot, path: {data}/walkers, split: train, step: 10}}"
    identities = build_mot(Source(data / "walkers", "train", None), step=10).info.num_identities
    return [f"DATA.CATALOG={{walkers_train: {entry}, walkers_test: {entry}}}", f"MODEL.IDENTITY.NUM_IDENTITIES={identities}"]


def mannequins_in(data: Path) -> list[str]:
    place = data / "mannequins" / "train"
    entry = f"{{type: coco, path: {place}/images, annotations: {place}/annotations.json, mesh: {place}/mesh.npz}}"
    return [f"DATA.CATALOG={{mannequins_train: {entry}, mannequins_test: {entry}}}"]


def streets_in(data: Path) -> list[str]:
    kinds = {"streets3d": "kitti_points", "streets3d_images": "kitti_images"}
    entries = (f"{name}_{split}: {{type: {kind}, path: {data}/streets3d}}" for name, kind in kinds.items() for split in ("train", "test"))
    return [f"DATA.CATALOG={{{', '.join(entries)}}}"]


DRAWN = {"fairmot": walkers_in, "dense poses": mannequins_in, "tasks/tddet": streets_in}


def data_of(name: str, scripts: str, data: Path) -> list[str]:
    """Return the settings that name the data of a task."""
    if name == "digits":
        return ["TRAIN.RESIZE.SCALES=[32]", "TEST.RESIZE.SCALES=[32]"]
    if name in ("face", "contrast", "action", "density", "dots"):
        return []
    if name in DRAWN or scripts in DRAWN:
        return DRAWN[name if name in DRAWN else scripts](data)
    if name == "finetune":
        return [f"TRAIN.DATASETS=[{data}/train]", f"TEST.DATASETS=[{data}/val]"]
    if scripts in ("vision", "tasks/instance"):
        entry = f"{{type: coco, path: {data}/tiny/images, annotations: {data}/tiny/annotations.json}}"
        return [f"DATA.CATALOG={{shapes_train: {entry}, shapes_test: {entry}}}"]
    prefix = scripts.partition("/")[2]
    pairs = f", images2: {data}/images" if name == "change" else ""
    place = f"type: semseg_folder, path: {data}/{'before' if pairs else 'images'}{pairs}, annotations: {data}/labels"
    classes = [f"class{number}" for number in range(11 if prefix == "landcover" else 2)]
    entries = f"{prefix}_train: {{{place}, share: [0.0, 0.7]}}, {prefix}_val: {{{place}, share: [0.7, 1.0]}}"
    unlabelled = [f"SEMI.DATASETS=[{data}/before]"] if prefix == "landcover" else []
    return [f"DATA.CATALOG={{{entries}}}", f"DATA.CLASSES=[{', '.join(classes)}]", *unlabelled]


def run(script: str, options: list[str], folder: Path) -> Done:
    words = [RUNNER, ROOT / "tools" / script, *options]
    variables = {**environment(), "PYTHONPATH": os.pathsep.join([str(ROOT / "lib"), str(ROOT)])}
    return Done(*warm_python().run(words, folder=folder, environment=variables, timeout=600))


def last_line(folder: Path, name: str) -> dict[str, float]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return next(line for line in reversed(lines) if any(key.startswith(name) for key in line))


@pytest.mark.parametrize(
    "name", [name if name in IN_CI else pytest.param(name, marks=pytest.mark.nightly, id=name.replace(" ", "_")) for name in TASKS]
)
def test_a_task_on_a_gpu_that_is_not_there(name: str, data: Path, tmp_path: Path) -> None:
    scripts, config, settings = TASKS[name]
    options = ["--cfg", str(ROOT / "cfgs" / config), *RUN, *settings, *data_of(name, scripts, data)]
    train = f"{scripts}/train_net.py"

    trained = run(train, [*options, "MISC.DEVICE=cuda", "MISC.CKPT=gpu"], tmp_path).succeeded()
    assert "1 process on cuda" in trained.output
    tested = run("test_net.py", [*options, "MISC.DEVICE=cuda", "MISC.CKPT=gpu"], tmp_path)
    tested.succeeded()
    on_cpu = run("test_net.py", [*options, "MISC.DEVICE=cpu", "MISC.CKPT=cpu", "TEST.WEIGHTS=gpu/model_best.pth"], tmp_path)
    on_cpu.succeeded()
    found, expected = (json.loads((tmp_path / folder / "test" / "metrics.json").read_text()) for folder in ("gpu", "cpu"))
    assert found == pytest.approx(expected, nan_ok=True)

    # a run that was stopped after two iterations ends as the one that was not
    (tmp_path / "resumed").mkdir()
    for copy in ("model_iter2.pth", "model_latest.pth"):
        shutil.copy(tmp_path / "gpu" / "model_iter2.pth", tmp_path / "resumed" / copy)
    run(train, [*options, "MISC.DEVICE=cuda", "MISC.CKPT=resumed"], tmp_path).succeeded()
    resumed, whole = (last_line(tmp_path / folder, "loss") for folder in ("resumed", "gpu"))
    assert {key: value for key, value in resumed.items() if "loss" in key} == {key: value for key, value in whole.items() if "loss" in key}
