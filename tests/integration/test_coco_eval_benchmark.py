"""The script that compares COCO evaluations runs and refuses numbers that mean nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import ROOT, environment

SCRIPT = ROOT / "tools" / "benchmark" / "coco_eval.py"


def execute(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *options]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=120)


def test_both_ways_agree_and_are_timed(tmp_path: Path) -> None:
    done = execute(tmp_path, "--images", "20", "--repeats", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["images"] == 20
    assert 0.05 < figures["AP"] < 0.95
    assert figures["ratio"] == pytest.approx(figures["pycocotools_s"] / figures["ours_s"], rel=0.2)
    assert not list(tmp_path.iterdir()), "a benchmark leaves nothing behind"


@pytest.mark.parametrize("option", ["--images", "--repeats"])
def test_nothing_to_measure_is_refused(option: str, tmp_path: Path) -> None:
    done = execute(tmp_path, option, "0")
    assert done.returncode == 2
    assert option in done.stderr
    assert "Traceback" not in done.stderr
