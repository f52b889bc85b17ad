"""MPII's people with joints and LIP's with parts: where they lie, what a box is, and what is reported when files are wrong."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from pet.data.catalog.source import Source
from pet.data.datasets.lip import LIP_PARTS, LipDataset, build_lip
from pet.data.datasets.mpii import MpiiDataset, build_mpii
from pet.data.objects import ObjectCrops, true_objects
from pet.evaluation.correct_keypoints import CorrectKeypointsEvaluator
from petlib.errors import ConfigError, DataError


def person(image: str, x: float, **values: Any) -> dict[str, Any]:
    joints = [[x + place, 20.0 + place] for place in range(16)]
    return {"image": image, "center": [x, 30.0], "scale": 0.1, "joints": joints, "joints_vis": [1] * 15 + [0], **values}


def write_mpii(folder: Path, people: list[dict[str, Any]]) -> Source:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for name in {entry["image"] for entry in people if "image" in entry}:
        assert cv2.imwrite(str(folder / "images" / name), np.full((60, 90, 3), 7, np.uint8))
    (folder / "annot").mkdir(exist_ok=True)
    (folder / "annot" / "valid.json").write_text(json.dumps(people))
    return Source(folder / "images", "train", None, folder / "annot" / "valid.json")


def write_heads(folder: Path, count: int) -> None:
    # boxes of 6 x 8 pixels: 0.6 of the diagonal of 10 is 6
    boxes = np.zeros((2, 2, count))
    boxes[1, 0], boxes[1, 1] = 6.0, 8.0
    savemat(folder / "annot" / "gt_valid.mat", {"headboxes_src": boxes}, do_compression=True)


def test_people_of_an_image_come_together(tmp_path: Path) -> None:
    dataset = build_mpii(write_mpii(tmp_path, [person("a.jpg", 20.0), person("b.jpg", 30.0), person("a.jpg", 50.0)]))
    assert len(dataset) == 2
    truth = dataset.truth(0)
    # pixels count from 1 in the files; the centre goes down by 15 * 0.1, the box has an edge of 200 * 0.1
    assert truth.boxes[0] == pytest.approx([9.5, 21.0, 29.5, 41.0])
    assert truth.boxes[1] == pytest.approx([39.5, 21.0, 59.5, 41.0])
    assert truth.keypoints is not None
    assert truth.keypoints[0, 0] == pytest.approx([19.5, 19.5, 2.0])
    assert truth.keypoints[0, 15].tolist() == [0, 0, 0]
    assert truth.head_lengths is None
    sample = dataset[0]
    assert sample["keypoints"].shape == (2, 16, 3)
    assert sample["meta"]["keypoint_swap"] == (5, 4, 3, 2, 1, 0, 6, 7, 8, 9, 15, 14, 13, 12, 11, 10)


def test_pckh_goes_by_the_boxes_of_the_heads(tmp_path: Path) -> None:
    source = write_mpii(tmp_path, [person("a.jpg", 20.0), person("b.jpg", 30.0), person("a.jpg", 50.0)])
    write_heads(tmp_path, 3)
    dataset = build_mpii(source)
    heads = dataset.truth(0).head_lengths
    assert heads is not None
    assert heads.tolist() == [6.0, 6.0]
    crops = ObjectCrops(dataset, true_objects(dataset, ["keypoints"]))
    evaluator = CorrectKeypointsEvaluator(dataset=dataset, shares=[0.1])
    for index in range(len(crops)):
        sample = crops[index]
        found = sample["keypoints"].copy()
        # 3 pixels are half of a head; pelvis and thorax, which do not count, are far away; so is one of the 15 joints that are marked
        found[0, :, 0] += 3.0
        found[0, 6:8, 0] += 40.0
        found[0, 0, 0] += 1.0
        evaluator.update({"meta": [{**sample["meta"], "index": sample["meta"]["image"]}]}, [{"keypoints": torch_of(found)}])
    metrics = evaluator.compute()
    assert metrics["pck/PCKh@0.5"] == pytest.approx(12 / 13)
    assert metrics["pck/PCKh@0.1"] == 0.0
    # 0.1 of an edge of 20 pixels is 2
    assert metrics["pck/PCK@0.1"] == 0.0


def torch_of(values: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(values)


@pytest.mark.parametrize(
    ("people", "message"),
    [
        ([{"image": "a.jpg", "center": [1, 2]}], r"entry 0 has the center \[1, 2\] and the scale None"),
        ([person("a.jpg", 20.0, joints=[[1, 2]])], "entry 0: 16 joints"),
        ([{"center": [1, 2]}], "image, center, scale, joints and joints_vis expected"),
        ([], "a list of people expected"),
    ],
)
def test_wrong_annotations_are_refused(people: list[dict[str, Any]], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        build_mpii(write_mpii(tmp_path, people))


def test_heads_of_other_people_are_refused(tmp_path: Path) -> None:
    source = write_mpii(tmp_path, [person("a.jpg", 20.0)])
    write_heads(tmp_path, 3)
    with pytest.raises(DataError, match=r"headboxes_src has the shape \(2, 2, 3\), \(2, 2, 1\) expected"):
        build_mpii(source)
    (tmp_path / "annot" / "gt_valid.mat").write_bytes(b"no such file" * 20)
    with pytest.raises(DataError, match=r"gt_valid\.mat: no file of MATLAB"):
        build_mpii(source)


def test_masks_of_mpii_are_refused(tmp_path: Path) -> None:
    source = write_mpii(tmp_path, [person("a.jpg", 20.0)])
    with pytest.raises(DataError, match="no masks in these data"):
        MpiiDataset(images=source.path, annotations=tmp_path / "annot" / "valid.json", kinds=frozenset({"masks"}))


def write_lip(folder: Path, *, deeper: str = "", with_list: bool = True) -> None:
    images = folder / "TrainVal_images" / deeper / "val_images"
    labels = folder / "TrainVal_parsing_annotations" / deeper.replace("images", "parsing_annotations") / "val_segmentations"
    for place in (images, labels):
        place.mkdir(parents=True)
    parts = np.zeros((20, 12), np.uint8)
    parts[5:9, 2:4], parts[5:9, 8:10], parts[0, 0] = 14, 15, 255
    for name in ("7_1", "8_2"):
        assert cv2.imwrite(str(images / f"{name}.jpg"), np.full((20, 12, 3), 9, np.uint8))
        assert cv2.imwrite(str(labels / f"{name}.png"), parts)
    if with_list:
        (folder / "val_id.txt").write_text("8_2\n")


@pytest.mark.parametrize("deeper", ["", "TrainVal_images"])
def test_a_person_fills_its_image(deeper: str, tmp_path: Path) -> None:
    write_lip(tmp_path, deeper=deeper)
    dataset = build_lip(Source(tmp_path, "val", None))
    assert len(dataset) == 1
    sample = dataset[0]
    assert sample["meta"]["id"] == "8_2"
    assert sample["boxes"].tolist() == dataset.truth(0).boxes.tolist() == [[0, 0, 12, 20]]
    assert sorted(set(sample["parsing"].ravel().tolist())) == [0, 14, 15, 255]
    assert (sample["instances"] == np.isin(sample["parsing"], (14, 15))).all()
    swap = sample["meta"]["part_swap"]
    assert LIP_PARTS[swap[14]] == "Right-arm"
    assert swap[13] == 13


def test_without_a_list_all_images_are_there(tmp_path: Path) -> None:
    write_lip(tmp_path, with_list=False)
    dataset = LipDataset(folder=tmp_path, split="val")
    assert [dataset.truth(index).id for index in range(len(dataset))] == ["7_1", "8_2"]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the split 'valid' given, train or val expected"):
        LipDataset(folder=tmp_path, split="valid")
    with pytest.raises(DataError, match="TrainVal_images/val_images: there is no such folder; unpack the archives of LIP"):
        LipDataset(folder=tmp_path, split="val")
    write_lip(tmp_path)
    (tmp_path / "val_id.txt").write_text("8_2\n9_3\n")
    with pytest.raises(DataError, match=r"9_3\.jpg: there is no such file"):
        LipDataset(folder=tmp_path, split="val")
