"""Settings of land cover."""

from pathlib import Path
from typing import Any

import pytest

from pet.projects.landcover import config
from petlib.config import CfgNode, ConfigError, load_cfg

ROOT = Path(__file__).parents[4]


def make_cfg(**values: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    settings = {"MODEL.NETWORK": "unet", "DATA.CLASSES": ["field", "forest"], "SEMI.ENABLED": True} | values
    for name, value in settings.items():
        cfg.set(name, value)
    config.infer_cfg(cfg)
    return cfg


def test_unlabelled_images_are_off_by_default() -> None:
    assert config.get_base_cfg().SEMI.ENABLED is False


def test_the_preset_has_the_published_numbers() -> None:
    cfg = load_cfg(config, ROOT / "cfgs" / "projects" / "landcover" / "fcn_hr18_1024x1024_16k_landcover_semi.yaml", [])
    semi = cfg.SEMI
    assert (semi.ENABLED, semi.MOMENTUM, semi.TEACHER_WEIGHT, semi.STUDENT_WEIGHT) == (True, 0.4, 1.5, 1.0)
    assert (semi.CUTMIX.BOXES, list(semi.CUTMIX.SHARE)) == (3, [0.25, 0.5])
    assert (cfg.MODEL.NETWORK, cfg.SOLVER.SCHEDULER.TOTAL_ITERS) == ("fcn_hrnet_w18", 22500)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"DATA.NUM_IMAGES": 2}, "SEMI.ENABLED: it learns from single images, but DATA.NUM_IMAGES is 2"),
        ({"TRAIN.PARALLEL": "fsdp"}, "the teachers are not kept for sharded models"),
        ({"SEMI.MOMENTUM": 1.0}, "SEMI.MOMENTUM: 1 given, a share from 0 to below 1 expected"),
        ({"SEMI.THRESHOLD": 1.5}, "SEMI.THRESHOLD: 1.5 given"),
        ({"SEMI.CUTMIX.SHARE": [0.5, 0.25]}, r"SEMI.CUTMIX.SHARE: \[0.5, 0.25\] given, two ascending shares"),
        ({"SEMI.CUTMIX.SHARE": [0.0, 0.25]}, "SEMI.CUTMIX.SHARE"),
        ({"SEMI.STRONG": []}, "SEMI.STRONG: nothing given"),
    ],
)
def test_mistakes_are_reported(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_cfg(**values)


def test_settings_of_unlabelled_images_do_not_matter_where_they_are_off() -> None:
    assert make_cfg(**{"SEMI.ENABLED": False, "SEMI.MOMENTUM": 2.0}).SEMI.MOMENTUM == 2.0
