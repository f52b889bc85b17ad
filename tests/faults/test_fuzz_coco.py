"""Nothing let in: COCO files changed by chance."""

import copy
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from pet.data.catalog.source import Source
from pet.data.datasets.coco import build_coco
from pet.data.files.images import silence_opencv
from pet.data.targets.dataset import ImageTruth
from pet.data.targets.finish import FinishTargets
from pet.evaluation.detection_truth import coco_truth
from pet.metrics.coco import Kind, coco_precision
from pet.structures.masks import InstanceMasks
from petlib.errors import UserError
from tests.faults.conftest import Happened
from tests.faults.fuzz import COUNTS, assert_survives, generate
from tests.faults.mutations import ODD_VALUES, as_json, mutated, mutated_trees

HEIGHT, WIDTH = 20, 30
SQUARE = [[2.0, 3.0, 12.0, 3.0, 12.0, 9.0, 2.0, 9.0]]
COLUMNS = {"size": [HEIGHT, WIDTH], "counts": [45, 5, 15, 5, HEIGHT * WIDTH - 70]}
COMPRESSED = coco_mask.frPyObjects(COLUMNS, HEIGHT, WIDTH)["counts"].decode()
KINDS = ("boxes", "masks", "keypoints", "semseg", "parsing")
TOKENS = [
    *(b"1e999", b"-Infinity", b"NaN", b"9" * 5000, b"[" * 3000, b'"\\ud800"', b"\xff\xfe", b"\\u0000", b"../", b"/etc/passwd"),
    *(b"null", b"true", b"{}", b"[]", b'"', b"1099511627776", b"-1", b"0.5", b",", b'"counts":"o"', b'"size":[1099511627776,1]'),
]


def row(number: int, **entries: Any) -> dict[str, Any]:
    box = {"id": number, "image_id": 7, "category_id": 3, "bbox": [2, 3, 10, 6], "area": 60.0, "iscrowd": 0, "instance_id": number % 10}
    return {**box, "segmentation": SQUARE, "keypoints": [4, 5, 2, 8, 8, 0, 9, 4, 1], **entries}


def document() -> dict[str, Any]:
    """Return a file with everything that Pet reads."""
    return {
        "images": [{"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH} for number, name in ((7, "a.png"), (5, "b.png"))],
        "annotations": [
            row(11),
            row(12, category_id=9, segmentation={"size": [HEIGHT, WIDTH], "counts": COMPRESSED}),
            row(13, iscrowd=1, segmentation=COLUMNS),
        ],
        "categories": [
            {"id": 9, "name": "ball"},
            {"id": 3, "name": "person", "keypoints": ["nose", "left_eye", "right_eye"], "skeleton": [[1, 2]], "sigmas": [0.1, 0.1, 0.1]},
        ],
        "pet": {
            **{kind: kind for kind in ("semseg", "parsing", "instances")},
            "semseg_classes": ["ground", "thing"],
            "parts": ["none", "left_arm", "right_arm"],
            "part_swap": [0, 2, 1],
        },
    }


def write_images(folder: Path) -> None:
    for place in ("images", "semseg", "parsing", "instances"):
        (folder / place).mkdir()
        for name in ("a.png", "b.png"):
            shape = (HEIGHT, WIDTH, 3) if place == "images" else (HEIGHT, WIDTH)
            assert cv2.imwrite(str(folder / place / name), np.ones(shape, np.uint8))


def read(path: Path) -> None:
    """Read a file as a training and an evaluation do, with all kinds of targets and then without label images."""
    for kinds in (KINDS, None):
        dataset = build_coco(Source(path.parent / "images", "train", None, path, frozenset(kinds) if kinds else None))
        if not dataset.info.annotated:
            # a training refuses images that can only be predicted on
            continue
        finish = FinishTargets(tuple(kinds or dataset.info.kinds))
        count = min(len(dataset), 4)
        for index in range(count):
            finish(dataset[index], np.random.default_rng(0))
        measure([dataset.truth(index) for index in range(count)], dataset.info.classes)


def measure(truths: list[ImageTruth], classes: list[str]) -> None:
    """Compare the objects with themselves, as an evaluation does with predictions."""
    kinds: list[Kind] = ["bbox"] if truths[0].segmentations is None else ["bbox", "segm"]
    for kind in kinds:
        truth = coco_truth(truths, classes, kind)
        found = [{**row, "score": 0.9} for row in truth["annotations"] if not row["iscrowd"]]
        if kind == "segm":
            for row in found:
                size = truths[row["image_id"] - 1].height, truths[row["image_id"] - 1].width
                mask = InstanceMasks.from_segmentations([row["segmentation"]], size).rasterise()[0]
                row["segmentation"] = coco_mask.encode(np.asfortranarray(mask))
        coco_precision(truth, found, kind)


def test_the_file_that_is_changed_is_whole(tmp_path: Path) -> None:
    write_images(tmp_path)
    path = tmp_path / "instances.json"
    path.write_bytes(as_json(document()))
    read(path)
    changed = copy.deepcopy(document())
    changed["images"][0]["file_name"] = "../a.png"
    path.write_bytes(as_json(changed))
    with pytest.raises(UserError, match="image 7: '../a.png' leads out of .*set Reach.anywhere: True"):
        read(path)


@pytest.mark.fault("let-in", "COCO files changed by chance")
@pytest.mark.parametrize("count", COUNTS)
def test_coco_files_changed_by_chance(count: int, tmp_path: Path, happened: Happened) -> None:
    silence_opencv()
    write_images(tmp_path)
    values = [
        *ODD_VALUES,
        2**40,
        [2**40, 1],
        1e30,
        [[0, 0, 1e9, 1e9, 0, 1e9]],
        {"size": [HEIGHT, WIDTH], "counts": "o" * 50},
        [[1e6, 0] * 300],
    ]
    trees = mutated_trees([document()], values).map(as_json)
    inputs = generate(st.one_of(trees, mutated([json.dumps(document()).encode()], TOKENS)), count)
    happened(str(assert_survives(inputs, read, tmp_path, name="instances.json")))
