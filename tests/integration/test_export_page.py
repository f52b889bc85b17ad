"""The commands of docs/export.md, with small networks of random weights."""

import re
import shlex
from pathlib import Path

import pytest
import torch

import pet.tasks.cls.config
import pet.vision.config
from pet.exporting import OnnxModel, ProgramModel
from pet.models.classifiers import build_classifier
from pet.vision import GeneralizedCNN
from petlib.config import load_cfg
from tests.integration.conftest import ROOT, Done, environment, that_count
from tests.integration.warm_python import warm_python

PAGE = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
FIRST = re.findall(r"^    python tools/export_net_all.py (--cfg .*)$", PAGE, re.MULTILINE)[0]
ROWS = {shlex.split(row)[1]: row for row in re.findall(r"^\| [^|]* \| `(--cfg [^`]*)` \|", PAGE, re.MULTILINE)}
SMALL = [
    *("MODEL.BACKBONE=timm/test_resnet", "MODEL.FPN.CHANNELS=8", "MODEL.BOX.ROI.HIDDEN=8", "MODEL.BOX.CONVOLUTIONS=1"),
    *("MODEL.MASK.CHANNELS=[8]", "MODEL.KEYPOINTS.CHANNELS=[8]", "TEST.DETECTIONS_PER_IMAGE=4", "EXPORT.COMPARE_SCORE=0.0"),
    *("TEST.SCORE_THRESHOLD=0.0", "EXPORT.SAMPLES=0"),
]
OPTIONS = {
    "cfgs/vision/digits/resnet20_digits.yaml": [],
    "cfgs/tasks/cls/finetune_resnet18.yaml": ["DATA.CLASSES=[cat, dog]", "MODEL.BACKBONE=timm/test_resnet", "EXPORT.SIZE=[64, 64]"],
    "cfgs/vision/shapes/semseg_R-18.yaml": that_count("cfgs/vision/shapes/semseg_R-18.yaml", SMALL),
    "cfgs/vision/shapes/faster_rcnn_R-18-FPN.yaml": that_count("cfgs/vision/shapes/faster_rcnn_R-18-FPN.yaml", SMALL),
    "cfgs/vision/shapes/keypoint_rcnn_R-18-FPN.yaml": that_count("cfgs/vision/shapes/keypoint_rcnn_R-18-FPN.yaml", SMALL),
}
TESTED_ELSEWHERE = {
    *("cfgs/vision/shapes/mask_rcnn_R-18-FPN.yaml", "cfgs/projects/buildseg/unet_R-18_cpu.yaml"),
    "cfgs/tasks/instance/shapes/pose_R-18.yaml",
}
"""By the tests of pet/vision/export.py, of the whole chain of the segmentation projects, and of docs/instance.md."""


def write_weights(name: str, options: list[str], path: Path) -> None:
    torch.manual_seed(0)
    cfg = load_cfg(pet.tasks.cls.config if "tasks/cls" in name else pet.vision.config, ROOT / name, options)
    classifies = "HAS_CLS" not in cfg.MODEL
    model = build_classifier(cfg.MODEL.BACKBONE, num_classes=cfg.MODEL.NUM_CLASSES, args=cfg.MODEL.BACKBONE_ARGS) if classifies else None
    torch.save(model.state_dict() if model is not None else GeneralizedCNN(cfg).state_dict(), path)


def export(line: str, folder: Path, *options: str) -> Done:
    """Run the first command as it is, the others by the script of the task, which starts in the warm python."""
    words = shlex.split(line.replace("cfgs/", f"{ROOT}/cfgs/"))
    script = ROOT / "tools" / ("export_net_all.py" if line == FIRST else "export_net.py")
    return Done(*warm_python().run([script, *words, *options], folder=folder, environment=environment(), timeout=240))


def test_every_row_is_tried() -> None:
    assert set(OPTIONS) | TESTED_ELSEWHERE == set(ROWS)
    assert shlex.split(FIRST)[1] == "cfgs/vision/digits/resnet20_digits.yaml"


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.nightly if "faster_rcnn" in name else ()) for name in OPTIONS])
def test_the_command_of_a_row_writes_a_file_with_its_outputs(name: str, tmp_path: Path) -> None:
    row = ROWS[name] if name not in FIRST else FIRST
    write_weights(name, OPTIONS[name], tmp_path / "weights.pth")
    suffix = ".pt2" if "keypoint" in name else ".onnx"
    out = ["--out", f"model{suffix}"] if "--out" not in row else []
    done = export(row, tmp_path, "--weights", "weights.pth", *out, *OPTIONS[name]).succeeded()
    assert "PyTorch differ by at most" in done.output
    (path,) = tmp_path.glob(f"*{suffix}")
    documented = next(line for line in PAGE.splitlines() if line.startswith("|") and name in line).split("|")[3]
    outputs = (ProgramModel(path) if suffix == ".pt2" else OnnxModel(path)).outputs
    expected = ["boxes", "scores", "labels", "keypoints"] if "keypoint" in name else re.findall(r"`(\w+)`", documented)
    assert outputs == expected
