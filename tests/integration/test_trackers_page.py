"""docs/trackers.md: its tracker, with its command, in an empty folder; its keys are there."""

import os
import re
import shlex
from pathlib import Path

import pytest

from pet.vision.config import get_base_cfg
from tests.integration.conftest import ROOT, Run

PAGE = (ROOT / "docs" / "trackers.md").read_text(encoding="utf-8")
SHORT = [
    *("SOLVER.SCHEDULER.TOTAL_EPOCHS=0", "SOLVER.SCHEDULER.TOTAL_ITERS=2", "SOLVER.SCHEDULER.WARM_UP_EPOCHS=None", "EVAL.PERIOD_EPOCH=0"),
    *("ANALYSER.ENABLED=False", "MISC.DISPLAY_ITER=1", "TRAIN.BATCH_SIZE=16", "SOLVER.SNAPSHOT_EPOCH=0"),
]


def test_the_tracker_of_the_page_gets_the_run(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "my_tracker.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    (line,) = re.findall(r"^    PYTHONPATH=\. (pet-train .*)$", PAGE, re.MULTILINE)
    _, _, config, *overrides = shlex.split(line)
    done = run("train_net_all.py", "--cfg", ROOT / "cfgs" / config, *overrides, *SHORT, "MISC.CKPT=run")
    assert "WARNING" not in done.succeeded().output
    notes = (tmp_path / "run" / "notes.txt").read_text().splitlines()
    assert [line.split()[0] for line in notes[:4]] == ["config.yaml", "1", "2", "2"]
    assert "train/loss_cls" in notes[1] and "eval/cls/acc1" in notes[3]
    assert notes[4] == "2 curves.png"
    assert any(re.fullmatch(r"2 latest/sample\d+_0\.jpg", note) for note in notes)
    assert notes[-2].startswith("model_best.pth ")
    assert notes[-1] == "finished"


def test_its_keys_are_settings() -> None:
    keys = set(re.findall(r"`(MISC\.[A-Z_]+)`", PAGE))
    assert keys >= {"MISC.TRACKED_CHECKPOINT", "MISC.TRACKED_MAX_MB", "MISC.TRACKERS_TIMEOUT"}
    assert keys <= set(get_base_cfg().flat())
