"""What a training says, and does, where images with keypoints are mirrored."""

import json
import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from pet.data.loading.build import build_training_data
from pet.data.targets.dataset import Expectation
from pet.vision import config
from petlib.config import CfgNode
from petlib.errors import ConfigError

NAMES = ["nose", "L_Eye", "R_Eye"]


def make_cfg(folder: Path, transforms: list[Any], names: list[str] = NAMES, **entry: Any) -> CfgNode:
    """Return settings for two images of 30 x 20 with one animal each, whose left eye is at 4, the right one at 24."""
    images = [{"id": number, "file_name": f"{number}.png", "height": 20, "width": 30} for number in range(2)]
    animal = {"category_id": 1, "bbox": [2, 2, 26, 16], "keypoints": [14, 10, 2, 4, 5, 2, 24, 5, 2]}
    annotations = [{"id": number, "image_id": number, **animal} for number in range(2)]
    for image in images:
        cv2.imwrite(str(folder / str(image["file_name"])), np.full((20, 30, 3), 99, np.uint8))
    categories = [{"id": 1, "name": "cow", "keypoints": names}]
    (folder / "a.json").write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    cfg = config.get_base_cfg()
    values = {
        "DATA.CATALOG": {"cows": {"type": "coco", "path": str(folder), "annotations": str(folder / "a.json"), **entry}},
        "TRAIN.DATASETS": ["cows"],
        "TRAIN.NUM_WORKERS": 0,
        "TRAIN.BATCH_SIZE": 2,
        "TRAIN.TRANSFORMS": transforms,
    }
    cfg.merge_from_list([text for key, value in values.items() for text in (key, json.dumps(value))])
    return cfg


def keypoints_of(cfg: CfgNode) -> list[float]:
    """Return the columns of the keypoints of the first animal of a training."""
    loader = build_training_data(cfg, torch.device("cpu"), Expectation(("boxes", "keypoints"), {"boxes": 1, "keypoints": 3}))
    columns: list[float] = next(iter(loader.batches(0, 1)))["keypoints"][0][0, :, 0].tolist()
    return columns


MIRROR = [{"name": "RandomHorizontalFlip", "probability": 1.0}, "Normalize"]


@pytest.mark.parametrize(
    ("names", "entry", "columns"),
    [
        # pixel 4 of 30 becomes pixel 26 - the edge 30 stays an edge - and is the right eye then
        (NAMES, {}, [16, 6, 26]),
        (["nose", "near eye ", "off eye"], {}, [16, 6, 26]),
        (["0", "1", "2"], {"flip_pairs": [[1, 2]]}, [16, 6, 26]),
        (["0", "1", "2"], {}, [16, 26, 6]),
        (NAMES, {"flip_pairs": []}, [16, 26, 6]),
    ],
)
def test_left_and_right_change_places(names: list[str], entry: dict[str, Any], columns: list[float], tmp_path: Path) -> None:
    assert keypoints_of(make_cfg(tmp_path, MIRROR, names, **entry)) == columns


def test_a_training_says_in_a_line_what_changes_places(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        keypoints_of(make_cfg(tmp_path, MIRROR))
    assert "TRAIN.TRANSFORMS mirrors images: of the keypoints 1 pair is exchanged (L_Eye - R_Eye), 1 stays (nose)" in caplog.text
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_a_training_warns_of_a_flip_without_a_pair(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keypoints_of(make_cfg(tmp_path, MIRROR, ["a", "b", "c"]))
    assert "0 pairs are exchanged, 3 stay (a, b, c)" in caplog.text and "flip_pairs" in caplog.text
    caplog.clear()
    keypoints_of(make_cfg(tmp_path, ["Normalize"], ["a", "b", "c"]))
    assert "exchanged" not in caplog.text


def test_the_key_is_named_where_a_pair_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="DATA.CATALOG.cows.flip_pairs: 'L_Ear' is none of the keypoints; did you mean L_Eye"):
        keypoints_of(make_cfg(tmp_path, MIRROR, flip_pairs=[["L_Ear", "R_Eye"]]))
