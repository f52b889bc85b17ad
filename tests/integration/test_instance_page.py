"""The commands of docs/instance.md, in their order, with small networks on a few images."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from pet.data.datasets.shapes import COUNTS
from pet.data.datasets.shapes_writing import write_shapes
from tests.integration.conftest import ROOT, Done, environment, that_count
from tests.integration.warm_python import warm_python

PAGE = (ROOT / "docs" / "instance.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (python tools/.*)$", PAGE, re.MULTILINE)
IMAGES = 8
SHORT = ["MODEL.BACKBONE=timm/test_resnet", "SOLVER.SCHEDULER.TOTAL_ITERS=2", "MISC.TENSORBOARD=False", "ANALYSER.ENABLED=False"]
OBJECTS = [*SHORT, "SOLVER.SCHEDULER.TOTAL_EPOCHS=0", "SOLVER.SCHEDULER.WARM_UP_EPOCHS=0"]
OBJECTS += ["SOLVER.SNAPSHOT_EPOCH=0", "SOLVER.SNAPSHOT_ITER=2", "EVAL.PERIOD_EPOCH=0", "TRAIN.BATCH_SIZE=4"]
DETECTOR = [*SHORT, "SOLVER.SCHEDULER.WARM_UP_ITERS=0", "MODEL.FPN.CHANNELS=32", "MODEL.BOX.ROI.HIDDEN=32"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the scripts and configs of Pet, whose detector is small, and a data set of a few images."""
    for name in ("tools", "cfgs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for split, count in COUNTS.items():
        path = write_shapes(tmp_path / "data" / "shapes", split=split, count=IMAGES)
        content = json.loads(path.read_text(encoding="utf-8"))
        content["info"]["count"] = count
        path.write_text(json.dumps(content), encoding="utf-8")
    config = tmp_path / "cfgs" / "vision" / "shapes" / "faster_rcnn_R-18-FPN.yaml"
    small = "MODEL: {HAS_BOX: True, BACKBONE: timm/test_resnet, FPN: {CHANNELS: 32}, BOX: {ROI: {HIDDEN: 32}}}"
    test = "TEST: {SCORE_THRESHOLD: 0.0, DETECTIONS_PER_IMAGE: 100}"
    config.write_text(f"_BASE_: base_R-18-FPN.yaml\n{small}\n{test}\n", encoding="utf-8")
    return tmp_path


def execute(line: str, folder: Path) -> str:
    words = shlex.split(line)[1:]
    config = words[words.index("--cfg") + 1]
    if config.startswith("cfgs/vision"):
        words += that_count(config, DETECTOR)
    else:
        words += OBJECTS if "train_net" in words[0] else SHORT[:1]
    script = (
        words[0].replace("train_net_all", f"{'vision' if 'vision' in config else 'tasks/instance'}/train_net").replace("_net_all", "_net")
    )
    done = Done(*warm_python().run([folder / script, *words[1:]], folder=folder, environment=environment(), timeout=300))
    return done.succeeded().output


def test_the_commands_of_the_page_run_in_their_order(checkout: Path) -> None:
    assert len(COMMANDS) == 9
    outputs = [execute(line, checkout) for line in COMMANDS]
    assert "test_keypoints_AP" in outputs[1]
    assert "| boxes of the detector" in outputs[6]
    assert f"{IMAGES} images; " in outputs[7]
    assert (checkout / "ckpts" / "tasks" / "instance" / "shapes" / "pose_R-18" / "model.onnx").exists()
    assert len(list((checkout / "pictures").glob("*.jpg"))) == len(list((checkout / "exported").glob("*.jpg"))) == IMAGES
