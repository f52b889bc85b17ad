"""Nothing let in: lists of images changed by chance."""

import json
import os
import reprlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import strategies as st

from pet.data.catalog.source import Source
from pet.data.datasets.cihp import build_cihp
from pet.data.datasets.label_list import build_label_list
from pet.data.datasets.label_records import build_label_records
from pet.data.datasets.list_file import build_list_file
from pet.data.datasets.semseg_folder import build_semseg_folder
from pet.data.datasets.voc_layout import find_layout, read_list
from pet.data.files.allowed_paths import Reach
from pet.data.files.images import silence_opencv
from pet.data.splitting.lists import read_stems
from pet.data.targets.dataset import Dataset
from tests.faults.conftest import Happened
from tests.faults.fuzz import COUNTS, assert_survives, generate
from tests.faults.mutations import ODD_VALUES, as_json, mutated, mutated_trees

CLASSES = ["ground", "road"]
LINES = b"\xef\xbb\xbf# images\r\nimg/a b.png, cat\r\n\r\nimg/1.png, dog\n"
NUMBERS = b"img/1.png 0\nimg/a b.png 12\n"
PAIRS = b"img/1.png gt/1.png\nimg/2.png gt/2.png\n"
NAMES = b"1\n2.png\n"
RECORDS = [{"img": "img/1.png", "ann": "gt/1.png"}, {"img": "img/2.png", "ann": "gt/2.png"}]
TOKENS = [
    *(
        b"/etc/passwd",
        b"../",
        b"../../../../etc/passwd",
        b"img/../..",
        b"~",
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\r",
        b"\t",
        b",",
        b" ",
        b"\n",
    ),
    *(
        b"9" * 5000,
        b"x" * 5000,
        b"-1",
        b"1e9",
        b"9999999",
        b"\xd9\xa3",
        b"\xe2\x80\xa8",
        b"\x1b[2J",
        b"#",
        b".",
        b"..",
        b"/",
        b"http://localhost/",
    ),
    *(b"img/pipe.png", b"img/loop.png", b"img", b"img/1.png", b"/dev/zero", b"\n" * 500),
]


ODD_NAMES = [
    *(
        "img/1.png",
        "img/2.png",
        "img/a b.png",
        "gt/1.png",
        "img/pipe.png",
        "img/loop.png",
        "img",
        "img/none.png",
        "1",
        "-1",
        "0",
        "cat",
        "",
        ".",
    ),
    *("..", "/", "/etc/passwd", "../x.png", "img/../gt/1.png", "img/../../../x.png", "//dev/zero", "x" * 5000, "img/" * 200, "9" * 30),
    *("9999999", "\x1b[2J", "\u202e", "\u2028", "\x0b", "\0", "\ud800", "#", "\t", ",", "http://localhost/1.png", "None", "~root/x.png"),
]


def as_lines(tree: Any) -> bytes:
    """Write a list of rows of fields."""
    rows = tree if isinstance(tree, list) else [tree]
    lines = [" ".join(map(_text, row)) if isinstance(row, list) else _text(row) for row in rows]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _text(value: object) -> str:
    # lists in lists may be deeper than Python writes
    return value if isinstance(value, str) else reprlib.repr(value)


def make_folder(folder: Path) -> None:
    """Write the images, among them what is none."""
    for place in ("img", "gt", "Training/Images", "Training/Human_ids", "Training/Category_ids"):
        (folder / place).mkdir(parents=True)
        for name in ("1", "2", "a b"):
            suffix = ".jpg" if place == "Training/Images" else ".png"
            shape = (8, 8, 3) if place in ("img", "Training/Images") else (8, 8)
            assert cv2.imwrite(str(folder / place / f"{name}{suffix}"), np.ones(shape, np.uint8))
    os.mkfifo(folder / "img" / "pipe.png")
    (folder / "img" / "loop.png").symlink_to("loop.png")
    (folder / "ImageSets" / "Main").mkdir(parents=True)


def read_samples(dataset: Dataset) -> None:
    for index in range(min(len(dataset), 4)):
        dataset[index]


def source(path: Path, split: str = "train", **entries: object) -> Source:
    return Source(path=path, split=split, classes=CLASSES, reach=Reach(root=path if path.is_dir() else path.parent))._replace(**entries)


def list_file(path: Path) -> None:
    read_samples(build_list_file(source(path, classes=None)))


def label_list(path: Path) -> None:
    read_samples(build_label_list(source(path.parent)))


def label_records(path: Path) -> None:
    read_samples(build_label_records(source(path)))


def names_of_folder(path: Path) -> None:
    read_samples(build_semseg_folder(source(path.parent / "img", "train.txt", annotations=path.parent / "gt")))


def cihp(path: Path) -> None:
    path.replace(path.parent / "train_id.txt")
    read_samples(build_cihp(source(path.parent, classes=["person"])))


def voc_and_stems(path: Path) -> None:
    read_stems(path)
    path.replace(path.parent / "ImageSets" / "Main" / "train.txt")
    read_list(find_layout(path.parent), "Main", "train")


READERS: dict[str, tuple[Callable[[Path], None], list[bytes], str]] = {
    "images with labels": (list_file, [LINES, NUMBERS], "train.txt"),
    "images with label images": (label_list, [PAIRS], "train.txt"),
    "names in a folder": (names_of_folder, [NAMES], "train.txt"),
    "people": (cihp, [NAMES.replace(b".png", b"")], "train.txt"),
    "ids of VOC": (voc_and_stems, [NAMES], "train.txt"),
    "records": (label_records, [json.dumps(RECORDS).encode()], "records.json"),
}


@pytest.mark.fault("let-in", "lists of images changed by chance")
@pytest.mark.parametrize("count", COUNTS)
def test_lists_changed_by_chance(count: int, tmp_path: Path, happened: Happened) -> None:
    silence_opencv()
    outcomes = []
    for number, (name, (read, samples, file)) in enumerate(READERS.items()):
        folder = tmp_path / str(number)
        make_folder(folder)
        if file.endswith(".json"):
            trees = mutated_trees([RECORDS], [*ODD_VALUES, *ODD_NAMES]).map(as_json)
        else:
            rows = [line.split(" ") for line in samples[0].decode().split("\n")]
            trees = mutated_trees([rows], ODD_NAMES).map(as_lines)
        strategy = st.one_of(trees, trees, mutated(samples, TOKENS))
        outcome = assert_survives(generate(strategy, -(-count // len(READERS))), read, folder, name=file)
        outcomes.append(f"{name}: {outcome}")
    happened(outcomes[0].partition(": ")[2] + f" (and {len(outcomes) - 1} other kinds of lists)")
