"""The scripts of docs/antgo.md, on a handful of images in the layout of VOC 2012."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from pet.compat.antgo.framework.helper.runner.builder import BUILTIN_MEASURES
from pet.compat.antgo.schedules import POLICIES
from tests.integration.conftest import ROOT, Done, environment
from tests.integration.warm_python import warm_python

PAGE = (ROOT / "docs" / "antgo.md").read_text(encoding="utf-8")
NETWORKS, CONFIG, SCRIPT = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SHORT = {"256": "32", "samples_per_gpu=128": "samples_per_gpu=2", "workers_per_gpu=2": "workers_per_gpu=0", "interval=10": "interval=1"}


def write_voc(folder: Path) -> None:
    """Write four images for training and two for validation, a square of class 15 on dark ground each."""
    base = folder / "pascal2012_dataset" / "VOCdevkit" / "VOC2012"
    for name in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (base / name).mkdir(parents=True)
    names = [f"2012_{number:06d}" for number in range(6)]
    for number, name in enumerate(names):
        label = np.zeros((40, 48), np.uint8)
        label[5 + number : 25 + number, 10:30] = 15
        label[0] = 255
        cv2.imwrite(str(base / "JPEGImages" / f"{name}.jpg"), np.repeat(np.where(label == 15, 200, 30)[:, :, None], 3, axis=2))
        cv2.imwrite(str(base / "SegmentationClass" / f"{name}.png"), label)
    for split, members in (("train", names[:4]), ("val", names[4:])):
        (base / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(members) + "\n")


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run the page from top to bottom; return the folder and what the script printed."""
    folder = tmp_path_factory.mktemp("page")
    write_voc(folder)
    config = CONFIG
    for given, short in SHORT.items():
        assert given in config
        config = config.replace(given, short)
    for name, text in (("networks.py", NETWORKS), ("pascal.py", config), ("run.py", SCRIPT)):
        (folder / name).write_text(text, encoding="utf-8")
    variables = environment() | {"PYTHONPATH": f"{ROOT}:{ROOT / 'lib'}"}
    done = Done(*warm_python().run([folder / "run.py"], folder=folder, environment=variables, timeout=600))
    return folder, done.succeeded().output


def test_the_script_trains_tests_and_exports(printed: tuple[Path, str]) -> None:
    folder, output = printed
    lines = [json.loads(line) for line in (folder / "output" / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines if "loss_decode" in line] == [1, 1, 2, 2]
    scores = [line["miou"] for line in lines if "miou" in line]
    assert len(scores) == 2
    tested = json.loads((folder / "output" / "test" / "metrics.json").read_text())
    assert tested["miou"] == pytest.approx(max(scores), abs=1e-6)
    assert "the warm-up of 2000 iterations does not end in this training of 4" in output
    assert (folder / "output" / "pascal.onnx").stat().st_size > 10_000
    assert "output/pascal.onnx" in output.splitlines()[-1]


def test_the_page_names_every_policy_and_measure() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE.partition("## Learning rates")[2], re.MULTILINE)) == set(POLICIES)
    assert all(f"`{name}`" in PAGE for name in BUILTIN_MEASURES)
