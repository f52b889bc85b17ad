from pathlib import Path

import pytest

from pet.tasks.face import config
from petlib.config import CfgNode, ConfigError


def inferred(*options: str) -> CfgNode:
    cfg = config.get_base_cfg()
    cfg.merge_from_list(["MODEL.BACKBONE=iresnet18", "TRAIN.DATASETS=[facets_train]", *options])
    return config.infer_cfg(cfg)


def test_identities_are_counted(tmp_path: Path) -> None:
    assert inferred().MODEL.NUM_CLASSES == 200
    for name in ("ada", "bob", "carl"):
        (tmp_path / name).mkdir()
    assert inferred(f"TRAIN.DATASETS=['{tmp_path}']").MODEL.NUM_CLASSES == 3
    (tmp_path / "list.txt").write_text("a.png ada\nb.png bob\n")
    assert inferred(f"TRAIN.DATASETS=['{tmp_path}/list.txt']").MODEL.NUM_CLASSES == 2
    assert inferred("MODEL.NUM_CLASSES=7").MODEL.NUM_CLASSES == 7


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("MODEL.BACKBONE=''", "MODEL.BACKBONE: nothing given; name a network, e.g. iresnet50"),
        ("MODEL.SAMPLE_RATE=0.0", "MODEL.SAMPLE_RATE: 0 given, a share above 0 and at most 1 expected"),
        ("MODEL.MARGIN.SCALE=0.0", "MODEL.MARGIN.SCALE: 0 given, a number greater than 0 expected"),
        ("EVAL.FALSE_POSITIVES=[2.0]", r"EVAL.FALSE_POSITIVES: \[2.0\] given, rates above 0 and at most 1 expected"),
        ("EVAL.FALSE_ACCEPTS=[0.0]", "rates above 0 and at most 1 expected"),
        ("TRAIN.DATASETS=[coco_2017_train]", r"MODEL.NUM_CLASSES: 0 given, and coco_2017_train \(coco\) does not say how many identities"),
    ],
)
def test_mistakes_are_reported(option: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        inferred(option)
