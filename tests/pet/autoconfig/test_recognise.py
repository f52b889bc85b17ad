"""The formats of data are recognised by what lies in a folder; what is none is described."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pet.autoconfig.recognise import recognise
from pet.data.catalog.source import Source
from pet.data.datasets.yolo import build_yolo
from petlib.errors import DataError
from tests.pet.autoconfig.folders import CLASSES, MAKERS, class_folders, coco, label_images, labelme, pictures, voc, write, yolo

YOLO = {part: {"type": "yolo", "path": "data.yaml", "split": part} for part in ("train", "val")}
COCO = {"type": "coco", "path": "images", "annotations": "annotations.json"}
IN_ONE_FOLDER = {"label_ending": "_mask", "classes": ["nothing", *CLASSES]}
EXPECTED: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "classes": ("a folder of images for each class", {"train": {"type": "image_folder", "path": "."}}),
    "coco_masks": ("COCO", {"train": COCO}),
    "coco_boxes": ("COCO", {"train": COCO}),
    "coco_keypoints": ("COCO", {"train": COCO}),
    "roboflow_coco": (
        "COCO",
        {
            "train": {"type": "coco", "path": "train", "annotations": "train/_annotations.coco.json"},
            "val": {"type": "coco", "path": "valid", "annotations": "valid/_annotations.coco.json"},
        },
    ),
    "voc": ("Pascal VOC", {"train": {"type": "voc", "path": ".", "split": ""}}),
    "roboflow_voc": (
        "Pascal VOC",
        {"train": {"type": "voc", "path": "train", "split": ""}, "val": {"type": "voc", "path": "valid", "split": ""}},
    ),
    **dict.fromkeys(("yolo", "yolo_masks", "yolo_keypoints", "roboflow_yolo"), ("YOLO", YOLO)),
    "label_images": (
        "images with label images",
        {"train": {"type": "semseg_folder", "path": "images", "annotations": "masks", "classes": ["background", "class_1", "class_2"]}},
    ),
    "label_images_in_one_folder": (
        "images with label images",
        {
            "train": {"type": "semseg_folder", "path": "train", "annotations": "train", **IN_ONE_FOLDER},
            "val": {"type": "semseg_folder", "path": "valid", "annotations": "valid", **IN_ONE_FOLDER},
        },
    ),
    "labelme": ("labelme", {"train": {"type": "labelme", "path": "."}}),
    "label_studio": ("Label Studio", {"train": {"type": "label_studio", "path": ".", "annotations": "export.json"}}),
    "cvat": (
        "CVAT",
        {
            part: {"type": "cvat", "path": ".", "annotations": "annotations.xml", "split": subset}
            for part, subset in (("train", "Train"), ("val", "Validation"))
        },
    ),
    "pairs": (
        "pairs of images with label images of what changed",
        {
            "train": {
                "type": "semseg_folder",
                "path": "A",
                "images2": "B",
                "annotations": "label",
                "classes": ["background", "foreground"],
                "label_values": [0, 255],
            }
        },
    ),
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_format_is_recognised(name: str, tmp_path: Path) -> None:
    MAKERS[name](tmp_path)
    folder, found = recognise(tmp_path)
    assert folder == tmp_path
    assert (found.format, found.entries) == EXPECTED[name]


def test_the_only_folder_of_an_unpacked_archive_is_looked_into(tmp_path: Path) -> None:
    yolo(tmp_path / "export" / "version_3")
    assert recognise(tmp_path)[0] == tmp_path / "export" / "version_3"


def test_class_folders_may_be_in_folders_of_parts(tmp_path: Path) -> None:
    for part in ("Training", "validation", "test"):
        class_folders(tmp_path / part, 4)
    entries = recognise(tmp_path)[1].entries
    assert entries == {
        part: {"type": "image_folder", "path": name} for part, name in (("train", "Training"), ("val", "validation"), ("test", "test"))
    }


def test_cocos_own_names_of_files_and_folders(tmp_path: Path) -> None:
    for part in ("train", "val"):
        for kind in ("instances", "person_keypoints"):
            coco(tmp_path, 4, file=f"annotations/{kind}_{part}2017.json", images=f"{part}2017")
    entries = recognise(tmp_path)[1].entries
    assert entries["val"] == {"type": "coco", "path": "val2017", "annotations": "annotations/instances_val2017.json"}
    assert set(entries) == {"train", "val"}


def test_two_coco_files_of_one_part_are_refused(tmp_path: Path) -> None:
    coco(tmp_path, 4)
    coco(tmp_path, 4, file="more.json")
    with pytest.raises(DataError, match=r"annotations.json and more.json are COCO files of one part of the data \(train\)"):
        recognise(tmp_path)


def test_a_coco_file_without_its_images_says_so(tmp_path: Path) -> None:
    coco(tmp_path / "data", 4)
    for path in (tmp_path / "data/images").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="its images are not there: '000.jpg' is in no folder of"):
        recognise(tmp_path / "data")


def test_lists_of_voc_are_parts(tmp_path: Path) -> None:
    voc(tmp_path, 6)
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "trainval.txt").write_text("000\n001\n002\n")
    (lists / "test.txt").write_text("004\n")
    assert {part: entry["split"] for part, entry in recognise(tmp_path)[1].entries.items()} == {"train": "trainval", "test": "test"}
    (lists / "train.txt").write_text("000\n")
    (lists / "val.txt").write_text("001\n")
    assert {part: entry["split"] for part, entry in recognise(tmp_path)[1].entries.items()} == {
        "train": "train",
        "val": "val",
        "test": "test",
    }


def test_labelmes_files_may_be_in_folders_of_parts(tmp_path: Path) -> None:
    for part, count in (("train", 6), ("valid", 2)):
        labelme(tmp_path / part, count)
    assert recognise(tmp_path)[1].entries == {
        part: {"type": "labelme", "path": name} for part, name in (("train", "train"), ("val", "valid"))
    }


def test_a_part_of_yolo_that_an_export_left_out_is_none(tmp_path: Path) -> None:
    yolo(tmp_path)
    text = (tmp_path / "data.yaml").read_text()
    (tmp_path / "data.yaml").write_text(text + "test: ../test/images\n")
    assert list(recognise(tmp_path)[1].entries) == ["train", "val"]


@pytest.mark.parametrize("layout", ["whole", "parts", "Roboflow's"])
def test_yolo_without_its_file_has_the_names_of_a_list_or_numbers(layout: str, tmp_path: Path) -> None:
    yolo(tmp_path, parts=(("train", 16),) if layout == "whole" else (("train", 16), ("valid", 6)))
    (tmp_path / "data.yaml").unlink()
    if layout == "whole":
        for kind in ("images", "labels"):
            for path in (tmp_path / kind / "train").iterdir():
                path.rename(tmp_path / kind / path.name)
            (tmp_path / kind / "train").rmdir()
    if layout == "Roboflow's":
        for part in ("train", "valid"):
            for kind in ("images", "labels"):
                (tmp_path / part).mkdir(exist_ok=True)
                (tmp_path / kind / part).rename(tmp_path / part / kind)
        for kind in ("images", "labels"):
            (tmp_path / kind).rmdir()
    entries = recognise(tmp_path)[1].entries
    parts = ["train"] if layout == "whole" else ["train", "val"]
    assert entries == {part: {"type": "yolo", "path": ".", "split": part} for part in parts}
    data = build_yolo(Source(tmp_path, "train", None))
    assert (len(data), list(data.info.classes)) == (16, ["0", "1"])
    (tmp_path / "classes.txt").write_text("disc\nsquare\n")
    assert recognise(tmp_path)[1].entries == entries
    assert list(build_yolo(Source(tmp_path, parts[-1], None)).info.classes) == ["disc", "square"]


def test_labels_of_words_are_not_those_of_yolo(tmp_path: Path) -> None:
    yolo(tmp_path)
    (tmp_path / "data.yaml").unlink()
    for path in tmp_path.glob("labels/*/*.txt"):
        path.write_text("Car 0.0 0 1.5 599.4 156.4 629.7 189.2\n")
    with pytest.raises(DataError, match="no format of data is recognised"):
        recognise(tmp_path)


def test_label_images_have_the_classes_of_a_list(tmp_path: Path) -> None:
    label_images(tmp_path, 4, labels="labels", ending="_label")
    (tmp_path / "classes.txt").write_text("street\ndisc\nsquare\n")
    entry = recognise(tmp_path)[1].entries["train"]
    assert entry["classes"] == ["street", "disc", "square"]
    assert entry["label_ending"] == "_label"


def test_coloured_label_images_have_the_names_of_a_label_map(tmp_path: Path) -> None:
    for place, (image, mask, _, _) in enumerate(pictures(4)):
        write(tmp_path / "JPEGImages" / f"{place}.jpg", image)
        # OpenCV writes blue first
        write(tmp_path / "SegmentationClass" / f"{place}.png", mask[..., None] * np.array([0, 0, 128], np.uint8))
    (tmp_path / "labelmap.txt").write_text("# label:color_rgb:parts:actions\nbackground:0,0,0::\ndisc:128,0,0::\n")
    entry = recognise(tmp_path)[1].entries["train"]
    assert (entry["classes"], entry["label_colours"]) == (["background", "disc"], [[0, 0, 0], [128, 0, 0]])


def test_label_images_with_gaps_between_their_numbers_say_them(tmp_path: Path) -> None:
    label_images(tmp_path, 4, white=100)
    entry = recognise(tmp_path)[1].entries["train"]
    assert (entry["classes"], entry["label_values"]) == (["background", "class_100"], [0, 100])


def test_a_photograph_as_label_image_is_refused(tmp_path: Path) -> None:
    for place, (image, _, _, _) in enumerate(pictures(3)):
        write(tmp_path / "images" / f"{place}.jpg", image)
        write(tmp_path / "labels" / f"{place}.png", image)
    with pytest.raises(DataError, match="colours in the label images and those like it, at most 64 expected"):
        recognise(tmp_path)


def test_what_is_recognised_by_nothing_is_described_with_what_is_expected(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / "a" / "b").mkdir(parents=True, exist_ok=True)
        (tmp_path / "a" / "b" / f"{number}.doc").touch()
    (tmp_path / "c").mkdir()
    with pytest.raises(DataError) as error:
        recognise(tmp_path)
    text = str(error.value)
    assert text.startswith(
        f"{tmp_path}: no format of data is recognised; it has the folders a, c, and 3 x .doc. One of these is expected:\n"
    )
    assert all(name in text for name in ("YOLO: a data.yaml", "COCO: JSON", "Pascal VOC: an XML", "label images:", "classes: a folder"))


def test_no_folder_and_an_archive_are_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such folder"):
        recognise(tmp_path / "nothing")
    (tmp_path / "list.txt").touch()
    with pytest.raises(DataError, match=r"list.txt: this is a file, a folder expected; a list of images .* \{type: list_file, path: /"):
        recognise(tmp_path / "list.txt")
    (tmp_path / "export.zip").touch()
    with pytest.raises(DataError, match="an archive given, its folder expected; unpack it first"):
        recognise(tmp_path / "export.zip")


@pytest.mark.parametrize("place", [".", "train"])
def test_a_single_class_is_too_few(place: str, tmp_path: Path) -> None:
    write(tmp_path / place / "round" / "1.png", pictures(1)[0][0])
    with pytest.raises(DataError, match=r"As folders of classes it has one class only, round, and at least two are needed\."):
        recognise(tmp_path)


def test_what_cannot_be_looked_at_is_one_message(tmp_path: Path) -> None:
    # where this link leads cannot be asked, not even by root
    (tmp_path / "odd").symlink_to("x" * 300)
    with pytest.raises(DataError, match=f"{tmp_path}/odd: the data cannot be read: File name too long"):
        recognise(tmp_path)
