"""Promise 7: a damaged file in the middle of an epoch ends the run with its name, or another sample takes its place."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_digits

from tests.faults.conftest import Happened
from tests.faults.training import LIMIT_SECONDS, Training, assert_same_run, rank_pids

IMAGES = 400
DAMAGED = (7, 90, 211)
MISSING = 150
SKIP = "DATA.ON_ERROR=skip"


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """The files of digits in class folders, in the order of the data set."""
    return write_pictures(tmp_path / "pictures")


def write_pictures(folder: Path) -> list[Path]:
    digits = load_digits()
    for place, (image, label) in enumerate(zip(digits.images[:IMAGES], digits.target[:IMAGES], strict=True)):
        path = folder / str(label) / f"{place:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), (image * 15).astype(np.uint8))
    return sorted(folder.glob("*/*.png"))


def damage(pictures: list[Path], *places: int) -> None:
    for place in places:
        data = pictures[place].read_bytes()
        pictures[place].write_bytes(data[: len(data) // 2])


def trains_on(pictures: list[Path], *settings: str) -> list[str]:
    """Return settings; the epoch of 400 images ends in the middle of an iteration."""
    folder = pictures[0].parents[1]
    return [f"TRAIN.DATASETS=['{folder}']", "TEST.DATASETS=[]", "TRAIN.BATCH_SIZE=64", *settings]


def listed(training: Training) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (training.folder / "skipped_samples.jsonl").read_text().splitlines()]


@pytest.mark.fault(7, "a cut-off image, and the run is to end")
def test_raise(training: Training, pictures: list[Path], happened: Happened) -> None:
    damage(pictures, DAMAGED[0])
    code, printed = training.run_script(*trains_on(pictures))
    assert code == 2, printed
    assert str(pictures[DAMAGED[0]]) in printed
    assert "Traceback" not in printed
    happened("exit code 2, file named")


@pytest.mark.fault(7, "cut-off images, and they are to be skipped")
def test_skip(training: Training, pictures: list[Path], happened: Happened) -> None:
    damage(pictures, *DAMAGED)
    code, printed = training.run_script(*trains_on(pictures, SKIP, "TRAIN.NUM_WORKERS=1"))
    assert code == 0, printed
    entries = listed(training)
    # 24 iterations of 64 are 3 epochs of 400 images and 336 of the fourth one
    assert {entry["index"] for entry in entries} == set(DAMAGED)
    assert len({(entry["epoch"], entry["index"]) for entry in entries if entry["epoch"] <= 3}) == 9
    assert all(entry["file"] == str(pictures[entry["index"]]) and "cut off" in entry["reason"] for entry in entries)
    assert training.checkpoint()["iteration"] == 24
    happened("others took their places, each is listed with its file and reason")


@pytest.mark.nightly
@pytest.mark.fault(7, "a file that is deleted while the run goes on")
def test_a_file_that_disappears(training: Training, pictures: list[Path], happened: Happened) -> None:
    training.start(*trains_on(pictures, SKIP))
    training.wait_for_iteration(2)
    pictures[MISSING].unlink()
    assert training.processes[-1].wait(LIMIT_SECONDS) == 0, training.printed()
    assert {entry["index"] for entry in listed(training)} == {MISSING}
    happened("another one took its place")


@pytest.mark.nightly
@pytest.mark.fault(7, "cut-off images and kill -9")
def test_the_same_weights_after_a_kill(training: Training, pictures: list[Path], happened: Happened, tmp_path_factory: Any) -> None:
    damage(pictures, *DAMAGED)
    settings = trains_on(pictures, SKIP)
    reference = Training(tmp_path_factory.mktemp("undisturbed"))
    code, printed = reference.run_script(*settings)
    assert code == 0, printed
    process = training.start(*settings, "TRAIN.NUM_WORKERS=2")
    training.wait_for_iteration(15)
    os.kill(rank_pids(process.pid)[0], signal.SIGKILL)
    process.wait(LIMIT_SECONDS)
    code, printed = training.run_script(*settings)
    assert code == 0, printed
    assert_same_run(training.checkpoint(), reference.checkpoint())
    assert listed(training) == listed(reference)
    happened("the same weights and the same list, nothing twice")


@pytest.mark.nightly
@pytest.mark.fault(7, "cut-off images, two ranks and two workers each")
def test_two_ranks(training: Training, pictures: list[Path], happened: Happened, tmp_path_factory: Any) -> None:
    damage(pictures, *DAMAGED)
    alone = Training(tmp_path_factory.mktemp("alone"))
    code, printed = alone.run_script(*trains_on(pictures, SKIP))
    assert code == 0, printed
    code, printed = training.run(*trains_on(pictures, SKIP, "TRAIN.NUM_WORKERS=2"), ranks=2)
    assert code == 0, printed

    def places(run: Training) -> list[tuple[int, int, int]]:
        return sorted((entry["epoch"], entry["position"], entry["index"]) for entry in listed(run))

    assert places(training) == places(alone)
    happened("the list is that of one rank")


@pytest.mark.nightly
@pytest.mark.fault(7, "a third of all images is cut off")
@pytest.mark.parametrize("ranks", [1, 2])
def test_too_many(training: Training, pictures: list[Path], happened: Happened, ranks: int) -> None:
    damage(pictures, *range(1, IMAGES, 3))
    code, printed = training.run(*trains_on(pictures, SKIP), ranks=ranks)
    assert code == 2, printed
    assert "training samples (" in printed
    assert "could not be read, more than DATA.MAX_ERROR_SHARE (0.01) lets pass" in printed
    assert "skipped_samples.jsonl lists them, among them\n  sample " in printed
    happened("exit code 2, with count, share and the first files")


@pytest.mark.nightly
@pytest.mark.fault(7, "a cut-off image among those of an evaluation")
def test_an_evaluation_raises(training: Training, pictures: list[Path], happened: Happened) -> None:
    test_pictures = write_pictures(training.root / "test_pictures")
    damage(test_pictures, 33)
    settings = [*trains_on(pictures, SKIP), f"TEST.DATASETS=['{test_pictures[0].parents[1]}']", "DATA.CHECK_SAMPLES=0"]
    code, printed = training.run_script(*settings)
    assert code == 2, printed
    assert "sample 33 of" in printed
    assert str(test_pictures[33]) in printed
    happened("exit code 2: figures of fewer images would be wrong")


@pytest.mark.nightly
@pytest.mark.fault(7, "a data set of the user that raises whatever it likes")
def test_a_data_set_that_raises(training: Training, happened: Happened) -> None:
    code = """
from pet.data.datasets.digits import Digits

item = Digits.__getitem__


def raising(self, index):
    if index == 5:
        raise RuntimeError("the tape is torn")
    return item(self, index)


Digits.__getitem__ = raising
"""
    imports = training.module("torn", code)
    status, printed = training.run_script(imports, SKIP, "TEST.DATASETS=[]")
    assert status == 0, printed
    assert {(entry["index"], entry["reason"]) for entry in listed(training)} == {(5, "RuntimeError: the tape is torn")}
    happened("skipped and listed with the error")
