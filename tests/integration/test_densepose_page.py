"""The commands of docs/densepose.md, in their order, with a small network on a few images."""

import json
import re
import shlex
import shutil
from pathlib import Path

import cv2
import pytest
import torch

from pet.data.datasets.mannequins import COUNTS, write_mannequins
from pet.prediction.videos import count_frames
from tests.integration.conftest import ROOT, Done, environment, that_count
from tests.integration.warm_python import warm_python

COMMANDS = re.findall(r"^    (python tools/.*)$", (ROOT / "docs" / "densepose.md").read_text(encoding="utf-8"), re.MULTILINE)
IMAGES = 8
RUN = "ckpts/projects/densepose/mannequins_R-18-FPN"
CONFIG = "cfgs/projects/densepose/mannequins_R-18-FPN.yaml"
SMALL = """MODEL:
  BACKBONE: timm/test_resnet
  FPN: {CHANNELS: 16}
  BOX: {ROI: {HIDDEN: 32}}
  SURFACE: {CHANNELS: [16], POOL: 8}
  LOSS_WEIGHTING: {METHOD: uncertainty}"""
TEST = "TEST: {SCORE_THRESHOLD: 0.0, DETECTIONS_PER_IMAGE: 100}"
SHORT = ["SOLVER.SCHEDULER.TOTAL_ITERS=2", "MISC.TENSORBOARD=False", "ANALYSER.ENABLED=False", "SOLVER.SCHEDULER.WARM_UP_ITERS=0"]


def write_few_mannequins(folder: Path) -> None:
    """Write the data set as a first run does, but say of a few images that they are all."""
    for split, count in COUNTS.items():
        path = write_mannequins(folder, split=split, count=IMAGES)
        content = json.loads(path.read_text(encoding="utf-8"))
        content["info"]["count"] = count
        path.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the scripts and a small config, and a data set of a few images."""
    for name in ("tools", "cfgs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    write_few_mannequins(tmp_path / "data" / "mannequins")
    base = "_BASE_: package:pet.projects.densepose/presets/mannequins_R-18-FPN.yaml"
    (tmp_path / CONFIG).write_text(f"{base}\n{SMALL}\n{TEST}\n", encoding="utf-8")
    return tmp_path


def execute(line: str, folder: Path) -> str:
    words = shlex.split(line)[1:]
    if "train_net" in words[0]:
        words += that_count(words[words.index("--cfg") + 1], SHORT)
    script = words[0].replace("train_net_all", "projects/densepose/train_net").replace("_net_all", "_net")
    done = Done(*warm_python().run([folder / script, *words[1:]], folder=folder, environment=environment(), timeout=300))
    return done.succeeded().output


def test_the_commands_of_the_page_run_in_their_order(checkout: Path) -> None:
    assert len(COMMANDS) == 5
    outputs = [execute(line, checkout) for line in COMMANDS]
    assert "test_gps_AP" in outputs[1]
    weights = torch.load(checkout / RUN / "model_latest.pth", weights_only=True)["model"]
    assert [name for name in weights if name.startswith("weighting.")], "the weights of the losses are learned"
    run = checkout / RUN
    records = json.loads((run / "test" / "surface.json").read_text())
    assert {"uv_shape", "uv_data", "bbox"} <= set(records[0])
    assert len(list((checkout / "pictures").glob("*_IUV.png"))) == IMAGES
    assert cv2.imread(str(next((checkout / "pictures").glob("*_IUV.png")))).shape == (128, 128, 3)
    found = json.loads(next((checkout / "pictures").glob("*.json")).read_text())
    assert found["surface"].endswith("_IUV.png") and {"uv_shape", "uv_data"} == set(found["objects"][0]["surface"])
    assert (run / "model.onnx").exists()
    frames = [cv2.imread(str(path)) for path in sorted((checkout / "data" / "mannequins" / "test" / "images").glob("*.jpg"))[:3]]
    writer = cv2.VideoWriter(str(checkout / "moving.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 5, (128, 128))
    for frame in frames:
        writer.write(frame)
    writer.release()
    execute(f"python tools/inference.py --cfg {CONFIG} --images moving.mp4 --out moving VIS.SCORE_THRESHOLD=0.0", checkout)
    found = json.loads((checkout / "moving" / "moving.json").read_text())["frames"]
    assert len(found) == 3 and all("surface" in entry for frame in found for entry in frame["objects"])
    assert count_frames(checkout / "moving" / "moving.mp4") == 3
