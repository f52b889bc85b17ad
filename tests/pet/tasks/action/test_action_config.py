"""Settings of action recognition."""

from pathlib import Path
from typing import Any

import pytest

from pet.tasks.action import config
from petlib.config import CfgNode, load_cfg
from petlib.errors import ConfigError, DataError
from tests.integration.conftest import ROOT
from tests.pet.data.video_files import noise, write_video


def infer(**values: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    usual = {"MODEL.NETWORK": "tsm", "MODEL.BACKBONE": "timm/test_resnet", "MODEL.NUM_CLASSES": 3}
    for name, value in (usual | values).items():
        cfg.set(name, value)
    config.infer_cfg(cfg)
    return cfg


def test_transforms_get_the_frames_of_the_model() -> None:
    cfg = infer(
        **{
            "MODEL.FRAMES": 4,
            "TRAIN.TRANSFORMS": ["RandomSegments", "RandomHorizontalFlip", {"name": "Normalize", "mean": [0.5], "std": [0.5]}],
            "TEST.TRANSFORMS": [{"name": "EvenClips", "step": 2, "frames": 4}],
            "TEST.VIEW_TRANSFORMS": [{"name": "EvenClips", "clips": 3}],
        }
    )
    assert cfg.TRAIN.TRANSFORMS[:2] == [{"name": "RandomSegments", "frames": 4}, "RandomHorizontalFlip"]
    assert cfg.TEST.TRANSFORMS == [{"name": "EvenClips", "frames": 4, "step": 2}]
    assert cfg.TEST.VIEW_TRANSFORMS == [{"name": "EvenClips", "frames": 4, "clips": 3}]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"MODEL.NETWORK": ""}, "MODEL.NETWORK: nothing given"),
        ({"MODEL.BACKBONE": ""}, "MODEL.BACKBONE: nothing given; tsm looks at frames"),
        ({"MODEL.NETWORK": "slowfast_r50"}, "slowfast_r50 has no classifier of images"),
        ({"MODEL.NETWORK": "slowfast_r50", "MODEL.BACKBONE": "", "TRAIN.WEIGHTS": "timm"}, "no library publishes weights for slowfast_r50"),
        ({"MODEL.LABEL_SMOOTHING": 1.0}, "a share below 1"),
        ({"MODEL.MULTI_LABEL": True, "MODEL.LABEL_SMOOTHING": 0.1}, "for videos of one class"),
        ({"MODEL.MULTI_LABEL": True, "TRAIN.MIXUP.MIXUP_ALPHA": 0.2}, "for videos of one class"),
        ({"TEST.TRANSFORMS": [{"name": "EvenClips", "frames": 5}]}, "TEST.TRANSFORMS: EvenClips has 5 frames, and MODEL.FRAMES is 8"),
        ({"MODEL.NUM_CLASSES": 1}, "MODEL.NUM_CLASSES"),
    ],
)
def test_mistakes_are_reported(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        infer(**values)


def test_classes_are_those_of_the_data(tmp_path: Path) -> None:
    for name in ("run", "jump"):
        write_video(tmp_path / "videos" / name / "1.avi", noise())
    (tmp_path / "list.txt").write_text("a.avi 0\nb.avi 4\n")
    catalog = {"own": {"type": "video_folder", "path": "videos"}, "listed": {"type": "video_list", "path": "list.txt"}}
    data = {"MISC.DATA_ROOT": str(tmp_path), "DATA.CATALOG": catalog, "MODEL.NUM_CLASSES": 0}
    assert infer(**data, **{"TRAIN.DATASETS": ["own"]}).DATA.CLASSES == ["jump", "run"]
    assert infer(**data, **{"TRAIN.DATASETS": ["listed"]}).MODEL.NUM_CLASSES == 5
    assert infer(**data, **{"TRAIN.DATASETS": ["motions_train"]}).MODEL.NUM_CLASSES == 8
    (tmp_path / "list.txt").unlink()
    with pytest.raises(DataError, match="list.txt: the list file cannot be read"):
        infer(**data, **{"TRAIN.DATASETS": ["listed"]})


def test_missing_videos_are_reported_in_the_words_of_the_config() -> None:
    expected = r"train: there is no such folder; a video folder has .*jump/1\.mp4\. Paths of the catalogue start from MISC\.DATA_ROOT"
    with pytest.raises(DataError, match=expected):
        load_cfg(config, ROOT / "cfgs" / "tasks" / "action" / "finetune_tsm_resnet50.yaml")
