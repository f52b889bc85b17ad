"""The projects of pet-new, written by the command and run by their own tests."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pet.templates.catalog import TEMPLATES
from pet.templates.new_project import write_project
from tests.integration.conftest import ROOT, environment
from tests.integration.warm_python import warm_python

PAGE = (ROOT / "docs" / "new_project.md").read_text(encoding="utf-8")
PATHS = {"PYTHONPATH": f"{ROOT}:{ROOT / 'lib'}"}
TINY = [
    *("data.train.ext_params.count=4", "data.train_dataloader.samples_per_gpu=4", "data.val.ext_params.count=2"),
    *("data.test.ext_params.count=2", "lr_config.warmup_iters=1"),
]
COMMANDS = [["train.py", "--epochs", "1", *TINY], ["test.py", *TINY], ["export.py"], ["train.py", "optimizer.rl=0.1"]]
IN_ONE_PROCESS = f"""
import runpy, sys

for sys.argv in {COMMANDS!r}:
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as ended:
        if ended.code:
            raise
"""


def execute(script: Path, *options: str, folder: Path) -> tuple[int, str]:
    """Run a script in a process of its own, which has torch imported already; return its exit code and what it printed."""
    return warm_python().run([script, *options], folder=folder, environment={**environment(), **PATHS}, timeout=120)


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a project of each template, named as it; one is written by the command as a user starts it."""
    folder = tmp_path_factory.mktemp("projects")
    command = [sys.executable, "-X", "importtime", "-m", "pet.templates.new_project", "--template", "detection", "detection"]
    done = subprocess.run(command, cwd=folder, env={**environment(), **PATHS}, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"\| +(torch|numpy|cv2)\b", done.stderr), "it is to start at once"
    for template in sorted(set(TEMPLATES) - {"detection"}):
        write_project(template, folder / template)
    return folder


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_tests_of_a_new_project_pass(template: str, projects: Path) -> None:
    code, output = execute(Path(pytest.__file__).with_name("__main__.py"), "-p", "no:cacheprovider", folder=projects / template)
    assert code == 0, output
    assert re.search(r"\b[3-9] passed", output)
    assert "while reading:" not in output
    assert not (projects / template / "output").exists()


def test_a_new_project_is_trained_measured_and_exported_and_reports_a_mistake(projects: Path) -> None:
    folder = projects / "detection"
    (folder / "all.py").write_text(IN_ONE_PROCESS, encoding="utf-8")
    code, output = execute(folder / "all.py", folder=folder)
    assert "best AP so far: " in output
    assert re.search(r"^AP: \d\.\d{4}$", output, re.MULTILINE), output
    assert "detection.onnx: differs from PyTorch by at most" in output
    assert (folder / "output" / "detection.onnx").stat().st_size > 10_000
    assert code == 2
    assert re.match(r"error: .*optimizer.*\brl\b", output.splitlines()[-1]), output


def test_the_page_names_every_template() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == set(TEMPLATES)
    assert all(template.values["save_best"] in PAGE for template in TEMPLATES.values() if template.values)
