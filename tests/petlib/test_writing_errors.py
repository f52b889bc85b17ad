from pathlib import Path

import pytest

from petlib.errors import OutputError
from petlib.files import check_folder, write_text_atomically, writing_errors


def test_a_file_in_the_place_of_a_folder_is_a_mistake_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("results").write_text("a file")
    expected = "a file, but a folder for the results expected; name another$"
    with pytest.raises(OutputError, match=f"^--out results: {expected}"), writing_errors("--out results"):
        write_text_atomically(Path("results/report.json"), "{}")
    with pytest.raises(OutputError, match=f"^--out results: {expected}"), writing_errors("--out results"):
        Path("results").mkdir(exist_ok=True)
    with pytest.raises(OutputError, match=f"^--out results/a/b: results is {expected}"):
        check_folder(Path("results/a/b"), "--out results/a/b")
    assert Path("results").read_text() == "a file"


def test_whether_a_folder_can_be_written_is_found_out_without_a_trace(tmp_path: Path) -> None:
    check_folder(tmp_path / "new" / "one", "--out new/one")
    check_folder(tmp_path, "--out here")
    assert not list(tmp_path.iterdir())
    with pytest.raises(OutputError, match="^--out /proc/x/y: the results cannot be written: No such file or directory; choose another"):
        check_folder(Path("/proc/x/y"), "--out /proc/x/y")


def test_other_mistakes_pass() -> None:
    with pytest.raises(KeyError), writing_errors("--out results"):
        raise KeyError("report")
