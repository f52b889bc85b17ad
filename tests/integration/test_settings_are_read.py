"""Every setting of every task is read by one of its commands: recorded in real runs, with all parts of a run switched on in turn."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import pet.tasks.cls.config
import pet.vision.config
from tests.integration.conftest import ROOT, environment
from tests.integration.test_change_detection import write_pairs
from tests.integration.test_vision_page import write_few_shapes

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


PAIRS = ("data/changes/images1", "data/changes/images2")
LANDCOVER = "fcn_hr18_1024x1024_16k_landcover"
GROUPS = {
    "vision": [
        shapes("mask_rcnn_R-18-FPN", *PARTS_ON, *ADAM),
        shapes("keypoint_rcnn_R-18-FPN", *SGD, "MODEL.FROZEN_BN=True"),
        shapes("parsing_rcnn_R-18-FPN", exported=False),
        shapes("cascade_rcnn_R-18-FPN"),
        shapes("fcos_R-18-FPN"),
        shapes("centernet_R-18"),
        shapes("retinanet_R-18-FPN"),
        shapes("semseg_R-18", "TEST.SLIDING.SIZE=64"),
        Recorded("vision", "vision/digits/resnet20_digits.yaml", [*SHORT, *EPOCHS, *MIXED]),
        Recorded("vision", "vision/digits/resnet20_digits.yaml", [*SHORT, "TRAIN.WEIGHTS=run7/model_latest.pth"]),
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
    return tmp_path


@pytest.mark.nightly
@pytest.mark.parametrize("group", GROUPS)
def test_every_setting_is_read(group: str, data: Path) -> None:
    words = [sys.executable, "-m", "tests.integration.count_unread", json.dumps([run._asdict() for run in GROUPS[group]])]
    paths = {"PYTHONPATH": f"{ROOT / 'lib'}:{ROOT}"}
    done = subprocess.run(words, cwd=data, env={**environment(), **paths}, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    unread = json.loads(done.stdout.splitlines()[-1])
    assert not unread, f"no command has read {', '.join(unread)}"


def test_finetuning_has_the_settings_of_the_general_cnn() -> None:
    """What reads them there reads them here: it is the same task."""
    assert set(pet.tasks.cls.config.get_base_cfg().flat()) == set(pet.vision.config.get_base_cfg().flat())
