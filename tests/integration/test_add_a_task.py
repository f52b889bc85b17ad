"""The task of docs/add_a_task.md is written into a copy of the tree as it stands there, and trained on two processes."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^\*\*`(?P<path>[^`]+)`\*\*.*?^```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("lib", "pet", "tools"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    blocks = list(BLOCK.finditer((ROOT / "docs" / "add_a_task.md").read_text(encoding="utf-8")))
    assert len(blocks) == 9
    for block in blocks:
        path = folder / block["path"]
        assert not path.exists(), f"{block['path']} exists already: a new task edits no existing file"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block["text"], encoding="utf-8")
    return folder


def launch(tree: Path, script: str, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tree / "lib"), str(tree)])}
    command = [sys.executable, f"tools/{script}", "--cfg", "cfgs/projects/blobs/small.yaml", *options]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=180)


def test_the_new_task_trains_and_tests_on_two_processes(tree: Path) -> None:
    done = launch(tree, "train_net_all.py", "--nproc", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 processes on cpu" in done.stdout
    folder = tree / "ckpts" / "projects" / "blobs" / "small"
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    distances = [line["blobs/distance"] for line in lines if "blobs/distance" in line]
    assert len(distances) == 2
    assert distances[-1] < 0.06
    done = launch(tree, "test_net_all.py", "--nproc", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.strip().splitlines()[-1]
    assert last == f"test_distance: {distances[-1]:.4f}"


EVERYTHING_ON = [
    *(
        "DATA.COUNT=64",
        "SOLVER.SCHEDULER.TOTAL_EPOCHS=1",
        "SOLVER.SCHEDULER.NAME=step",
        "SOLVER.EMA.ENABLED=True",
        "SOLVER.AMP.ENABLED=True",
        "DATA.ON_ERROR=skip",
    ),
    *("SOLVER.CLIP_GRADIENTS.METHOD=norm", "SOLVER.NONFINITE=rollback", "TEST.PRECISE_BN.ENABLED=True", "MISC.PROFILER.ENABLED=True"),
    *("EVAL.EARLY_STOP.ENABLED=True", "MISC.CKPT=all_on"),
]
COUNT_UNREAD = """
import json, runpy, sys
from pet.projects.blobs import config
from petlib.config import CfgNode, Key, load_cfg, merge_schemas

path, planted, *overrides = sys.argv[1:]

class Task:
    infer_cfg = staticmethod(config.infer_cfg)
    get_base_cfg = staticmethod(
        lambda: CfgNode(merge_schemas(config.get_base_cfg().schema, {"MODEL": {planted: Key(1, "Read by nobody.")}} if planted else {}))
    )

unread = set(Task.get_base_cfg().flat())
for purpose in ("train", "test"):
    cfg = load_cfg(Task, path, overrides)
    runpy.run_path(f"tools/projects/blobs/{purpose}_net.py")[purpose](cfg)
    unread -= cfg.read_keys()
print(json.dumps(sorted(unread)))
"""


@pytest.mark.parametrize("planted", ["", "PLANTED"])
def test_every_setting_of_it_has_an_effect(tree: Path, planted: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tree / "lib"), str(tree)])}
    command = [sys.executable, "-c", COUNT_UNREAD, "cfgs/projects/blobs/small.yaml", planted, *EVERYTHING_ON]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == ([f"MODEL.{planted}"] if planted else [])


def test_its_settings_are_checked_by_the_launcher(tree: Path) -> None:
    done = launch(tree, "train_net_all.py", "DATA.SIZ", "16")
    assert done.returncode == 2
    assert "DATA.SIZ: unknown key; did you mean DATA.SIZE?" in done.stderr + done.stdout
    done = launch(tree, "train_net_all.py", "DATA.SIZE", "18")
    assert done.returncode == 2
    assert "DATA.SIZE: 18 given, a multiple of 4 expected" in done.stderr + done.stdout
