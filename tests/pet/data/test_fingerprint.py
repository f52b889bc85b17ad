import json
from pathlib import Path
from typing import Any

import pytest

from pet.data.loading.fingerprint import fingerprint, record_fingerprint, recorder
from pet.data.loading.share_record import ShareRecord
from pet.data.targets.dataset import Dataset, DatasetInfo


class Files(Dataset):
    info = DatasetInfo(classes=("a",), num_classes=1, kinds=frozenset())

    def __init__(self, folder: Path) -> None:
        self.files = sorted(folder.glob("*.jpg"))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> dict[str, Any]:
        raise AssertionError("no sample is read")

    def file_of(self, index: int) -> str:
        return str(self.files[index])


def write_files(folder: Path, sizes: list[int]) -> Files:
    folder.mkdir(parents=True)
    for place, size in enumerate(sizes):
        (folder / f"{place}.jpg").write_bytes(b"x" * size)
    return Files(folder)


def test_it_follows_the_files_and_not_their_place(tmp_path: Path) -> None:
    first = fingerprint(write_files(tmp_path / "a/images", [1, 2]))
    assert len(first) == 12
    assert fingerprint(write_files(tmp_path / "b/images", [1, 2])) == first
    assert fingerprint(write_files(tmp_path / "c/images", [1, 3])) != first
    assert fingerprint(write_files(tmp_path / "d/images", [1, 2, 2])) != first


def test_training_and_test_are_recorded_once(tmp_path: Path) -> None:
    data = write_files(tmp_path / "images", [1, 2])
    record_fingerprint(tmp_path, "test", [], data)
    begin = recorder(ShareRecord(tmp_path / "share.txt"), str(tmp_path), "train", ["digits_train"], data)
    begin()
    assert json.loads((tmp_path / "data.json").read_text()) == {
        "train": f"digits_train: 2 samples, fingerprint {fingerprint(data)}",
        "test": f"given by the program: 2 samples, fingerprint {fingerprint(data)}",
    }
    (tmp_path / "data.json").unlink()
    begin()
    assert not (tmp_path / "data.json").exists()


def test_data_that_belong_to_no_run_are_recorded_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    recorder(ShareRecord(Path("share.txt")), "", "train", [], write_files(tmp_path / "images", [1, 2]))()
    assert not list(Path().iterdir())


def test_what_cannot_be_recorded_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "data.json").write_text("{")
    record_fingerprint(tmp_path, "train", [], write_files(tmp_path / "images", [1]))
    assert caplog.records[0].getMessage().startswith("which data the run has is not recorded: JSONDecodeError")
