"""docs/search.md: its space is one, and its command searches, is killed, goes on, and ends with a config that trains."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from pet.search.space import read_space
from pet.vision.config import get_base_cfg
from tests.integration.conftest import ROOT, environment
from tests.integration.test_first_hour import call

PAGE = (ROOT / "docs" / "search.md").read_text(encoding="utf-8")
(SPACE,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
ROW = r"^(\d)  +finished +([\d.]+) +2 +([\d.e-]+)$"
(COMMAND,) = re.findall(r"^    pet-search (.*)$", PAGE, re.MULTILINE)


def test_the_space_of_the_page_is_one(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(SPACE)
    found = {one.key: one for one in read_space(path, get_base_cfg())}
    assert found["SOLVER.OPTIMIZER.BASE_LR"].log and found["TRAIN.BATCH_SIZE"].whole
    assert found["SOLVER.OPTIMIZER.NESTEROV"].choices == (True, False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "SPACE.yaml is missing: which settings are searched?"),
        (["space.yaml"], "space.yaml: there is no such file"),
        (["space.yaml", "--trails", "3"], "unknown option --trails; did you mean --trials?"),
        (["space.yaml", "--trials", "0"], "'0' given, a whole number from 1 on expected"),
    ],
)
def test_mistakes_on_the_command_line_are_reported(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("optuna")
    from pet.commands import search

    try:
        code: object = search.main(["--cfg", "vision/digits/resnet20_digits.yaml", *words])
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert message in capsys.readouterr().err


@pytest.mark.nightly
def test_the_command_of_the_page_survives_a_kill_and_finds_the_better_settings(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    (tmp_path / "space.yaml").write_text("SOLVER.OPTIMIZER.BASE_LR: {low: 1.0e-5, high: 0.5, log: True}\n")
    words = [*shlex.split(COMMAND.replace("--trials 12", "--trials 3").replace("TOTAL_EPOCHS 4", "TOTAL_EPOCHS 2"))]
    words += ["--out", "found", "--processes", "2", "ANALYSER.ENABLED", "False"]
    code = "import sys; from pet import cli; sys.exit(cli.search())"
    first = subprocess.Popen([sys.executable, "-c", code, *words], cwd=tmp_path, env=environment(), start_new_session=True)
    log = tmp_path / "found" / "trial_000" / "metrics.jsonl"
    limit = time.monotonic() + 300
    while not (log.exists() and "cls/acc1" in log.read_text()) and time.monotonic() < limit:
        time.sleep(0.1)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    begun = {path.name for path in (tmp_path / "found").glob("trial_*") if path.is_dir()}
    done = call("search", tmp_path, *words).succeeded()
    assert all(f"trial {int(name[-3:])} goes on: " in done.output for name in begun), done.output
    assert "continuing from iteration" in (tmp_path / "found" / "trial_000.log").read_text()
    rows = re.findall(ROW, done.output, re.MULTILINE)
    assert [row[0] for row in rows] == ["0", "1", "2"], done.output
    number, best, rate = max(rows, key=lambda row: float(row[1]))
    assert f"in trial {number}, whose weights are found/trial_00{number}/model_best.pth" in done.output
    settings = yaml.safe_load((tmp_path / "found" / "best.yaml").read_text())
    assert settings["SOLVER"]["OPTIMIZER"]["BASE_LR"] == pytest.approx(float(rate), rel=1e-3)
    again = call("search", tmp_path, *words).succeeded().output
    assert "begins" not in again and rows == re.findall(ROW, again, re.MULTILINE)
    assert "script: " in call("train", tmp_path, "--cfg", "found/best.yaml", "--dry_run").succeeded().output
    compare = next(line for line in done.output.splitlines() if line.startswith("compare: pet-report "))
    assert "written: " in call("report", tmp_path, *shlex.split(compare)[2:]).succeeded().output
