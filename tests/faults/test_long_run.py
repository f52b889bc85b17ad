"""A run of many iterations holds no more memory, files and threads at its end than after its first tenth."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.faults.conftest import Happened
from tests.faults.training import ROOT

FOLDER = ROOT / "tools" / "benchmark"


@pytest.fixture
def soak(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)
    import soak

    return soak


@pytest.mark.parametrize(("quantity", "last", "grew"), [("memory_mb", 107.0, False), ("memory_mb", 109.0, True), ("files", 101, True)])
def test_what_grows_is_reported(soak: ModuleType, quantity: str, last: float, grew: bool, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("memory_mb", "files", "threads")
    looks = [
        soak.Look(100 * part, "rank 0", {name: last if part == 9 and name == quantity else 100.0 for name in names}) for part in range(10)
    ]
    rows = soak.judge(looks, 1000)
    assert {row["quantity"]: row["grew"] for row in rows} == {name: grew and name == quantity for name in names}
    assert ("GROWS" in capsys.readouterr().out) == grew


@pytest.mark.nightly
@pytest.mark.fault("long-run", "thousands of iterations with evaluations and checkpoints")
def test_nothing_leaks(tmp_path: Path, happened: Happened) -> None:
    command = [sys.executable, str(FOLDER / "soak.py"), "--iterations", "3000", "--out", str(tmp_path / "soak")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert (tmp_path / "soak" / "soak.png").stat().st_size > 10_000
    most = max(row["after"] - row["before"] for row in figures["growths"] if row["quantity"] == "memory_mb")
    happened(f"{figures['iterations']} iterations, memory of the processes changed by at most {most:.1f} MB")
