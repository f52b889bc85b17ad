"""What an installation can do, as ``pet-doctor`` says it."""

import importlib.metadata
import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from pet.commands import doctor


def test_versions_devices_and_extras(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as done:
        doctor.main(["--folder", str(tmp_path), "--no_training"])
    assert done.value.code == 0
    output = capsys.readouterr().out
    assert f"torch {torch.__version__.partition('+')[0]}" in output
    assert f"numpy {np.__version__}" in output
    assert "extra      export (ONNX files): installed" in output
    assert re.search(r"disk       [\d,]+ MB/s written, [\d,]+ MB/s read, [\d,]+ files of 100 kB a second; \d+ GiB free", output)
    assert list(tmp_path.iterdir()) == [], "nothing is left"


def test_missing_extras_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, package=None: None if name == "onnx" else found(name, package))
    lines = list(doctor.extras())
    assert "extra      export (ONNX files): missing onnx: pip install 'pet-vision[export]'" in lines


def test_every_extra_that_a_user_may_want_is_named() -> None:
    provided = set(importlib.metadata.metadata(doctor.DISTRIBUTION).get_all("Provides-Extra") or [])
    assert set(doctor.EXTRAS) == provided - {"dev", "docs"}


def test_a_folder_that_is_missing_is_one_message(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as done:
        doctor.main(["--folder", str(tmp_path / "nowhere")])
    assert done.value.code == 2
    assert f"error: --folder {tmp_path / 'nowhere'}: there is no such folder" in capsys.readouterr().err


def test_the_short_training_reports_its_loss() -> None:
    line, works = doctor.short_training()
    assert works, line
    losses = re.search(r"loss ([\d.]+) -> ([\d.]+), \d+ ms", line)
    assert losses is not None and float(losses[2]) < float(losses[1])


def test_a_training_that_fails_shows_its_last_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "SETTINGS", ("MISC.SEDE=1",))
    line, works = doctor.short_training()
    assert not works
    assert "FAILED with exit code 2" in line and "did you mean MISC.SEED?" in line
