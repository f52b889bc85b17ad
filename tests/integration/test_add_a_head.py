"""The head of docs/add_a_head.md is put next to a copy of the tree as it is there, trained and tested."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from pet.data.datasets.shapes_writing import write_shapes
from tests.integration.conftest import Done, environment
from tests.integration.warm_python import warm_python

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^\*\*`(?P<path>[^`]+)`\*\*[^\n]*\n\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
CONFIG = "cfgs/vision/shapes/count_R-18.yaml"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    for name in ("lib", "pet", "tools", "cfgs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    blocks = {block["path"]: block["text"] for block in BLOCK.finditer((ROOT / "docs" / "add_a_head.md").read_text(encoding="utf-8"))}
    assert set(blocks) == {"count_head.py", CONFIG}
    for path, text in blocks.items():
        assert not (folder / path).exists(), f"{path} exists already"
        (folder / path).write_text(text, encoding="utf-8")
    write_shapes(folder / "data", split="tiny", count=8, size=64)
    return folder


def execute(tree: Path, script: str, *options: str, ranks: int = 1) -> Done:
    """Run a script below ``tools`` of the tree."""
    tiny = f"{{tiny: {{type: coco, path: {tree}/data/tiny/images, annotations: {tree}/data/tiny/annotations.json}}}}"
    words = [f"{tree}/tools/{script}", "--cfg", CONFIG, f"DATA.CATALOG={tiny}", "TRAIN.DATASETS=[tiny]", "TEST.DATASETS=[tiny]"]
    words += ["TEST.IMS_PER_GPU=3", "MODEL.BACKBONE=timm/test_resnet", *options]
    variables = environment() | {"PYTHONPATH": os.pathsep.join([str(tree / "lib"), str(tree)])}
    return Done(*warm_python().run(words, folder=tree, environment=variables, timeout=180, ranks=ranks))


def lines_with(folder: Path, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if name in line]


def test_the_new_head_learns_and_is_measured(tree: Path) -> None:
    short = ["SOLVER.SCHEDULER.TOTAL_ITERS=30", "SOLVER.SCHEDULER.WARM_UP_ITERS=5", "MISC.DISPLAY_ITER=1", "EVAL.PERIOD_ITER=30"]
    quick = ["ANALYSER.ENABLED=False", "MISC.TENSORBOARD=False", "MODEL.COUNT.HIDDEN=32"]
    execute(tree, "vision/train_net.py", *short, *quick).succeeded()
    folder = tree / "ckpts" / "vision" / "shapes" / "count_R-18"
    training = lines_with(folder, "loss_count")
    assert training[-1]["loss_count"] < training[0]["loss_count"]
    assert training[-1]["count_error"] < training[0]["count_error"]
    evaluated = lines_with(folder, "count/MAE")[-1]

    output = execute(tree, "test_net.py", "MODEL.COUNT.HIDDEN=32", ranks=2).succeeded()
    metrics = json.loads((folder / "test" / "metrics.json").read_text())
    # two processes have batches of other sizes than the one that trained
    assert metrics["count/MAE"] == pytest.approx(evaluated["count/MAE"], rel=1e-4)
    assert 0 <= metrics["count/exact"] <= 1
    assert f"test_count_MAE: {metrics['count/MAE']:.4f} | exact: {metrics['count/exact']:.2%}" in output.results[-1]
    counts = json.loads((folder / "test" / "counts.json").read_text())
    assert list(counts) == [str(number) for number in range(1, 9)]
    assert set(counts["1"]) == {"circle", "square", "triangle", "figure"}
    assert metrics["count/MAE"] == pytest.approx(mean_error(tree, counts), rel=1e-6)


def mean_error(tree: Path, counts: dict[str, dict[str, float]]) -> float:
    """Count the annotations of the COCO file anew."""
    content = json.loads((tree / "data" / "tiny" / "annotations.json").read_text())
    errors = []
    for row in content["images"]:
        for category in content["categories"]:
            truth = sum((item["image_id"], item["category_id"]) == (row["id"], category["id"]) for item in content["annotations"])
            errors.append(abs(counts[str(row["id"])][category["name"]] - truth))
    return sum(errors) / len(errors)


def test_it_joins_a_detector(tree: Path) -> None:
    both = ["MODEL.HAS_BOX=True", "MODEL.NECK=fpn", f"MISC.CKPT={tree}/both", "ANALYSER.ENABLED=False", "MISC.TENSORBOARD=False"]
    short = ["SOLVER.SCHEDULER.TOTAL_ITERS=2", "SOLVER.SCHEDULER.WARM_UP_ITERS=0", "EVAL.PERIOD_ITER=2", "MISC.DISPLAY_ITER=1"]
    execute(tree, "vision/train_net.py", *both, *short).succeeded()
    last = lines_with(tree / "both", "loss_count")[-1]
    assert any(name.startswith("loss_") and name != "loss_count" for name in last)
    assert {"bbox/AP", "count/MAE"} <= lines_with(tree / "both", "count/MAE")[-1].keys()


def test_its_settings_are_checked_by_the_launcher(tree: Path) -> None:
    done = execute(tree, "train_net_all.py", "MODEL.COUNT.HIDEN=32")
    assert done.code == 2
    assert "MODEL.COUNT.HIDEN: unknown key; did you mean MODEL.COUNT.HIDDEN?" in done.output
