"""Data sets in the format of YOLO."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from pet.data.catalog.source import Source
from pet.data.datasets.coco import CocoDataset
from pet.data.datasets.yolo import build_yolo
from pet.data.datasets.yolo_layout import label_file, read_yolo_file
from pet.data.files.allowed_paths import Reach
from petlib.errors import DataError

WIDTH, HEIGHT = 64, 32


def write_set(folder: Path, labels: dict[str, str | None], head: str = "train: images/train\nnames: [cat, dog]\n") -> Path:
    """Write ``data.yaml``, an image for each name, and its file of labels where it has one; return the file."""
    for name, text in labels.items():
        image = folder / "images" / "train" / f"{name}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(image), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
        if text is not None:
            target = folder / label_file(f"images/train/{name}.png")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
    (folder / "data.yaml").write_text(head)
    return folder / "data.yaml"


def opened(path: Path, split: str = "train") -> CocoDataset:
    return build_yolo(Source(path, split, None))


def test_boxes_are_pixels_of_the_image(tmp_path: Path) -> None:
    dataset = opened(write_set(tmp_path, {"a": "1 0.5 0.5 0.25 0.5\n0 0.125 0.25 0.25 0.5\n", "b": ""}))
    assert dataset.info.classes == ["cat", "dog"]
    assert dataset.info.kinds == {"boxes"}
    sample = dataset[0]
    # the centre at half of 64 x 32, a quarter of the width and half of the height
    np.testing.assert_array_equal(sample["boxes"], [[24, 8, 40, 24], [0, 0, 16, 16]])
    np.testing.assert_array_equal(sample["labels"], [1, 0])
    assert dataset[1]["boxes"].shape == (0, 4)
    assert sample["meta"]["id"] == "images/train/a.png"


def test_outlines_give_masks_and_the_boxes_around_them(tmp_path: Path) -> None:
    dataset = opened(write_set(tmp_path, {"a": "0 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75\n1 0.5 0.5 0.5 0.5\n"}))
    assert dataset.info.kinds == {"boxes", "masks"}
    sample = dataset[0]
    # an object without an outline stays a box, with an empty mask
    assert len(sample["boxes"]) == 2
    np.testing.assert_array_equal(sample["boxes"][0], [16, 8, 48, 24])
    assert sample["masks"].areas()[0] == 32 * 16


@pytest.mark.parametrize(("shape", "values"), [("[2, 3]", "0.25 0.5 2 0.75 0.5 1"), ("[2, 2]", "0.25 0.5 0.75 0.5")])
def test_keypoints_with_and_without_visibility(tmp_path: Path, shape: str, values: str) -> None:
    head = f"train: images/train\nnames: {{0: cat}}\nkpt_shape: {shape}\nflip_idx: [1, 0]\nkpt_names: {{0: [first, second]}}\n"
    dataset = opened(write_set(tmp_path, {"a": f"0 0.5 0.5 1 1 {values}\n"}, head))
    sample = dataset[0]
    np.testing.assert_array_equal(sample["keypoints"][0, :, :2], [[16, 16], [48, 16]])
    np.testing.assert_array_equal(sample["keypoints"][0, :, 2], [2, 1 if "3" in shape else 2])
    assert dataset.info.keypoint_set is not None
    assert dataset.info.keypoint_set.names == ("first", "second")
    assert tuple(dataset.info.keypoint_set.swap) == (1, 0)


def test_it_is_what_the_same_objects_are_in_a_coco_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines, annotations = [], []
    for number in range(50):
        x, y, width, height = (rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7), rng.uniform(0.05, 0.5), rng.uniform(0.05, 0.5))
        lines.append(f"{number % 2} {x!r} {y!r} {width!r} {height!r}")
        box = [(x - width / 2) * WIDTH, (y - height / 2) * HEIGHT, width * WIDTH, height * HEIGHT]
        annotations.append({"id": number + 1, "image_id": 1, "category_id": number % 2, "bbox": box})
    dataset = opened(write_set(tmp_path, {"a": "\n".join(lines)}))
    image = {"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}
    categories = [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}]
    path = tmp_path / "coco.json"
    path.write_text(json.dumps({"images": [image], "annotations": annotations, "categories": categories}))
    other = CocoDataset(images=tmp_path / "images" / "train", annotations=path)
    for field in ("boxes", "labels", "areas", "crowd"):
        np.testing.assert_array_equal(getattr(dataset.truth(0), field), getattr(other.truth(0), field))


@pytest.mark.parametrize("line", ["./a.png", "images/train/a.png"])
def test_a_list_of_images(tmp_path: Path, line: str) -> None:
    path = write_set(tmp_path, {"a": "0 0.5 0.5 1 1\n", "b": "0 0.5 0.5 1 1\n"}, "train: images/train/some.txt\nnames: [cat]\n")
    (tmp_path / "images" / "train" / "some.txt").write_text(f"{line}\n")
    assert [opened(path).file_of(place) for place in range(len(opened(path)))] == [str(tmp_path / "images" / "train" / "a.png")]


def test_folders_as_roboflow_and_other_machines_name_them(tmp_path: Path) -> None:
    path = write_set(tmp_path, {"a": "0 0.5 0.5 1 1\n"}, "path: /content/datasets/pets\nval: ../images/train\nnames: [cat]\n")
    assert len(opened(path, "val")) == 1
    assert len(opened(tmp_path, "val")) == 1, "the folder of the file serves as well"


def test_files_of_labels_lie_where_tools_write_them() -> None:
    assert label_file("images/train/a.jpg") == "labels/train/a.txt"
    assert label_file("images/x/images/a.b.jpg") == "images/x/labels/a.b.txt"
    assert label_file("train/a.jpg") == "train/a.txt"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0.5 0.5 1", r"a\.txt:1: '0 0.5 0.5 1' given, 'class x y width height' in numbers expected"),
        ("0 0.5 0.5 1 1\ncat 0.5 0.5 1 1", r"a\.txt:2: 'cat 0.5 0.5 1 1' given"),
        ("2 0.5 0.5 1 1", r"a\.txt:1: the class 2 given, a number from 0 to 1 expected"),
        ("0.5 0.5 0.5 1 1", r"a\.txt:1: the class 0\.5 given"),
        ("0 32 16 20 20", r"a\.txt:1: the number 32 given; coordinates of YOLO are shares"),
        ("0 0.5 0.5 1 1 0.5", r"a\.txt:1: 6 numbers given; 5 of a box"),
        ("0 0.5 nan 1 1", r"a\.txt:1: '0 0.5 nan 1 1' given"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = write_set(tmp_path, {"a": text})
    with pytest.raises(DataError, match=message):
        opened(path)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("train: images/train\n", r"names: None given, names: \[cat, dog\] or"),
        ("train: images/train\nnames: [yes, no]\n", "with quotes around words"),
        ("train: images/train\nnames: [cat, cat]\n", "'cat' is given twice"),
        ("train: images/train\nnames: [cat]\nnc: 2\n", "nc is 2, and there are 1 names"),
        ("names: [cat]\n", "it names no images"),
        ("train: images/other\nnames: [cat]\n", r"'images/other' given, and there is no .*images/other"),
        ("train: images/train\nnames: {1: cat, 2: dog}\n", "names: "),
        ("train: [images/train\n", "no YAML file"),
        ("- a\n", "entries expected"),
        ("train: images/train\nnames: [cat]\nkpt_shape: [0, 3]\n", "kpt_shape"),
        ("train: images/train\nnames: [cat]\nkpt_shape: [2, 3]\nflip_idx: [0]\n", "flip_idx"),
        ("train: ../secret\nnames: [cat]\n", "secret"),
    ],
)
def test_a_wrong_file_is_one_message(tmp_path: Path, head: str, message: str) -> None:
    (tmp_path / "secret").mkdir()
    path = write_set(tmp_path / "data", {"a": "0 0.5 0.5 1 1\n"}, head)
    with pytest.raises(DataError, match=message):
        opened(path)


def test_a_split_that_is_not_there(tmp_path: Path) -> None:
    path = write_set(tmp_path, {"a": "0 0.5 0.5 1 1\n"})
    with pytest.raises(DataError, match="it has no split 'test'; it has train"):
        opened(path, "test")


def test_images_without_labels(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    some = opened(write_set(tmp_path / "some", {"a": "0 0.5 0.5 1 1\n", "b": None}))
    assert len(some) == 2
    assert "image without a file of labels" in caplog.text
    with pytest.raises(DataError, match="none of the 1 images of 'train' has a file of labels; .*labels/train/a.txt expected"):
        opened(write_set(tmp_path / "none", {"a": None}))


def test_folder_without_a_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the data.yaml of a YOLO data set expected, and there is none"):
        read_yolo_file(tmp_path)
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("names: [a]")
    with pytest.raises(DataError, match="a.yaml and b.yaml are there"):
        read_yolo_file(tmp_path, Reach())
