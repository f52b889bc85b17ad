"""The command line of ``pet-train --data``."""

from pathlib import Path

import pytest

from pet.commands import train_on_data


@pytest.mark.parametrize(("word", "guess"), [("--epoch", "--epochs"), ("--n_proc", "--nproc"), ("--modle=fcos", "--model")])
def test_a_misspelt_option_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], word: str, guess: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert train_on_data.main(["--data", "digits", word, "2"]) == 2
    assert f"unknown option {word.partition('=')[0]}; did you mean {guess}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_misspelt_folder_is_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flowers").mkdir()
    assert train_on_data.main(["--data", "flower"]) == 2
    assert "--data flower: there is no such folder; did you mean flowers?" in capsys.readouterr().err
