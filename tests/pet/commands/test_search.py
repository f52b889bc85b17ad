"""The command line of ``pet-search``."""

from pathlib import Path

import pytest

from pet.commands import search


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "error: SPACE.yaml is missing: which settings"),
        (["."], "error: .: given for SPACE.yaml, the name of which ends in .yaml"),
        (["space", "A.B", "1"], "error: space: given for SPACE.yaml"),
        ([".", "A.B", "1"], "error: .: given for SPACE.yaml"),
    ],
)
def test_what_is_given_for_the_space_is_named(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space").touch()
    assert search.main(["--cfg", "x.yaml", *words]) == 2
    assert capsys.readouterr().err.startswith(message)
