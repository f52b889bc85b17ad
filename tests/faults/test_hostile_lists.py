"""Nothing let in: lists whose names lead elsewhere, and lists that are none."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from pet.compat.paddleseg.datasets import Dataset
from pet.data.catalog.source import Source
from pet.data.datasets.label_list import LabelList, build_label_list
from pet.data.datasets.label_records import LabelRecords, build_label_records
from pet.data.datasets.list_file import ListFile, build_list_file
from pet.data.files.allowed_paths import ANYWHERE, Reach
from pet.data.splitting.lists import read_stems
from petlib.errors import DataError
from tests.faults.conftest import Happened
from tests.faults.training import Training

CLASSES = ["ground", "road"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The root of all data: a folder of lists, one of images, and next to the root an image that no list may name."""
    for name in ("data/lists", "data/img", "data/gt"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("data/img/1.png", "data/img/a b.png", "data/lists/2.png", "secret.png"):
        assert cv2.imwrite(str(tmp_path / name), np.ones((8, 8, 3), np.uint8))
    for name in ("data/gt/1.png", "secret_label.png"):
        assert cv2.imwrite(str(tmp_path / name), np.ones((8, 8), np.uint8))
    return tmp_path / "data"


def lines_with_labels(data: Path, name: str, reach: Reach) -> int:
    (data / "lists/a.txt").write_text(f"2.png\t0\n{name}\t1\n")
    return len(build_list_file(Source(data / "lists/a.txt", "train", None, reach=reach))[1]["image"])


def lines_with_images(data: Path, name: str, reach: Reach) -> int:
    label = f"{Path(name).parent}/secret_label.png" if "secret" in name else "../gt/1.png"
    (data / "lists/a.txt").write_text(f"{name}\t{label}\n")
    source = Source(data / "lists", "a.txt", CLASSES, separator="\t", reach=reach)
    return len(build_label_list(source)[0]["image"])


def records(data: Path, name: str, reach: Reach) -> int:
    label = f"{Path(name).parent}/secret_label.png" if "secret" in name else "../gt/1.png"
    (data / "lists/a.json").write_text(json.dumps([{"img": name, "ann": label}]))
    return len(build_label_records(Source(data / "lists/a.json", "train", CLASSES, reach=reach))[0]["image"])


@pytest.mark.fault("let-in", "absolute and parent paths in lists")
@pytest.mark.parametrize("read", [lines_with_labels, lines_with_images, records])
def test_names_that_lead_elsewhere(read: Callable[[Path, str, Reach], int], data: Path, happened: Happened) -> None:
    inside, root = Reach(), Reach(root=data)
    outside = ["../../secret.png", str(data.parent / "secret.png"), f"../img/../../../{data.parent.name}/secret.png"]
    for name in outside:
        for reach in (inside, root):
            with pytest.raises(DataError, match=r"a\.(txt:[12]|json: record 0): '.*secret.*' leads out of .*set Reach\.anywhere: True"):
                read(data, name, reach)
        assert read(data, name, ANYWHERE) == 8
    # next to the folder of the list, and below the root of all data
    for name in ("../img/1.png", str(data / "img/1.png"), "../img/a b.png", "../lists/../img/1.png"):
        assert read(data, name, root) == 8
        with pytest.raises(DataError, match="leads out of"):
            read(data, name, inside)
    happened("refused with line and name; allowed by DATA.ALLOW_OUTSIDE")


def test_a_root_that_is_a_link_is_the_same_place(data: Path) -> None:
    link = data.parent / "link"
    link.symlink_to(data)
    assert lines_with_labels(data, str(link / "img/1.png"), Reach(root=link)) == 8
    assert lines_with_labels(link, str(data / "img/1.png"), Reach(root=link)) == 8
    with pytest.raises(DataError, match="leads out of"):
        lines_with_labels(link, f"{data}2/img/1.png", Reach(root=link))


def test_links_in_the_data_are_followed_wherever_they_lead(data: Path) -> None:
    """Whoever made the folder made the links; a list can only name them."""
    (data / "lists" / "photos").symlink_to(data.parent)
    assert lines_with_labels(data, "photos/secret.png", Reach()) == 8


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_lists_of_all_editors_are_read(ending: str, mark: bytes, data: Path) -> None:
    path = data / "a.txt"
    path.write_bytes(mark + ending.join(["# images", "", "img/1.png, 0", "img/a b.png, 1", ""]).encode())
    assert [len(ListFile(path=path)[index]["image"]) for index in range(2)] == [8, 8]
    path.write_bytes(mark + ending.join(["img/1.png 0", "img/a b.png 1"]).encode())
    assert ListFile(path=path)[1]["label"] == 1


@pytest.mark.fault("let-in", "lists that are no text, never end, or have lines without end")
def test_lists_that_are_none(data: Path, happened: Happened) -> None:
    path = data / "a.txt"
    for content, message in (
        (b"img/1.png 0\nimg/\0.png 1\n", r"a\.txt:2: the list file has a NUL byte"),
        ("img/1.png 0\n".encode("utf-16"), r"a\.txt:1: the list file is no UTF-8 text"),
        (b"img/1.png 0\nimg/\xff.png 1\n", r"a\.txt:2: the list file is no UTF-8 text .invalid start byte.; save it as UTF-8"),
        (b"img/1.png " + b"9" * 5000, r"a\.txt:1: the label '9+\.\.\.' is too long"),
        (b"img/1.png " + b"x" * 10**6, r"a\.txt:1: the label 'x+\.\.\.' is too long"),
        (b"x" * 10**6, r"a\.txt:1: 'x+\.\.\.' given, 'image label' expected"),
        (b"img/1.png 99999999", r"a\.txt:1: the label 99999999 of img/1.png: labels count the classes from 0 .at most 9999999."),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=message) as caught:
            ListFile(path=path)
        assert len(str(caught.value)) < 1000
    (data / "b.txt").write_text("x" * 5000 + " gt/1.png\n")
    with pytest.raises(DataError, match=r"b\.txt:1: 'x+\.\.\.x+' given, the name of a file of at most 4096 letters expected"):
        LabelList(path=data / "b.txt", classes=CLASSES)
    path.unlink()
    os.mkfifo(path)
    for read in (lambda: ListFile(path=path), lambda: LabelList(path=path, classes=CLASSES), lambda: read_stems(path)):
        with pytest.raises(DataError, match=r"a\.txt: the list.* cannot be read: it is a named pipe"):
            read()
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"a\.txt: the list file cannot be read: it is a device"):
        ListFile(path=path)
    happened("reported with the line, nothing waited for")


def test_stems_for_split_stay_in_the_folder(data: Path) -> None:
    (data / "a.txt").write_text("1\n../secret\n")
    with pytest.raises(DataError, match=r"a\.txt:2: '\.\./secret' leads out of"):
        read_stems(data / "a.txt")


def test_what_a_program_names_may_lie_anywhere(data: Path) -> None:
    """Records of a program are no file from outside; a list that it names is one."""
    record = {"img": data.parent / "secret.png", "ann": data.parent / "secret_label.png"}
    assert len(LabelRecords(records=[record], classes=CLASSES)) == 1
    (data / "a.txt").write_text(f"{data.parent}/secret.png {data.parent}/secret_label.png\n")
    with pytest.raises(DataError, match="secret.png' leads out of .*allow_outside=True"):
        Dataset([], data, num_classes=2, train_path=data / "a.txt")
    assert len(Dataset([], data, num_classes=2, train_path=data / "a.txt", allow_outside=True)) == 1


@pytest.mark.fault("let-in", "a list whose names lead out of the data, in a training")
def test_a_training_ends_with_the_message(training: Training, happened: Happened) -> None:
    (training.root / "data").mkdir()
    assert cv2.imwrite(str(training.root / "secret.png"), np.zeros((32, 32, 3), np.uint8))
    path = training.root / "data" / "train.txt"
    path.write_text("".join(f"../secret.png {number}\n" for number in range(10)) * 4)
    options = ("MISC.DATA_ROOT=data", "TRAIN.DATASETS=['train.txt']", "TRAIN.BATCH_SIZE=4", "SOLVER.SCHEDULER.TOTAL_ITERS=3")
    code, printed = training.run_script(*options)
    assert code == 2, printed
    assert "train.txt:1: '../secret.png' leads out of data, and files named by other files have to lie there" in printed
    assert "set DATA.ALLOW_OUTSIDE: True" in printed
    assert "Traceback" not in printed
    happened("exit code 2 and the line")


@pytest.mark.nightly
@pytest.mark.fault("let-in", "the same list, allowed by DATA.ALLOW_OUTSIDE")
def test_a_training_with_names_outside_that_are_allowed(training: Training, happened: Happened) -> None:
    (training.root / "data").mkdir()
    assert cv2.imwrite(str(training.root / "secret.png"), np.zeros((32, 32, 3), np.uint8))
    (training.root / "data" / "train.txt").write_text("".join(f"../secret.png {number}\n" for number in range(10)) * 4)
    options = ("MISC.DATA_ROOT=data", "TRAIN.DATASETS=['train.txt']", "TRAIN.BATCH_SIZE=4", "SOLVER.SCHEDULER.TOTAL_ITERS=3")
    code, printed = training.run_script(*options, "DATA.ALLOW_OUTSIDE=True", "SOLVER.SCHEDULER.WARM_UP_ITERS=1")
    assert code == 0, printed
    happened("it trains")
