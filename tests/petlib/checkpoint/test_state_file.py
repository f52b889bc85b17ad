import argparse
import zipfile

import pytest
import torch

from petlib.checkpoint.damage import zip_damage
from petlib.checkpoint.state_file import read_file, write_file
from petlib.errors import CheckpointError


@pytest.fixture
def folder(tmp_path):
    for name in ("model_iter1.pth", "model_latest.pth"):
        write_file(tmp_path / name, {"model": {"weight": torch.arange(20000.0)}, "iteration": 1})
    return tmp_path


def flip_a_byte(path):
    with zipfile.ZipFile(path) as archive:
        record = next(info for info in archive.infolist() if info.filename.endswith("data/0"))
    data = bytearray(path.read_bytes())
    data[record.header_offset + 4096] ^= 1
    path.write_bytes(data)


def test_a_whole_file_is_read(folder):
    state = read_file(folder / "model_latest.pth")
    assert state["iteration"] == 1
    assert torch.equal(state["model"]["weight"], torch.arange(20000.0))
    assert zip_damage(folder / "model_latest.pth") == ""


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-5000]), "truncated or damaged"),
        (lambda path: path.write_bytes(b""), r"empty \(0 bytes\)"),
        (lambda path: path.write_bytes(b"not a checkpoint at all" * 10), "not a checkpoint, or damaged"),
        (lambda path: path.write_bytes(bytes(5000)), "truncated or damaged|not a checkpoint, or damaged"),
        (flip_a_byte, "damaged: the checksum of its record .*data/0 is wrong"),
    ],
    ids=["truncated", "empty", "text", "zeros", "bit flip"],
)
def test_a_damaged_file_is_named_and_whole_ones_next_to_it_too(folder, damage, what):
    path = folder / "model_latest.pth"
    damage(path)
    with pytest.raises(
        CheckpointError, match=rf"{path}: the file is ({what}).*whole checkpoints in the same folder: model_iter1\.pth; name one"
    ):
        read_file(path)


def test_without_a_whole_one_the_message_says_so(folder):
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="there is no whole checkpoint next to it; take a copy from elsewhere"):
        read_file(folder / "model_latest.pth")


class Evil:
    def __reduce__(self):
        return print, ("this must never be executed",)


@pytest.mark.parametrize("content", [argparse.Namespace(lr=1), Evil()])
@pytest.mark.parametrize("zipped", [True, False])
def test_other_python_objects_are_refused_and_nothing_is_executed(tmp_path, capfd, content, zipped):
    path = tmp_path / "foreign.pth"
    torch.save({"model": content}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"foreign\.pth: it holds a Python object \((argparse\.Namespace|.*print)\)"):
        read_file(path)
    assert "this must never be executed" not in capfd.readouterr().out


def test_old_files_and_safetensors_are_read(tmp_path):
    from safetensors.torch import save_file

    torch.save({"a": torch.ones(2)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_file({"a": torch.ones(2)}, tmp_path / "new.safetensors")
    for name in ("old.pth", "new.safetensors"):
        assert read_file(tmp_path / name)["a"].tolist() == [1, 1]
    (tmp_path / "new.safetensors").write_bytes((tmp_path / "new.safetensors").read_bytes()[:20])
    with pytest.raises(CheckpointError, match=r"new\.safetensors: the file is truncated or damaged"):
        read_file(tmp_path / "new.safetensors")


def test_a_missing_file_and_a_folder_are_reported(folder):
    with pytest.raises(CheckpointError, match=r"model_lates\.pth: there is no such file; did you mean model_latest\.pth"):
        read_file(folder / "model_lates.pth")
    with pytest.raises(CheckpointError, match="there is no such file"):
        read_file(folder / "nowhere" / "model.pth")
    with pytest.raises(CheckpointError, match="this is a folder"):
        read_file(folder)
