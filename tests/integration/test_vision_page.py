"""The commands of docs/vision.md and of the README about detection, in their order, with small networks on a few images."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pet.data.catalog.entries import BUILTIN
from pet.data.catalog.public_sets import PUBLIC_SETS
from pet.data.datasets import confetti
from pet.data.datasets.shapes import COUNTS
from pet.data.datasets.shapes_writing import write_shapes
from tests.integration.conftest import ROOT, Done, environment, that_count
from tests.integration.warm_python import warm_python

PAGE = (ROOT / "docs" / "vision.md").read_text(encoding="utf-8")
COMMANDS = [line for line in re.findall(r"^    (python tools/.*)$", PAGE, re.MULTILINE) if "mscoco" not in line]
IMAGES = 8
SHORT = ["SOLVER.SCHEDULER.TOTAL_ITERS=2", "SOLVER.SCHEDULER.WARM_UP_ITERS=0", "MODEL.BACKBONE=timm/test_resnet"]
SHORT += ["MODEL.FPN.CHANNELS=32", "MODEL.BOX.ROI.HIDDEN=32", "MISC.TENSORBOARD=False", "ANALYSER.ENABLED=False", "DATA.CACHE=none"]
WITH_LAUNCHER = COMMANDS[0]
"""The others start the script of the task, as the launcher does, in the warm python."""


def execute(line: str, folder: Path) -> str:
    """Run a command line in ``folder`` and return what it printed."""
    words = shlex.split(line)[1:]
    words += that_count(words[words.index("--cfg") + 1], SHORT)
    if line == WITH_LAUNCHER:
        done = Done(*run_cold([sys.executable, *words], folder))
    else:
        script = words[0].replace("train_net_all", "vision/train_net").replace("test_net_all", "test_net")
        done = Done(*warm_python().run([folder / script, *words[1:]], folder=folder, environment=environment(), timeout=240))
    return done.succeeded().output


def run_cold(words: list[str], folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        words, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240, check=False
    )
    return done.returncode, done.stdout


def write_few_shapes(folder: Path) -> None:
    """Write the data set as a first run does, but say of a few images that they are all."""
    for split, count in COUNTS.items():
        say_that_all_are_there(write_shapes(folder, split=split, count=IMAGES), count)


def say_that_all_are_there(path: Path, count: int) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    content["info"]["count"] = count
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts and configs of Pet, a photograph, and a short training of the masks that the page looks with."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("cfgs", "tools"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    write_few_shapes(folder / "data" / "shapes")
    for split, count in confetti.COUNTS.items():
        say_that_all_are_there(confetti.write_confetti(folder / "data" / "confetti", split=split, count=1, size=720), count)
    execute("python tools/train_net_all.py --cfg cfgs/vision/shapes/mask_rcnn_R-18-FPN.yaml", folder)
    shutil.copy(next((folder / "data" / "shapes" / "test" / "images").iterdir()), folder / "photo.jpg")
    return folder


def test_the_readme_has_the_first_commands_of_the_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(COMMANDS) >= 8
    assert all(line in readme for line in COMMANDS[:3])


def test_the_commands_of_the_page_run(checkout: Path) -> None:
    for line in COMMANDS:
        execute(line, checkout)
    metrics = json.loads((checkout / "ckpts/vision/shapes/faster_rcnn_R-18-FPN/test/metrics.json").read_text())
    assert {"bbox/AP", "bbox/AP50"} <= set(metrics)
    assert len([*(checkout / "data" / "shapes" / "test" / "images").iterdir()]) == IMAGES, "the data set was written anew"
    assert (checkout / "pictures" / "photo.jpg").exists()
    assert (checkout / "pictures" / "photo.json").exists()
    assert (checkout / "ckpts/vision/shapes/mask_rcnn_R-18-FPN/data/samples.png").exists()


def test_the_data_sets_that_the_page_names_are_in_the_catalogue() -> None:
    named = set(re.findall(r"`((?:keypoints_coco|coco|voc|bccd|cihp|ade20k|shapes)_\w+)`", PAGE))
    assert named <= set(BUILTIN)
    # those of other tasks are on their pages
    pages = " ".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    for stem, ends in re.findall(r"`(\w+)\{([\w,]+)\}`", pages):
        pages += " ".join(f"`{stem}{end}`" for end in ends.split(","))
    others = [name for name in BUILTIN if not name.startswith(("digits", "cifar", "imagenet")) and name not in PUBLIC_SETS]
    assert [name for name in others if f"`{name}`" not in pages and f"[{name}]" not in pages] == []
