"""Classes that are found in a folder."""

from pathlib import Path
from typing import Any

import pytest

from pet.tasks.cls import config
from petlib.config import CfgNode
from petlib.errors import ConfigError, DataError


def infer(**values: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    for name, value in ({"MODEL.BACKBONE": "timm/resnet18"} | values).items():
        cfg.set(name, value)
    config.infer_cfg(cfg)
    return cfg


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in ("dog", "cat", "emu", ".cache"):
        (tmp_path / "flowers" / name).mkdir(parents=True)
    (tmp_path / "flowers" / "readme.txt").touch()
    return tmp_path / "flowers"


def test_classes_are_the_folders(images: Path) -> None:
    cfg = infer(**{"TRAIN.DATASETS": [str(images)]})
    assert cfg.MODEL.NUM_CLASSES == 3
    assert cfg.DATA.CLASSES == ["cat", "dog", "emu"]


def test_a_catalogue_name_below_the_data_root(images: Path) -> None:
    catalog = {"mine": {"type": "image_folder", "path": "flowers"}}
    cfg = infer(**{"TRAIN.DATASETS": ["mine"], "DATA.CATALOG": catalog, "MISC.DATA_ROOT": str(images.parent)})
    assert cfg.MODEL.NUM_CLASSES == 3


def test_what_is_given_stays(images: Path) -> None:
    cfg = infer(**{"TRAIN.DATASETS": [str(images)], "DATA.CLASSES": ["ant", "cat", "dog", "emu"]})
    assert cfg.MODEL.NUM_CLASSES == 4
    assert cfg.DATA.CLASSES == ["ant", "cat", "dog", "emu"]
    assert infer(**{"TRAIN.DATASETS": [str(images)], "MODEL.NUM_CLASSES": 5}).MODEL.NUM_CLASSES == 5


def test_the_saved_config_gives_the_same(images: Path) -> None:
    cfg = infer(**{"TRAIN.DATASETS": [str(images)]})
    saved = config.get_base_cfg()
    for name, value in cfg.flat().items():
        saved.set(name, value)
    for folder in images.iterdir():
        folder.rename(images.parent / folder.name)
    config.infer_cfg(saved)
    assert saved.to_dict() == cfg.to_dict()


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such folder; an image folder has a folder for each class"):
        infer(**{"TRAIN.DATASETS": [str(tmp_path / "nowhere")]})


@pytest.mark.parametrize("datasets", [[], ["list.txt"], ["digits_train"]])
def test_classes_that_cannot_be_found_are_asked_for(datasets: list[str]) -> None:
    with pytest.raises(ConfigError, match="MODEL.NUM_CLASSES: 0 given; set it to the number of classes of the data"):
        infer(**{"TRAIN.DATASETS": datasets})
