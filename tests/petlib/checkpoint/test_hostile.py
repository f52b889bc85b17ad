"""What a file with weights may claim."""

import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from petlib.checkpoint import dcp, load_weights
from petlib.checkpoint.hostile import deepest_tuple
from petlib.checkpoint.restore import load_model_strict
from petlib.checkpoint.sharded import read_folder
from petlib.checkpoint.state_file import read_file
from petlib.errors import CheckpointError
from tests.petlib.checkpoint import hostile_files


@pytest.mark.filterwarnings("ignore:Validating sparse")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (hostile_files.command, r"it holds a Python object \(posix.system\) besides tensors and plain data; .* so it is refused"),
        (hostile_files.zipped_command, r"it holds a Python object \(posix.system\)"),
        (hostile_files.overlapping, r"damaged \(its records claim 10000000000 bytes, it has \d+\)"),
        (hostile_files.large_claim, r"a tensor of the shape \[1152921504606846976\] claims 4611686018427387904 bytes, the file has \d+"),
        (hostile_files.old_large_claim, r"the file is truncated or damaged"),
        (hostile_files.deep_tuples, r"it holds more than 50000 tuples in each other, as no checkpoint does; it is refused"),
        (hostile_files.deep_lists, r"it holds more than 100 levels of dictionaries and lists in each other; it is refused"),
        (hostile_files.doubling_lists, r"it holds more than 2000000 values next to its tensors"),
        (hostile_files.sparse, r"it holds a tensor that is sparse, quantized, nested or without data; plain ones are read"),
        (hostile_files.tar, r"the file is truncated or damaged \(RuntimeError: Cannot use .* legacy .tar format"),
        (hostile_files.text, r"the file is not a checkpoint, or damaged"),
        (hostile_files.pipe, r"a file with weights expected, this is a pipe or a device"),
        (hostile_files.link, r"the file is (not a checkpoint, or|truncated or) damaged"),
        (hostile_files.cut, r"the file is truncated or damaged"),
    ],
)
def test_a_hostile_file_is_one_message(make: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    make(tmp_path / "weights.pth")
    begun = time.monotonic()
    with pytest.raises(CheckpointError, match=rf"weights.pth: .*{message}"):
        read_file(tmp_path / "weights.pth")
    assert time.monotonic() - begun < 60
    assert not (tmp_path / "made").exists()
    assert not (tmp_path.parent / "made").exists()


@pytest.mark.nightly
def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    hostile_files.bomb(tmp_path / "weights.pth")
    begun = time.monotonic()
    with pytest.raises(CheckpointError, match="no checkpoint \\(its records are compressed, which torch does not do\\)"):
        read_file(tmp_path / "weights.pth")
    assert time.monotonic() - begun < 1


@pytest.mark.parametrize("make", [hostile_files.safetensors_claim, hostile_files.safetensors_header])
def test_safetensors_that_claim_too_much(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "weights.safetensors")
    with pytest.raises(CheckpointError, match=r"weights.safetensors: the file is truncated or damaged"):
        read_file(tmp_path / "weights.safetensors")


def test_attributes_are_taken_away(tmp_path: Path) -> None:
    model = nn.Linear(2, 3)
    state = OrderedDict(model.state_dict())
    state["weight"].flip = 5  # type: ignore[assignment]
    state.keys = 5  # type: ignore[method-assign, assignment]
    state._metadata = {"": 5}  # type: ignore[attr-defined]
    torch.save(state, tmp_path / "weights.pth")
    assert not vars(read_file(tmp_path / "weights.pth"))
    assert load_weights(nn.Linear(2, 3), tmp_path / "weights.pth").complete


def test_names_that_are_no_names(tmp_path: Path) -> None:
    model = nn.Linear(2, 3)
    odd = {5: torch.ones(1), "x" * 9000: torch.ones(1), "\x1b[31m": torch.ones(1), **model.state_dict()}
    torch.save(odd, tmp_path / "weights.pth")
    report = load_weights(model, tmp_path / "weights.pth")
    assert report.matched == ["weight", "bias"]
    assert report.unexpected == ["x" * 200 + "...", r"'\x1b[31m'"]


def test_other_kinds_of_numbers_do_not_fit(tmp_path: Path) -> None:
    model = nn.Linear(2, 3)
    torch.save({"weight": torch.ones(3, 2, dtype=torch.complex64), "bias": torch.ones(3).half()}, tmp_path / "weights.pth")
    report = load_weights(model, tmp_path / "weights.pth")
    assert report.matched == ["bias"]
    assert [*map(str, report.mismatched)] == ["weight [3, 2] complex in the file, [3, 2] floating point in the model"]


def test_the_count_of_batches_has_to_be_a_number() -> None:
    model = nn.BatchNorm2d(2)
    with pytest.raises(CheckpointError, match="1 missing: num_batches_tracked"):
        load_model_strict(model, {**model.state_dict(), "num_batches_tracked": {}}, origin="x.pth")


@pytest.mark.parametrize(
    ("pickled", "depth"),
    [
        (b"\x80\x02N\x85\x85\x85.", 3),
        (b"(NNt(t\x86.", 2),
        (b"\x80\x02N\x85q\x00h\x00\x85h\x00\x87.", 0),
        (b"\x80\x02N\x85q\x00h\x00\x85\x86.", 3),
        (b"\x80\x02}(N\x85K\x01u]\x85.", 1),
        (b"\x80\x02N.\x80\x02N\x85\x85.", 2),
        (b"\x80\x02N\x85\x94h\x00\x86\x30.", 2),
        (b"N\x85\xff\xff", 1),
        (b"", 0),
    ],
)
def test_how_deep_tuples_lie(pickled: bytes, depth: int) -> None:
    assert deepest_tuple(pickled) >= depth


@pytest.mark.parametrize("sharded", [5, {"a": 3}, {"a": (["x"], None)}, {5: (3, [0])}])
@pytest.mark.parametrize("state", [{}, 5, {"x": 5}])
def test_folders_that_hold_something_else(sharded: object, state: object, tmp_path: Path) -> None:
    torch.save({"state": state, "sharded": sharded}, tmp_path / "state.pth")
    with pytest.raises(CheckpointError, match=r"this is no part of a sharded checkpoint|index of the checkpoint is missing"):
        read_folder(tmp_path)


def test_a_part_that_claims_more_than_the_files_hold(tmp_path: Path) -> None:
    entry = SimpleNamespace(size=torch.Size([2**40]), properties=SimpleNamespace(dtype=torch.float32))
    with pytest.raises(ValueError, match="the index claims a tensor of 4398046511104 bytes, all files have 0"):
        dcp._check_claims(tmp_path, [entry])
