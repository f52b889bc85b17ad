from pathlib import Path

import pytest

from petlib.errors import OutputError
from petlib.files import write_text_atomically, writing_errors


def test_a_file_in_the_place_of_a_folder_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with (
        pytest.raises(
            OutputError, match="^--out results: the results cannot be written: (File exists|Not a directory); choose another place$"
        ),
        writing_errors("--out results"),
    ):
        write_text_atomically(tmp_path / "results" / "report.json", "{}")
    assert (tmp_path / "results").read_text() == "a file"


def test_other_mistakes_pass() -> None:
    with pytest.raises(KeyError), writing_errors("--out results"):
        raise KeyError("report")
