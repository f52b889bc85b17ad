"""The built-in data sets."""

import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from pet.compat.antgo.dataflow.dataset.dataset import Dataset
from pet.compat.antgo.framework.helper.dataset.builder import DATASETS
from pet.compat.antgo.loaders import build_train_loader
from pet.compat.antgo.samples import build_dataset
from petlib.config import PETLIB_SCHEMA, CfgNode
from petlib.errors import ConfigError, DataError, UserError

CPU = torch.device("cpu")

OBJECT = "<object><name>{name}</name><bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox></object>"


def opened(name: str, train_or_test: str, folder: Path | None, **ext_params: Any) -> Dataset:
    entry = {"type": name, "train_or_test": train_or_test, "dir": None if folder is None else str(folder), "ext_params": ext_params}
    built: Dataset = DATASETS.build(entry)
    return built


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def picture(red: int, size: tuple[int, int] = (6, 8)) -> np.ndarray:
    """Return pixels as OpenCV writes them, blue first."""
    return np.full((*size, 3), (0, 0, red), np.uint8)


def write_text(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """Two images for training, one for validation; the folder above VOCdevkit."""
    root = tmp_path / "VOCdevkit" / "VOC2012"
    for number, name in enumerate(("a", "b", "c"), start=1):
        write(root / "JPEGImages" / f"{name}.jpg", picture(80 * number))
        write(root / "SegmentationClass" / f"{name}.png", np.full((6, 8), number, np.uint8))
        write(root / "SegmentationClassAug" / f"{name}.png", np.full((6, 8), number + 10, np.uint8))
        box = OBJECT.format(1, 1, 4, 3, name="cat" if number == 1 else "dog")
        size = "<size><width>8</width><height>6</height></size>"
        write_text(root / "Annotations" / f"{name}.xml", [f"<annotation>{size}{box}</annotation>"])
    for kind in ("Main", "Segmentation"):
        write_text(root / "ImageSets" / kind / "train.txt", ["a", "b"])
        write_text(root / "ImageSets" / kind / "val.txt", ["c"])
    return tmp_path


@pytest.mark.parametrize("below", ["", "VOCdevkit", "VOCdevkit/VOC2012"])
def test_voc_is_found_in_its_own_folder_and_in_those_above(voc: Path, below: str) -> None:
    data = opened("Pascal2012", "train", voc / below, task_type="SEGMENTATION", aug=True)
    assert data.size == 2
    sample = data.sample(1)
    assert set(sample) == {"image", "segments", "image_meta"}
    assert sample["image"].shape == (6, 8, 3) and sample["image"][0, 0].tolist() == pytest.approx([160, 0, 0], abs=9)
    assert sample["segments"].dtype == np.uint8 and set(sample["segments"].ravel()) == {2}
    assert sample["image_meta"]["image_file"].endswith("b.jpg") and sample["image_meta"]["image_shape"] == (6, 8)


def test_voc_trains_on_the_augmented_labels_where_they_are(voc: Path) -> None:
    root = voc / "VOCdevkit" / "VOC2012"
    write_text(root / "ImageSets" / "Segmentation" / "trainaug.txt", ["a", "b", "c"])
    assert opened("Pascal2012", "train", voc, aug=True).sample(2)["segments"][0, 0] == 13
    assert opened("Pascal2012", "train", voc).size == 2
    assert opened("Pascal2012", "val", voc, aug=True).sample(0)["segments"][0, 0] == 3


@pytest.mark.parametrize("task", ["DETECTION", "OBJECT-DETECTION"])
def test_voc_has_boxes_for_detection(voc: Path, task: str) -> None:
    data = opened("Pascal2012", "train", voc, task_type=task)
    sample = data.sample(0)
    assert set(sample) == {"image", "bboxes", "labels", "image_meta"}
    assert sample["bboxes"].tolist() == [[0, 0, 4, 3]]
    assert sample["labels"].tolist() == [7], "cat is the eighth class of VOC"


def test_classes_of_another_data_set_in_the_layout_of_voc(voc: Path) -> None:
    assert opened("Pascal2012", "train", voc, task_type="DETECTION", classes=["dog", "cat"]).sample(0)["labels"].tolist() == [1]
    with pytest.raises(DataError, match=r"b\.png: .*value 2"):
        opened("Pascal2012", "train", voc, classes=["background", "thing"]).sample(1)


def test_the_sample_config_of_the_document_gives_batches(voc: Path) -> None:
    mean, std = (0.491400, 0.482158, 0.4465231), (0.247032, 0.243485, 0.2615877)
    entry = {
        "type": "Pascal2012",
        "train_or_test": "train",
        "dir": str(voc),
        "ext_params": {"task_type": "SEGMENTATION", "aug": True},
        "pipeline": [
            {"type": "Rotation"},
            {"type": "ResizeS", "target_dim": (32, 16)},
            {"type": "ColorDistort"},
            {"type": "RandomFlipImage", "swap_ids": [], "swap_labels": []},
            {"type": "ToTensor", "keys": ["image"]},
            {"type": "Normalize", "mean": mean, "std": std, "keys": ["image"]},
            {"type": "UnSqueeze", "axis": 0, "keys": ["segments"]},
        ],
        "inputs_def": {"fields": ["image", "segments"]},
    }
    loader = build_train_loader(build_dataset(entry, place="data.train"), samples_per_gpu=2, cfg=CfgNode(PETLIB_SCHEMA), device=CPU)
    (batch,) = loader.batches(0, 1)
    assert batch["image"].shape == (2, 3, 16, 32) and batch["image"].dtype == torch.float32
    assert batch["segments"].shape == (2, 1, 16, 32)
    assert set(batch["segments"].unique().tolist()) - {255} == {1, 2}


def write_coco(root: Path) -> None:
    """Write an image with a person, and a crowd of them."""
    write(root / "train2017" / "one.png", picture(100, (20, 30)))
    document = {
        "images": [{"id": 9, "file_name": "one.png", "height": 20, "width": 30}],
        "categories": [{"id": 5, "name": "dog"}, {"id": 1, "name": "person", "keypoints": ["left_eye", "right_eye"], "skeleton": []}],
        "annotations": [
            {"id": 1, "image_id": 9, "category_id": 1, "bbox": [2, 3, 10, 8], "area": 55, "iscrowd": 0, "keypoints": [3, 4, 2, 9, 9, 0]},
            {"id": 2, "image_id": 9, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 1, "keypoints": [0] * 6},
        ],
    }
    for kind in ("instances", "person_keypoints"):
        write_text(root / "annotations" / f"{kind}_train2017.json", [json.dumps(document)])


def test_coco_has_boxes_and_joints(tmp_path: Path) -> None:
    write_coco(tmp_path)
    sample = opened("COCO2017", "train", tmp_path).sample(0)
    assert set(sample) == {"image", "bboxes", "labels", "area", "image_meta"}
    assert sample["bboxes"].tolist() == [[2, 3, 12, 11]] and sample["labels"].tolist() == [0] and sample["area"].tolist() == [55]
    with_joints = opened("COCO2017", "train", tmp_path, task_type="KEYPOINTS", classes=["person"]).sample(0)
    assert with_joints["joints2d"].tolist() == [[[3, 4, 2], [0, 0, 0]]]


def test_coco_takes_files_of_other_names(tmp_path: Path) -> None:
    write_coco(tmp_path)
    (tmp_path / "train2017").rename(tmp_path / "pictures")
    data = opened("COCO2017", "val", tmp_path, images="pictures", annotations="annotations/instances_train2017.json")
    assert data.size == 1 and data.sample(0)["image"].shape == (20, 30, 3)


def test_an_image_folder_has_the_classes_of_its_training_part(tmp_path: Path) -> None:
    for name in ("train/cat/1.png", "train/dog/1.png", "val/dog/7.png"):
        write(tmp_path / name, picture(10))
    assert [opened("ImageFolder", "train", tmp_path).sample(number)["label"] for number in range(2)] == [0, 1]
    sample = opened("ImageFolder", "val", tmp_path).sample(0)
    assert sample["label"] == 1 and sample["image"][0, 0].tolist() == [10, 0, 0]


@pytest.mark.parametrize(("name", "below"), [("CIFAR10", "cifar-10-batches-py"), ("CIFAR100", "cifar-100-python")])
def test_cifar_is_read_without_running_code_of_its_files(tmp_path: Path, name: str, below: str) -> None:
    folder = tmp_path / below
    folder.mkdir()
    ten = name == "CIFAR10"
    labels, classes = ("labels", "label_names") if ten else ("fine_labels", "fine_label_names")
    batch = pickle.dumps({"data": np.full((2, 3072), 7, np.uint8), labels: [3, 5]})
    for file in ([f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]) if ten else ["train", "test"]:
        (folder / file).write_bytes(batch)
    names = [str(number) for number in range(10 if ten else 100)]
    (folder / ("batches.meta" if ten else "meta")).write_bytes(pickle.dumps({classes: names}))
    data = opened(name, "val", tmp_path)
    assert data.size == 2 and data.sample(1)["label"] == 5 and data.sample(1)["image"].shape == (32, 32, 3)
    assert opened(name, "train", folder).size == (10 if ten else 2)
    (folder / ("test_batch" if ten else "test")).write_bytes(pickle.dumps({"data": Path("/"), labels: []}))
    with pytest.raises(DataError, match="only numpy arrays and plain values are allowed"):
        opened(name, "test", tmp_path)


def write_video(path: Path, count: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (32, 32))
    assert writer.isOpened()
    for number in range(count):
        writer.write(np.full((32, 32, 3), 20 * number, np.uint8))
    writer.release()


def test_frames_of_videos_are_samples_in_any_order(tmp_path: Path) -> None:
    write_video(tmp_path / "train" / "film.avi", 10)
    for number in range(3):
        write(tmp_path / "train" / "sequence" / f"{number:03d}.png", picture(200 + number))
    data = opened("VideoFrames", "train", tmp_path)
    assert data.size == 13
    for number in (0, 1, 7, 3, 9, 4):
        sample = data.sample(number)
        assert sample["image"].mean() == pytest.approx(20 * number, abs=2)
        assert (sample["video"], sample["frame"]) == (0, number)
    last = data.sample(12)
    assert last["image"][0, 0, 0] == 202 and (last["video"], last["frame"]) == (1, 2)
    assert last["image_meta"]["image_file"].endswith("002.png")


def test_workers_read_videos_as_their_parent_does(tmp_path: Path) -> None:
    write_video(tmp_path / "film.avi", 10)
    entry = {"type": "VideoFrames", "dir": str(tmp_path), "inputs_def": {"fields": ["image", "frame"]}}
    dataset = build_dataset(entry, place="data.train")
    loaders = [
        build_train_loader(dataset, samples_per_gpu=5, workers_per_gpu=workers, cfg=CfgNode(PETLIB_SCHEMA), device=CPU)
        for workers in (0, 1)
    ]
    alone, in_worker = ([*loader.batches(0, 2)] for loader in loaders)
    for first, second in zip(alone, in_worker, strict=True):
        assert first["frame"].tolist() == second["frame"].tolist()
        assert torch.equal(first["image"], second["image"])


def test_a_stride_leaves_frames_out(tmp_path: Path) -> None:
    write_video(tmp_path / "film.avi", 10)
    data = opened("VideoFrames", "val", tmp_path, stride=4)
    assert [data.sample(number)["frame"] for number in range(data.size)] == [0, 4, 8]


@pytest.mark.parametrize(
    ("name", "part", "ext_params", "message"),
    [
        (
            "Pascal2012",
            "train",
            {},
            "neither it nor VOCdevkit/VOC2012 nor VOC2012 in it is a folder of Pascal VOC; Pascal2012 needs JPEGImages",
        ),
        (
            "Pascal2012",
            "train",
            {"task": 1},
            "ext_params: unknown entry 'task'; did you mean task_type? (it takes task_type, aug, classes)",
        ),
        ("COCO2017", "train", {}, "instances_train2017.json: it is missing; COCO2017 needs dir to be a folder with annotations/"),
        ("COCO2017", "train", {"task_type": "BOXES"}, "ext_params.task_type: 'BOXES' given, one of DETECTION, OBJECT-DETECTION"),
        ("ImageFolder", "train", {}, "train: there is no such folder; ImageFolder needs dir to be a folder with a folder for each part"),
        ("ImageFolder", "train", {"classes": "cat"}, "ext_params.classes: 'cat' given; a list of names expected"),
        ("CIFAR10", "tset", {}, "train_or_test: 'tset' given, one of train, val, test expected; did you mean test?"),
        ("CIFAR10", "train", {}, "batches.meta: it is missing; CIFAR10 needs dir to be a folder with cifar-10-batches-py"),
        ("VideoFrames", "train", {}, "no videos in it; VideoFrames needs video files"),
        ("VideoFrames", "train", {"stride": 0}, "ext_params.stride: 0 given"),
    ],
)
def test_what_is_missing_or_wrong_is_reported(tmp_path: Path, name: str, part: str, ext_params: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        opened(name, part, tmp_path, **ext_params)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["Pascal2012", "COCO2017", "ImageFolder", "CIFAR10", "CIFAR100", "VideoFrames"])
def test_a_data_set_needs_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name}: dir: None given; a folder with "):
        opened(name, "train", None)
    with pytest.raises(DataError, match=rf"nothing: there is no such folder; {name} needs dir to be a folder with "):
        opened(name, "train", tmp_path / "nothing")


def test_a_list_of_voc_that_is_not_there_names_those_that_are(voc: Path) -> None:
    with pytest.raises(DataError, match=r"test\.txt: there is no such list of images .*lists there: train, val"):
        opened("Pascal2012", "test", voc)


def test_messages_name_the_settings_of_this_layer(voc: Path) -> None:
    (voc / "VOCdevkit" / "VOC2012" / "SegmentationClass").rename(voc / "elsewhere")
    with pytest.raises(DataError, match=r"SegmentationClass: there is no such folder; Pascal2012 needs dir to be a folder with JPEGImages"):
        opened("Pascal2012", "train", voc)
    with pytest.raises(DataError, match=r"the class 'dog' is none of the 1 class;.*\(ext_params\.classes\)"):
        opened("Pascal2012", "train", voc, task_type="DETECTION", classes=["cat"])


def test_a_damaged_video_is_reported(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"no video")
    with pytest.raises(DataError, match=r"film\.mp4: not a video that can be read"):
        opened("VideoFrames", "train", tmp_path)
