"""The number of classes follows from the files of the training data."""

import json
from pathlib import Path
from typing import Any

import pytest

from pet.data.datasets.coco_tables import category_names
from pet.vision import config
from petlib.config import CfgNode, ConfigError
from petlib.errors import DataError
from tests.pet.data.named_files import OBJECTS, write_coco, write_list, write_voc

DETECTOR = {"MODEL.HAS_BOX": True, "MODEL.NECK": "fpn", "MODEL.BACKBONE": "timm/resnet18"}
CLASSIFIER = {"MODEL.HAS_CLS": True, "MODEL.BACKBONE": "resnet20"}


def infer(entry: dict[str, str], **values: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    given = {"DATA.CATALOG": {"mine": entry}, "TRAIN.DATASETS": ["mine"], "DATA.ALLOW_OUTSIDE": True, **values}
    for key, value in given.items():
        cfg.set(key, value)
    config.infer_cfg(cfg)
    return cfg


def test_coco_voc_and_lists_are_counted(tmp_path: Path) -> None:
    ids = {"eel": 5, "cat": 2, "dog": 9, "gnu": 1}
    coco = infer(write_coco(tmp_path / "coco", ids), **DETECTOR)
    assert (coco.MODEL.NUM_CLASSES, coco.DATA.CLASSES) == (4, ["gnu", "cat", "eel", "dog"])
    voc = infer(write_voc(tmp_path / "voc"), **DETECTOR)
    assert (voc.MODEL.NUM_CLASSES, voc.DATA.CLASSES) == (3, ["cat", "dog", "eel"])
    names = infer(write_list(tmp_path / "list", ["dog", "ant"]), **CLASSIFIER)
    assert (names.MODEL.NUM_CLASSES, names.DATA.CLASSES) == (2, ["ant", "dog"])
    (tmp_path / "list" / "list.txt").write_text("ant/1.png 0\ndog/1.png 4\n")
    numbers = infer({"type": "list_file", "path": str(tmp_path / "list" / "list.txt")}, **CLASSIFIER)
    assert (numbers.MODEL.NUM_CLASSES, numbers.DATA.CLASSES) == (5, [])


def test_the_data_of_vocs_own_classes_have_all_of_them(tmp_path: Path) -> None:
    assert infer(write_voc(tmp_path, OBJECTS[:2]), **DETECTOR).MODEL.NUM_CLASSES == 20


def test_what_is_given_is_not_looked_for(tmp_path: Path) -> None:
    absent = {"type": "coco", "path": str(tmp_path), "annotations": str(tmp_path / "absent.json")}
    assert infer(absent, **DETECTOR, **{"MODEL.NUM_CLASSES": 7}).DATA.CLASSES == []
    assert infer(absent, **DETECTOR, **{"DATA.CLASSES": ["a", "b"]}).MODEL.NUM_CLASSES == 2
    with pytest.raises(DataError, match=r"absent\.json: the COCO file cannot be read"):
        infer(absent, **DETECTOR)
    with pytest.raises(ConfigError, match="MODEL.NUM_CLASSES: 0 given; set it to the number of classes, without the background"):
        infer({"type": "cihp", "path": str(tmp_path)}, **DETECTOR)


@pytest.mark.parametrize(
    "content",
    [
        {"categories": [{"id": 3, "name": "b"}, {"id": 1, "name": "a"}], "images": [], "annotations": []},
        {"images": [{"file_name": 'a "categories" [1].png'}], "categories": [{"id": 3, "name": "b"}, {"id": 1, "name": "a"}]},
        {"categories": [{"id": 3, "name": "b"}, {"id": 1, "name": "a"}], "info": {"categories": [1, 2]}},
    ],
)
def test_the_categories_of_a_file_are_found_wherever_they_are(content: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert category_names(tmp_path / "a.json") == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "message"), [({"images": []}, "the list 'categories' is missing"), ({"categories": [{}]}, "has no 'id'")]
)
def test_categories_that_cannot_be_used_are_reported(content: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=rf"a\.json: .*{message}"):
        category_names(tmp_path / "a.json")
