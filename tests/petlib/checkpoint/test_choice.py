"""Which checkpoint is taken when the newest is damaged, and what retention does then."""

import datetime
import os
import re

import pytest
import torch

from petlib import distributed
from petlib.checkpoint import Checkpointer
from petlib.errors import CheckpointError


def save(folder, *iterations, best=(), **arguments):
    checkpointer = Checkpointer(folder, **arguments)
    for iteration in iterations:
        checkpointer.save({"iteration": iteration, "data": torch.full((5000,), iteration)}, iteration=iteration, best=iteration in best)
    checkpointer.wait()
    return checkpointer


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-3000])


def empty(path):
    path.write_bytes(b"")


def dangle(path):
    path.unlink()
    path.symlink_to("nowhere.pth")


@pytest.mark.parametrize(
    ("damage", "what", "taken"),
    [
        (flip, r"damaged: the checksum of its record .* is wrong", 2),
        (truncate, r"truncated or damaged \(File is not a zip file\)", 2),
        (empty, r"empty \(0 bytes\)", 2),
        (lambda path: path.unlink(), "it is not there", 3),
        (dangle, "it is not there", 3),
    ],
    ids=["flipped", "truncated", "emptied", "deleted", "dangling"],
)
def test_the_newest_whole_one_is_taken_and_named(tmp_path, caplog, damage, what, taken):
    save(tmp_path, 1, 2, 3)
    damage(tmp_path / "model_latest.pth")
    checkpointer = Checkpointer(tmp_path)
    assert checkpointer.can_resume()
    assert checkpointer.restore({})["iteration"] == taken
    assert checkpointer.restored_path == tmp_path / f"model_iter{taken}.pth"
    (message,) = caplog.messages
    ending = rf"; continuing from the newest whole checkpoint instead: model_iter{taken}\.pth of iteration {taken}"
    assert re.fullmatch(rf"model_latest\.pth: {what}{ending}", message), message


def test_the_best_is_taken_when_nothing_else_is_whole(tmp_path, caplog):
    save(tmp_path, 1, 2, 3, best=[1])
    for name in ("model_iter2.pth", "model_iter3.pth"):
        flip(tmp_path / name)
    checkpointer = Checkpointer(tmp_path)
    assert checkpointer.restore({})["iteration"] == 1
    assert checkpointer.restored_path == checkpointer.best_path
    assert "model_iter2.pth: damaged" in caplog.text
    assert "instead: model_best.pth of iteration 1" in caplog.text


def test_without_a_whole_one_each_is_named(tmp_path):
    save(tmp_path, 1, 2, 3, best=[1])
    for name, damage in (("model_best.pth", empty), ("model_iter2.pth", truncate), ("model_latest.pth", flip)):
        damage(tmp_path / name)
    checkpointer = Checkpointer(tmp_path)
    with pytest.raises(CheckpointError) as caught:
        checkpointer.restore({})
    for part in (
        f"{tmp_path}: there is no whole checkpoint to continue from: model_latest.pth: damaged",
        "model_iter2.pth: truncated",
        "model_best.pth: empty (0 bytes)",
        "begin anew with Checkpointer.restore False or another Checkpointer.folder",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize(("keep", "left"), [(1, [10]), (2, [2, 10]), (3, [1, 2, 10]), (0, [1, 2, 3, 10])])
def test_a_damaged_checkpoint_leaves_before_a_whole_one(tmp_path, keep, left):
    save(tmp_path, 1, 2, 3, keep=0)
    flip(tmp_path / "model_latest.pth")
    checkpointer = Checkpointer(tmp_path, keep=keep)
    checkpointer.restore({})
    checkpointer.save({"iteration": 10}, iteration=10)
    checkpointer.wait()
    assert {path.name for path in tmp_path.glob("model_iter*")} == {f"model_iter{iteration}.pth" for iteration in left}
    assert Checkpointer(tmp_path).restore({}) == {"iteration": 10}


def test_a_damaged_number_that_is_saved_again_counts_as_whole(tmp_path):
    save(tmp_path, 1, 2, 3)
    flip(tmp_path / "model_latest.pth")
    checkpointer = Checkpointer(tmp_path)
    checkpointer.restore({})
    for iteration in (3, 4):
        checkpointer.save({"iteration": iteration}, iteration=iteration)
    checkpointer.wait()
    assert {path.name for path in tmp_path.glob("model_iter*")} == {"model_iter3.pth", "model_iter4.pth"}


def test_the_order_survives_a_clock_that_goes_back(tmp_path):
    save(tmp_path, 1, 2)
    ahead = 4_000_000_000 * 10**9
    for name in ("model_iter1.pth", "model_iter2.pth"):
        path = tmp_path / name
        os.utime(path, ns=(ahead + int(name[10]), ahead + int(name[10])))
    save(tmp_path, 3, 4)
    assert {path.name for path in tmp_path.glob("model_iter*")} == {"model_iter3.pth", "model_iter4.pth"}
    flip(tmp_path / "model_latest.pth")
    assert Checkpointer(tmp_path).restore({})["iteration"] == 3


def test_a_whole_file_of_something_else_is_refused_and_no_other_taken(tmp_path):
    save(tmp_path, 1, 2)
    torch.save({"when": datetime.date(2020, 1, 1)}, tmp_path / "model_latest.pth")
    with pytest.raises(CheckpointError, match=r"model_latest\.pth: it holds a Python object \(datetime\.date\)"):
        Checkpointer(tmp_path).restore({})


def restore_on_a_rank(folder):
    checkpointer = Checkpointer(folder)
    return checkpointer.restore({})["iteration"], checkpointer.restored_path.name


def test_all_ranks_take_the_same(tmp_path, run_ranks):
    save(tmp_path, 1, 2, 3)
    flip(tmp_path / "model_latest.pth")
    assert run_ranks(restore_on_a_rank, 2, tmp_path) == [(2, "model_iter2.pth")] * 2


def restore_where_rank_one_sees_nothing(folder):
    with pytest.raises(CheckpointError) as caught:
        Checkpointer(folder if distributed.is_main_process() else folder / "elsewhere").restore({})
    return str(caught.value)


def test_a_rank_that_cannot_read_the_file_ends_all(tmp_path, run_ranks):
    save(tmp_path, 1)
    for message in run_ranks(restore_where_rank_one_sees_nothing, 2, tmp_path):
        assert message.startswith(f"{tmp_path}/elsewhere/model_latest.pth: there is no such file")
