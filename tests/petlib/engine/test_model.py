"""What a run does to its model before the loop, and the weights that a test takes."""

import logging
from pathlib import Path

import pytest
import torch
from torch import nn

from petlib import engine
from petlib.config import PETLIB_SCHEMA, CfgNode, ConfigError
from petlib.distributed.process_group import is_main_process
from petlib.errors import CheckpointError


def make_cfg(folder: Path, **settings: object) -> CfgNode:
    cfg = CfgNode(PETLIB_SCHEMA)
    cfg.merge_from_list([f"MISC.CKPT={folder}", *(f"{key.replace('__', '.')}={value}" for key, value in settings.items())])
    return cfg


class Scale(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2, bias=False)
        nn.init.constant_(self.linear.weight, value)

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        y: torch.Tensor = self.linear(batch["x"])
        return y


def save(path: Path, value: float) -> None:
    torch.save(Scale(value).state_dict(), path)


def test_the_weights_that_are_tested_are_the_best_then_the_latest_or_those_that_are_named(tmp_path: Path) -> None:
    cfg = make_cfg(tmp_path)
    with pytest.raises(CheckpointError, match="there is no best and no latest checkpoint; train with this config first"):
        engine.find_test_weights(cfg)
    (tmp_path / "model_latest.pth").touch()
    assert engine.find_test_weights(cfg) == tmp_path / "model_latest.pth"
    (tmp_path / "model_best.pth").touch()
    assert engine.find_test_weights(cfg) == tmp_path / "model_best.pth"
    cfg.set("TEST.WEIGHTS", "latest")
    assert engine.find_test_weights(cfg) == tmp_path / "model_latest.pth"
    cfg.set("TEST.WEIGHTS", str(tmp_path / "file.pth"))
    with pytest.raises(CheckpointError, match=r"file\.pth: there is no such file"):
        engine.find_test_weights(cfg)
    (tmp_path / "file.pth").touch()
    assert engine.find_test_weights(cfg) == tmp_path / "file.pth"


def test_a_training_begins_with_the_weights_of_a_file_unless_it_continues(tmp_path: Path) -> None:
    save(tmp_path / "weights.pth", 3.0)
    cfg = make_cfg(tmp_path / "run", TRAIN__WEIGHTS=tmp_path / "weights.pth")
    model = Scale(1.0)
    engine.load_initial_weights(model, cfg)
    assert model.linear.weight.mean().item() == 3.0
    (tmp_path / "run").mkdir()
    save(tmp_path / "run" / "model_latest.pth", 5.0)
    continued = Scale(1.0)
    engine.load_initial_weights(continued, cfg)
    assert continued.linear.weight.mean().item() == 1.0
    begun_anew = Scale(1.0)
    engine.load_initial_weights(begun_anew, make_cfg(tmp_path / "run", TRAIN__WEIGHTS=tmp_path / "weights.pth", TRAIN__AUTO_RESUME=False))
    assert begun_anew.linear.weight.mean().item() == 3.0


def test_a_test_takes_weights_that_fit_in_every_name(tmp_path: Path) -> None:
    save(tmp_path / "weights.pth", 3.0)
    model = Scale(1.0)
    engine.load_test_weights(model, make_cfg(tmp_path, TEST__WEIGHTS=tmp_path / "weights.pth"))
    assert model.linear.weight.mean().item() == 3.0
    with pytest.raises(CheckpointError):
        engine.load_test_weights(nn.Linear(3, 2), make_cfg(tmp_path, TEST__WEIGHTS=tmp_path / "weights.pth"))


def test_the_cost_of_a_model_is_logged_where_the_config_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert is_main_process()
    caplog.set_level(logging.INFO)
    batch = {"x": torch.zeros(1, 3)}
    engine.analyse(Scale(1.0), make_cfg(tmp_path, ANALYSER__ENABLED=False), batch, name="scale")
    assert not caplog.messages
    engine.analyse(Scale(1.0), make_cfg(tmp_path), batch, name="scale")
    message, parts = caplog.messages
    assert parts == "parts: linear Linear 0.0000M"
    assert message.startswith("scale: Params: ") and "FLOPs: " in message


def test_a_mode_that_does_not_fit_is_reported_with_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("petlib.distributed.parallel.world_size", lambda: 2)
    with pytest.raises(ConfigError, match="^TRAIN.PARALLEL: dp is for one process"):
        engine.parallelize(nn.Linear(1, 1), make_cfg(tmp_path, TRAIN__PARALLEL="dp"), torch.device("cpu"))
