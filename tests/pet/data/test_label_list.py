"""Lists and records of images with label images."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pet.data.catalog.source import Reading, Source
from pet.data.datasets.label_list import LabelList, build_label_list
from pet.data.datasets.label_records import LabelRecords, build_label_records
from petlib.errors import ConfigError, DataError
from tests.pet.data.label_files import write, write_image

CLASSES = ["background", "building"]


def write_labels(path: Path, value: int = 1, size: tuple[int, int] = (4, 6)) -> Path:
    return write(path, np.full(size, value, np.uint8))


def write_tree(root: Path, count: int = 2) -> None:
    for number in range(count):
        write_image(root / "img" / f"{number}.jpg", 10 * number)
        write_image(root / "img2" / f"{number}.png", 10 * number + 1)
        write_labels(root / "gt" / f"{number}.png", number)


def make_list(root: Path, text: str, **arguments: Any) -> LabelList:
    write_tree(root)
    path = root / "train.txt"
    path.write_text(text, encoding="utf-8")
    return LabelList(path=path, classes=CLASSES, **arguments)


# lists


def test_lines_name_images_and_label_images(tmp_path: Path) -> None:
    dataset = make_list(tmp_path, "img/0.jpg gt/0.png\n\n# a remark\nimg/1.jpg gt/1.png\n")
    assert len(dataset) == 2
    sample = dataset[1]
    assert set(sample) == {"image", "semseg", "meta"}
    assert sample["image"].shape == (4, 6, 3)
    assert (sample["semseg"] == 1).all()
    assert sample["meta"] == {"id": "img/1", "file": str(tmp_path / "img/1.jpg"), "size": (4, 6)}
    assert dataset.info.semseg_classes == dataset.info.classes == CLASSES
    assert (dataset.truth(0).height, dataset.truth(0).width, dataset.truth(0).id) == (4, 6, "img/0")


def test_lines_of_three_fields_are_pairs(tmp_path: Path) -> None:
    sample = make_list(tmp_path, "img/1.jpg img2/1.png gt/1.png\n")[0]
    assert (sample["image"] == 10).all()
    assert (sample["image2"] == 11).all()
    assert sample["meta"]["file2"] == str(tmp_path / "img2/1.png")


@pytest.mark.parametrize(("separator", "line"), [("\t", "img/a b.jpg\tgt/a b.png"), (",", "img/a b.jpg, gt/a b.png")])
def test_paths_with_blanks_need_another_separator(separator: str, line: str, tmp_path: Path) -> None:
    write_image(tmp_path / "img" / "a b.jpg")
    write_labels(tmp_path / "gt" / "a b.png")
    assert make_list(tmp_path, line, separator=separator)[0]["meta"]["id"] == "img/a b"
    with pytest.raises(DataError, match="paths with blanks need another separator"):
        make_list(tmp_path, "img/a b.jpg gt/a b.png")


def test_ids_are_unique(tmp_path: Path) -> None:
    write_image(tmp_path / "img" / "0.png")
    dataset = make_list(tmp_path, f"img/0.jpg gt/0.png\nimg/0.png gt/0.png\n{tmp_path}/img/1.jpg gt/1.png\n")
    assert [dataset.truth(index).id for index in range(3)] == ["img/0", "img/0.png", "img/1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("img/0.jpg gt/0.png\nimg/1.jpg\n", ":2: 'img/1.jpg' given, 'image label' or 'image image2 label' expected with ' ' between"),
        ("img/0.jpg gt/0.png\nimg/1.jpg img2/1.png gt/1.png", ":2: 3 fields, but 2 in line 1; all samples are single images or pairs"),
        ("img/0.jpg gt/0.png\n\nimg/8.jpg gt/1.png", ":3: img/8.jpg: there is no such file below "),
        ("img/0.jpg gt/9.png", ":1: gt/9.png: there is no such file below "),
        ("\n# nothing\n", ": the list file names no images; its lines are 'image label' or 'image image2 label'"),
    ],
)
def test_a_wrong_line_is_reported_with_its_number(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(f"train.txt{message}")):
        make_list(tmp_path, text)


def test_missing_and_strange_lists_are_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no\.txt: the list file cannot be read: No such file"):
        LabelList(path=tmp_path / "no.txt", classes=CLASSES)
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe1")
    with pytest.raises(DataError, match=r"a\.txt:1: the list file is no UTF-8 text"):
        LabelList(path=tmp_path / "a.txt", classes=CLASSES)
    with pytest.raises(ConfigError, match="separator '' given"):
        LabelList(path=tmp_path / "a.txt", separator="", classes=CLASSES)


@pytest.mark.parametrize(("place", "split"), [("data/train.txt", "train"), ("data/train.txt", "train.txt"), ("val.csv", "val.csv")])
def test_the_list_lies_in_or_next_to_the_folder(place: str, split: str, tmp_path: Path) -> None:
    write_tree(tmp_path / "data")
    (tmp_path / place).write_text("img/0.jpg,gt/0.png")
    source = Source(path=tmp_path / "data", split=split, classes=CLASSES, separator=",")
    assert len(build_label_list(source)) == 1
    with pytest.raises(DataError, match=r"set Source\.classes to the names of all classes"):
        build_label_list(source._replace(classes=None))
    with pytest.raises(DataError, match="gone"):
        build_label_list(source._replace(classes=None, path=tmp_path / "gone"))


# what lies in the files


def test_second_images_have_to_fit(tmp_path: Path) -> None:
    write_image(tmp_path / "img" / "small.png", size=(3, 6))
    write(tmp_path / "img" / "deep.png", np.zeros((4, 6, 3), np.uint16))
    dataset = make_list(tmp_path, "img/0.jpg img/small.png gt/0.png\nimg/0.jpg img/deep.png gt/0.png")
    with pytest.raises(DataError, match=r"small\.png: the image of the second date is 6x3 .*0\.jpg, is 6x4; they have to be of one size"):
        dataset[0]
    with pytest.raises(DataError, match=r"deep\.png: 3 bands of uint16, but 3 of uint8 in .*0\.jpg"):
        dataset[1]


def test_label_images_have_to_fit(tmp_path: Path) -> None:
    write_labels(tmp_path / "gt" / "small.png", size=(3, 6))
    write_labels(tmp_path / "gt" / "wrong.png", 7)
    dataset = make_list(tmp_path, "img/0.jpg gt/small.png\nimg/0.jpg gt/wrong.png")
    with pytest.raises(DataError, match=r"small\.png: the label image is 6x3 .* but its image .*0\.jpg is 6x4"):
        dataset[0]
    with pytest.raises(DataError, match=r"wrong\.png: the label image has the value 7, 0 to 1 expected"):
        dataset[1]


def test_labels_in_colours_need_a_transform(tmp_path: Path) -> None:
    colours = np.full((4, 6, 3), 255, np.uint8)
    colours[0, 0] = 255, 0, 0
    write(tmp_path / "gt" / "colours.png", colours)
    listed = r"colours\.png: the label image has colours, \[255, 0, 0\], \[255, 255, 255\], "
    with pytest.raises(DataError, match=listed + r".*take one channel with InitMask \(raw_labels: true\)"):
        make_list(tmp_path, "img/0.jpg gt/colours.png")[0]
    dataset = make_list(tmp_path, "img/0.jpg gt/colours.png\nimg/1.jpg gt/1.png", reading=Reading(raw_labels=True))
    assert dataset.info.raw_labels
    np.testing.assert_array_equal(dataset[0]["semseg"], colours)
    assert dataset[1]["semseg"].shape == (4, 6)


def test_black_and_white_masks_and_filters(tmp_path: Path) -> None:
    write_labels(tmp_path / "gt" / "white.png", 255)
    dataset = make_list(tmp_path, "img/0.jpg gt/white.png", reading=Reading(label_values=(0, 255)))
    assert (dataset[0]["semseg"] == 1).all()
    write_tree(tmp_path)
    filtered = LabelList(
        path=tmp_path / "train.txt", classes=["sea", "land", *"abc"], reading=Reading(classes_filter=("b",), label_values=(1, 2, 3, 255, 0))
    )
    assert filtered.info.semseg_classes == ["background", "b"]
    assert (filtered[0]["semseg"] == 1).all()


def test_other_kinds_of_targets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no boxes in these data; they have semseg"):
        make_list(tmp_path, "img/0.jpg gt/0.png", kinds=frozenset({"boxes"}))


# records


def test_records_name_the_files(tmp_path: Path) -> None:
    write_tree(tmp_path)
    given = [{"img": "img/0.jpg", "ann": "gt/0.png"}, {"img": str(tmp_path / "img/1.jpg"), "ann": Path("gt/1.png"), "img2": None}]
    dataset = LabelRecords(records=given, root=tmp_path, classes=CLASSES)
    assert [dataset[index]["meta"]["id"] for index in range(2)] == ["img/0", "img/1"]
    pairs = LabelRecords(records=[{"img": "img/0.jpg", "img2": "img2/0.png", "ann": "gt/0.png"}], root=tmp_path, classes=CLASSES)
    assert (pairs[0]["image2"] == 1).all()


def test_records_come_from_a_json_file(tmp_path: Path) -> None:
    write_tree(tmp_path)
    path = tmp_path / "records.json"
    path.write_text(json.dumps([{"img": "img/0.jpg", "ann": "gt/0.png"}]))
    source = Source(path=path, split="train", classes=CLASSES)
    assert len(build_label_records(source)) == 1
    for text, message in (("{", "not a JSON file"), ("{}", "a JSON dict given, a list of records"), ("[]", "there are no records")):
        path.write_text(text)
        with pytest.raises(DataError, match=rf"records\.json: .*{message}"):
            build_label_records(source)
    with pytest.raises(DataError, match=r"no\.json: the list of records cannot be read"):
        build_label_records(source._replace(path=tmp_path / "no.json"))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"img": "img/9.jpg", "ann": "gt/0.png"}, "img/9.jpg: there is no such file below "),
        ({"img": "img/0.jpg"}, "{'img': 'img/0.jpg'} given, "),
        ({"img": "img/0.jpg", "label": "gt/0.png"}, "unknown entry 'label'; there are img, img2, ann"),
        ({"img": "img/0.jpg", "img2": "img2/0.png", "ann": "gt/0.png"}, "img2 here, other than in record 0"),
        ("img/0.jpg", "'img/0.jpg' given, "),
        ({"img": "img/0.jpg", "img2": False, "ann": "gt/0.png"}, "{'ann': 'gt/0.png', 'img': 'img/0.jpg', 'img2': False} given, "),
        ({"img": "", "ann": "gt/0.png"}, "{'ann': 'gt/0.png', 'img': ''} given, "),
    ],
)
def test_a_wrong_record_is_reported_with_its_number(record: Any, message: str, tmp_path: Path) -> None:
    write_tree(tmp_path)
    with pytest.raises(DataError, match=re.escape(f"records: record 1: {message}")):
        LabelRecords(records=[{"img": "img/0.jpg", "ann": "gt/0.png"}, record], root=tmp_path, classes=CLASSES)
