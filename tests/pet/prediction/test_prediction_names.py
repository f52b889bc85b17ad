"""Where the names of classes come from."""

from pathlib import Path

from pet.prediction.build import find_names
from pet.vision import config as vision_config
from pet.visual import TargetNames
from petlib.config import load_cfg
from tests.integration.conftest import DIGITS


def test_names_come_from_config_data_or_run(tmp_path: Path) -> None:
    def names(*overrides: str) -> TargetNames:
        return find_names(load_cfg(vision_config, DIGITS, [f"MISC.CKPT={tmp_path}", *overrides]), ("label",))

    assert names().classes == tuple("0123456789")
    given = [f"n{number}" for number in range(10)]
    assert names(f"DATA.CLASSES={given}", "TEST.DATASETS=[]", "TRAIN.DATASETS=[]").classes == tuple(given)
    nowhere = ["TEST.DATASETS=[cifar10_test]", "TRAIN.DATASETS=[]", f"MISC.DATA_ROOT={tmp_path}"]
    assert names(*nowhere).classes == ()
    assert names(*nowhere).of_class(3) == "3"
    (tmp_path / "config.yaml").write_text("DATA: {CLASSES: [cat, dog]}")
    assert names(*nowhere).classes == ("cat", "dog")
