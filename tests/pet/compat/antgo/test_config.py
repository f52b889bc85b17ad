"""antgo's Config, and what takes the place of its options."""

from pathlib import Path

import pytest

from pet.compat.antgo.framework.helper.utils import Config
from pet.compat.antgo.settings import open_config
from petlib.errors import ConfigError

BASE = "optimizer = dict(type='SGD', lr=0.1)\nmax_epochs = 3\n"
FILE = "_base_ = 'base.py'\nnorm = dict(mean=[1, 2], std=[3])\ndata = dict(train=dict(pipeline=[dict(type='Normalize', **norm)]))\n"


def test_entries_are_attributes_and_may_be_changed(tmp_path: Path) -> None:
    (tmp_path / "base.py").write_text(BASE)
    (tmp_path / "own.py").write_text(FILE)
    cfg = Config.fromfile(tmp_path / "own.py")
    assert cfg.optimizer.lr == cfg["optimizer"]["lr"] == 0.1
    assert cfg.data.train.pipeline[0] == {"type": "Normalize", "mean": [1, 2], "std": [3]}
    assert cfg.get("max_epochs") == 3
    cfg.optimizer.lr = 0.5
    cfg.merge_from_dict({"data.train.pipeline.0.std": [7], "model.backbone.type": "SmallBackbone"})
    assert cfg.optimizer["lr"] == 0.5 and cfg.data.train.pipeline[0].std == [7] and cfg.model.backbone.type == "SmallBackbone"
    # as Trainer, Tester and Exporter read it
    read = open_config(cfg)
    assert read.get("optimizer.lr") == 0.5 and read.get("model.backbone.type") == "SmallBackbone"


def test_what_is_missing_is_reported(tmp_path: Path) -> None:
    with pytest.raises(AttributeError, match="the config has no entry 'optimiser'; there are optimizer"):
        Config({"optimizer": {}}).optimiser  # noqa: B018
    with pytest.raises(ConfigError, match="nothing.py"):
        Config.fromfile(tmp_path / "nothing.py")
    with pytest.raises(ImportError, match=r"DEFINE_string: read options with argparse"):
        from pet.compat.antgo.utils.args import DEFINE_string  # noqa: F401
    with pytest.raises(ImportError, match=r"DictAction: a config takes changes by Config.merge_from_dict"):
        from pet.compat.antgo.framework.helper.utils import DictAction  # noqa: F401
