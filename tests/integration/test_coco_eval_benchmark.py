"""The script that compares COCO evaluations runs and refuses numbers that mean nothing."""

import json
from pathlib import Path

import pytest

from tests.integration.conftest import Run


def test_both_ways_agree_and_are_timed(tmp_path: Path, run: Run) -> None:
    done = run("benchmark/coco_eval.py", "--images", "20", "--repeats", "1").succeeded()
    figures = json.loads(done.output.splitlines()[-1])
    assert figures["images"] == 20
    assert 0.05 < figures["AP"] < 0.95
    assert figures["ratio"] == pytest.approx(figures["pycocotools_s"] / figures["ours_s"], rel=0.2)
    assert not list(tmp_path.iterdir()), "a benchmark leaves nothing behind"


@pytest.mark.parametrize("option", ["--images", "--repeats"])
def test_nothing_to_measure_is_refused(option: str, run: Run) -> None:
    done = run("benchmark/coco_eval.py", option, "0")
    assert done.code == 2
    assert option in done.output
    assert "Traceback" not in done.output
