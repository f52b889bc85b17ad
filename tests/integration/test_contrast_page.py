"""The commands of docs/contrast.md in their order, shortened; and what the page says of views and of another network."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.integration.conftest import ROOT, Done, environment
from tests.integration.warm_python import warm_python

PAGE = (ROOT / "docs" / "contrast.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (python tools/.*)$", PAGE, re.MULTILINE)
SHORT = ["SOLVER.SCHEDULER.TOTAL_EPOCHS=0", "SOLVER.SCHEDULER.TOTAL_ITERS=2", "MISC.TENSORBOARD=False", "ANALYSER.ENABLED=False"]
SCRIPTS = {"contrast": "tasks/contrast/train_net", "vision": "vision/train_net"}


def execute(line: str, folder: Path, *options: str) -> Done:
    words = shlex.split(line)[1:]
    kind = "contrast" if "cfgs/tasks/contrast" in line else "vision"
    script = words[0].replace("train_net_all", SCRIPTS[kind]).replace("test_net_all", "test_net")
    return Done(*warm_python().run([folder / script, *words[1:], *SHORT, *options], folder=folder, environment=environment(), timeout=240))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("cfgs", "tools"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_the_commands_of_the_page_run(checkout: Path) -> None:
    assert len(COMMANDS) == 4
    outputs = [execute(line, checkout).succeeded().output for line in COMMANDS]
    assert "the backbone is in ckpts/tasks/contrast/digits/simclr_resnet20/backbone.safetensors" in outputs[0]
    assert "[knn/pixels: 0.98" in outputs[0]
    assert re.search(r"^test_knn_acc20: [\d.]+% \| linear_acc: [\d.]+%$", outputs[1], re.MULTILINE)
    metrics = json.loads((checkout / "ckpts/tasks/contrast/digits/simclr_resnet20/test/metrics.json").read_text())
    assert {"knn/acc20", "linear/acc", "features/spread", "features/effective_rank"} <= set(metrics)
    assert "backbone.safetensors: 100 tensors matched" in outputs[3].replace("\n", " ") or "tensors matched" in outputs[3]
    refused = execute(COMMANDS[3], checkout, "MODEL.BACKBONE=resnet32", "MISC.CKPT=ckpts/other")
    assert refused.code == 2
    assert "this backbone, resnet20, does not fit the model" in refused.output


def test_both_views_are_shown(checkout: Path) -> None:
    words = [
        "tools/data/browse.py",
        "--cfg",
        "cfgs/tasks/contrast/digits/simclr_resnet20.yaml",
        "--count",
        "2",
        "--views",
        "1",
        "--out",
        "views.png",
    ]
    done = Done(*warm_python().run([checkout / words[0], *words[1:]], folder=checkout, environment=environment(), timeout=240))
    done.succeeded()
    assert (checkout / "views.png").stat().st_size > 1000
