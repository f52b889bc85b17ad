"""docs/action.md: its commands, and what its example shows. A network that sees the order of frames knows time reversals apart."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.integration.conftest import ROOT, Run, environment

PAGE = (ROOT / "docs" / "action.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (python tools/.*)$", PAGE, re.MULTILINE)
SHORT = ["SOLVER.SCHEDULER.TOTAL_EPOCHS=0", "SOLVER.SCHEDULER.TOTAL_ITERS=2", "SOLVER.SCHEDULER.WARM_UP_EPOCHS=0", "EVAL.PERIOD_EPOCH=0"]


def execute(words: list[str], folder: Path, timeout: float = 300) -> str:
    done = subprocess.run(
        [sys.executable, *words[1:]], cwd=folder, env=environment(), capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_commands_of_the_page(run: Run, tmp_path: Path) -> None:
    for name in ("tools", "cfgs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    outputs = []
    for line in COMMANDS:
        script, *words = shlex.split(line)[1:]
        options = SHORT if "train_net" in line else []
        outputs.append(run(script.removeprefix("tools/"), *words, *options).succeeded().output)
    assert len(outputs) == 5
    assert "test_acc1@1x1: " in outputs[1]
    assert (tmp_path / "looks" / "views.png").is_file()
    assert "clips (1, 3, 8, 32, 32) -> logits" in outputs[4]


def train(network: str, folder: Path, *options: str) -> tuple[float, float]:
    """Return the accuracy of a training, and within the pairs that were right."""
    config = ROOT / "cfgs" / "tasks" / "action" / "motions" / f"{network}_test_resnet.yaml"
    words = ["python", "", "--cfg", str(config), f"MISC.CKPT={folder}", *options]
    for script in ("train_net_all.py", "test_net_all.py"):
        words[1] = str(ROOT / "tools" / script)
        execute(words, folder, timeout=3600)
    records = [json.loads(line) for line in (folder / "test" / "predictions.jsonl").read_text().splitlines()]
    labels, found = (np.array([record[field] for record in records]) for field in ("label", "prediction"))
    assert len(labels) == 400
    right_pair = labels // 2 == found // 2
    assert right_pair.sum() > 100, "too few to say something of what is within the pairs"
    return float((labels == found).mean()), float((labels == found)[right_pair].mean())


@pytest.mark.nightly
def test_tsm_sees_the_order_of_frames(tmp_path: Path) -> None:
    accuracy, _ = train("tsm", tmp_path)
    assert accuracy >= 0.95


@pytest.mark.nightly
def test_tsn_guesses_within_the_pairs(tmp_path: Path) -> None:
    _, within = train("tsn", tmp_path)
    assert 0.4 <= within <= 0.6
