"""The command line of ``pet-train --data``."""

from pathlib import Path

import pytest

from pet import cli
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


def test_only_near_options_are_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    assert train_on_data.main(["--data", "digits", "--modle", "fcos"]) == 2
    assert capsys.readouterr().err == "error: unknown option --modle; did you mean --model?\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cfg", "x.yaml"], "--data and --cfg are both given"),
        (["--time", "-5m"], "argument --time: '-5m' given, a time expected: 90s, 10m or 2h"),
    ],
)
def test_what_cannot_be_meant_is_said(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = train_on_data.main(["--data", "digits", *words])
    except SystemExit as end:
        code = int(str(end.code))
    assert code == 2 and message in capsys.readouterr().err


def test_the_launcher_knows_the_options() -> None:
    assert set(cli.ON_DATA.options) == set(train_on_data.OWN_OPTIONS)
