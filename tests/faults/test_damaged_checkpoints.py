"""Promise 2: a checkpoint damaged on disk is found by its checksum, named, and the newest whole one is taken instead."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from petlib.checkpoint.locate import damage_of_checkpoint
from tests.faults.conftest import Happened
from tests.faults.training import DIGITS, LENGTH, OPTIONS, ROOT, Training, assert_same_run
from tests.integration.warm_python import warm_python

NEWEST, BEFORE = f"model_iter{LENGTH}.pth", f"model_iter{LENGTH - 4}.pth"
Damage = Callable[[Path], object]


@pytest.fixture
def finished(training: Training, undisturbed: Training) -> Training:
    """A copy of the undisturbed run, in which the latest and its number are names of the same data, too."""
    subprocess.run(["cp", "-a", undisturbed.folder, training.folder], check=True)
    assert (training.folder / "model_latest.pth").samefile(training.folder / NEWEST)
    return training


def flip(path: Path, share: float = 0.5) -> None:
    """Change a byte in place, for all names of the file."""
    with path.open("r+b") as file:
        file.seek(int(path.stat().st_size * share))
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 0x10]))


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def dangle(path: Path) -> None:
    path.unlink()
    path.symlink_to("model_iter999.pth")


def continues_with(training: Training, warning: str, undisturbed: Training) -> None:
    code, printed = training.run_script()
    assert code == 0, printed
    found = re.search(rf"model_latest\.pth: {warning}; continuing from the newest whole checkpoint instead: (.*)", printed)
    assert found is not None, printed
    assert printed.count("continuing from the newest whole checkpoint instead") == 1
    assert_same_run(training.checkpoint(NEWEST), undisturbed.checkpoint())
    assert not any(damage_of_checkpoint(path) for path in training.folder.glob("model_*.pth") if path.exists())


@pytest.mark.fault(2, "a bit of the latest checkpoint flipped")
def test_flipped(finished: Training, undisturbed: Training, happened: Happened) -> None:
    flip(finished.folder / "model_latest.pth")
    continues_with(finished, r"damaged: the checksum of its record \S+ is wrong", undisturbed)
    happened(f"named, continued from iteration {LENGTH - 4}, the same weights")


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("damage", "warning"),
    [
        (truncate, r"truncated or damaged \(.*\)"),
        (empty, r"empty \(0 bytes\)"),
        (lambda path: flip(path, 0.0), r"damaged: the checksum of its record \S+ is wrong"),
        (Path.unlink, "it is not there"),
        (dangle, "it is not there"),
    ],
    ids=["truncated", "emptied", "first byte", "deleted", "a link to nothing"],
)
@pytest.mark.fault(2, "the latest checkpoint damaged")
def test_damaged(finished: Training, undisturbed: Training, happened: Happened, damage: Damage, warning: str) -> None:
    damage(finished.folder / "model_latest.pth")
    continues_with(finished, warning, undisturbed)
    happened("named, continued from the newest whole one, the same weights")


@pytest.mark.nightly
@pytest.mark.fault(2, "all but the best damaged")
def test_only_the_best_is_whole(finished: Training, undisturbed: Training, happened: Happened) -> None:
    (finished.folder / BEFORE).rename(finished.folder / "model_best.pth")
    flip(finished.folder / "model_latest.pth")
    continues_with(finished, r"damaged: the checksum of its record \S+ is wrong", undisturbed)
    happened("named, continued from the best, the same weights")


@pytest.mark.nightly
@pytest.mark.fault(2, "all checkpoints damaged")
def test_none_is_whole(finished: Training, happened: Happened) -> None:
    flip(finished.folder / "model_latest.pth")
    truncate(finished.folder / BEFORE)
    before = {path.name: path.read_bytes() for path in finished.folder.glob("model_*")}
    code, printed = finished.run_script()
    assert code == 2
    message = printed[printed.index("error: ") :]
    assert f"{finished.folder}: there is no whole checkpoint to continue from: model_latest.pth: damaged: the checksum" in message
    assert f"{BEFORE}: truncated or damaged" in message
    assert "TRAIN.AUTO_RESUME False or another MISC.CKPT" in message
    assert "Traceback" not in printed
    assert {path.name: path.read_bytes() for path in finished.folder.glob("model_*")} == before
    happened("exit code 2, each one named, nothing changed")


@pytest.mark.nightly
@pytest.mark.parametrize("weights", ["latest", ""], ids=["latest", "by itself"])
@pytest.mark.fault(2, "a damaged checkpoint is to be tested")
def test_weights_of_a_test(finished: Training, happened: Happened, weights: str) -> None:
    flip(finished.folder / "model_latest.pth")
    words = [ROOT / "tools/test_net.py", "--cfg", DIGITS, *OPTIONS, f"MISC.CKPT={finished.folder}", f"TEST.WEIGHTS='{weights}'"]
    code, printed = warm_python().run(words, folder=finished.root, environment=finished.environment(), timeout=120)
    assert code == 2, printed
    assert re.search(rf"model_{weights or 'best'}\.pth: the file is damaged: the checksum of its record \S+ is wrong", printed)
    assert f"whole checkpoints in the same folder: {BEFORE}; name one of them instead" in printed
    happened("exit code 2, damage and whole ones named, none taken instead")


@pytest.mark.nightly
@pytest.mark.fault(2, "a bit of the latest flipped, resumed by two ranks")
def test_two_ranks_agree(finished: Training, happened: Happened) -> None:
    flip(finished.folder / "model_latest.pth")
    code, printed = finished.run(ranks=2)
    assert code == 0, printed
    warning = f"continuing from the newest whole checkpoint instead: {BEFORE} of iteration {LENGTH - 4}"
    assert printed.count(warning) == 1, printed
    assert finished.checkpoint()["iteration"] == LENGTH
    assert not any(map(damage_of_checkpoint, finished.folder.glob("model_*.pth")))
    happened("both ranks continued from the same")


@pytest.mark.nightly
@pytest.mark.parametrize("fault", ["part flipped", "part missing", "pointer emptied"])
@pytest.mark.fault(2, "a sharded checkpoint of two ranks damaged")
def test_sharded(training: Training, happened: Happened, fault: str) -> None:
    assert training.run("TRAIN.PARALLEL=fsdp", "SOLVER.SCHEDULER.TOTAL_ITERS=8", ranks=2)[0] == 0, training.printed()
    part = training.folder / "model_iter8.dcp" / "__1_0.distcp"
    if fault == "part flipped":
        flip(part)
    elif fault == "part missing":
        part.unlink()
    else:
        empty(training.folder / "model_latest.dcp")
    code, printed = training.run("TRAIN.PARALLEL=fsdp", "SOLVER.SCHEDULER.TOTAL_ITERS=8", ranks=2)
    assert code == 0, printed
    taken = 8 if fault == "pointer emptied" else 4
    assert f"continuing from the newest whole checkpoint instead: model_iter{taken}.dcp of iteration {taken}" in printed
    assert printed.count("continuing from the newest whole checkpoint instead") == 1
    happened(f"named, both ranks continued from iteration {taken}")
