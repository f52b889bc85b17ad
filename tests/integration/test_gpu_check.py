"""The check for a machine with a GPU, on the CPU with tiny sizes."""

import importlib
import json
import multiprocessing
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from tests.integration.conftest import ROOT, environment

SCRIPT = ROOT / "tools" / "gpu_check.py"
DRY = ("task-digits", "step-segmentation", "cifar", "input", "memory", "ranks")
"""Parts of every kind that take seconds; the others run the same scripts with other options."""
IN_CI = ("ranks",)


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of the script, which the processes of its parts import by name."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    return importlib.import_module("gpu_check")


def execute(*options: str, timeout: float = 400) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(SCRIPT), *options]
    return subprocess.run(words, capture_output=True, text=True, env=environment(), timeout=timeout, check=False)


def run_parts(names: tuple[str, ...], out: Path) -> dict[str, Any]:
    done = execute("--dry", "--parts", ",".join(names), "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(names)} of {len(names)} parts passed" in done.stdout
    result: dict[str, Any] = json.loads(out.read_text())
    assert {part["name"]: part["status"] for part in result["parts"]} == dict.fromkeys(names, "passed")
    assert result["machine"]["device"] == "cpu"
    return {row["name"]: row for part in result["parts"] for row in part["rows"]}


def test_the_parts_run_without_a_gpu(tmp_path: Path) -> None:
    rows = run_parts(IN_CI, tmp_path / "out" / "result.json")
    assert rows["2 ranks, gloo, exchange"]["value"] == "works"


@pytest.mark.nightly
def test_the_parts_that_train_and_measure_run_without_a_gpu(tmp_path: Path) -> None:
    rows = run_parts(tuple(name for name in DRY if name not in IN_CI), tmp_path / "result.json")
    # on one device a run that was stopped ends with the very loss of one that was not
    assert rows["last loss, resumed and not"]["value"] == 0
    assert rows["metrics, GPU and CPU"]["value"] == 0
    assert rows["segmentation: Pet's rate / bare"]["value"] > 0
    assert rows["cifar: Pet"]["value"] > 0
    assert "not measured" in rows["cifar: Pet"]["note"]
    assert rows["input: Pet"]["value"] > 0


def test_every_script_belongs_to_a_part(check: ModuleType) -> None:
    scripts = {path.name for path in (ROOT / "tools" / "gpu").glob("*.py") if "__main__" in path.read_text(encoding="utf-8")}
    assert scripts == {part.script for part in check.PARTS}


@pytest.mark.parametrize(
    ("text", "status", "log"),
    [
        ("import time; print('begun', flush=True); time.sleep(1000)", "stopped at its limit", "begun"),
        ("raise SystemExit('this went wrong')", "failed", "this went wrong"),
        ("import pathlib, sys, json; rows = sys.argv[sys.argv.index('--rows') + 1]\n"
         "pathlib.Path(rows).write_text(json.dumps({'name': 'x', 'passed': False}))", "failed", ""),
        ("pass", "passed", ""),
    ],
)  # fmt: skip
def test_a_part_has_a_limit_and_leaves_what_it_printed(check: ModuleType, tmp_path: Path, text: str, status: str, log: str) -> None:
    script = tmp_path / "part.py"
    script.write_text(text)
    context = multiprocessing.get_context("forkserver")
    # only what is stopped has to begin before a short limit; a process may take long to begin on busy cores
    part = check.Part("one", str(script), seconds=15 if log == "begun" else 200)
    begin = time.monotonic()
    result = check.try_part(part, context, tmp_path, begin + 300, dry=True)
    assert time.monotonic() - begin < 200
    assert result["status"] == status, result
    assert log in result["log"]


def test_what_no_time_is_left_for_is_named(check: ModuleType, tmp_path: Path) -> None:
    part = check.Part("one", "tasks.py")
    result = check.try_part(part, multiprocessing.get_context("forkserver"), tmp_path, time.monotonic(), dry=True)
    assert result["status"] == "no time left"


def test_an_unknown_part_is_refused() -> None:
    done = execute("--parts", "everything")
    assert done.returncode == 2
    assert "there are tests, task-digits" in done.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_machine_without_a_gpu_is_refused() -> None:
    done = execute("--parts", "memory")
    assert done.returncode == 2
    assert "sees no GPU here; --dry shows on a CPU that the check runs" in done.stderr
