"""Which script of a task runs in the place of a tool for all tasks."""

from pathlib import Path

import pytest

from petlib.launch import call_own_script


@pytest.mark.parametrize("config", ["vision/digits/resnet20_digits.yaml", "cfgs/vision/digits/resnet20_digits.yaml"])
def test_a_config_of_the_package_is_known_by_its_name_in_any_folder(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call_own_script("export_net.py", package="pet", argv=["--cfg", config]) is None
    assert capsys.readouterr().err == ""
    assert call_own_script("export_net.py", package="pet", argv=["--cfg", config.replace("20", "21")]) == 2
    assert "did you mean vision/digits/resnet20_digits.yaml" in capsys.readouterr().err
