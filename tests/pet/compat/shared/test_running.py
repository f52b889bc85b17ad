"""A run of a layer logs to its folder, and mistakes in it have the words of the layer."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from pet.compat.shared.running import open_run, show_log_lines
from petlib import engine
from petlib.config import PETLIB_SCHEMA, CfgNode
from petlib.errors import ConfigError


@pytest.fixture(autouse=True)
def root_handlers() -> Iterator[None]:
    """Take away the handlers of a run, and give back those that were there."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    for handler in set(root.handlers) - set(before):
        root.removeHandler(handler)
        handler.close()
    root.handlers[:], root.level = before, level


def settings(folder: Path) -> CfgNode:
    cfg = CfgNode(PETLIB_SCHEMA)
    cfg.set("MISC.CKPT", str(folder))
    cfg.set("MISC.DEVICE", "cpu")
    cfg.freeze()
    return cfg


def test_a_run_has_a_device_a_log_and_a_record(tmp_path: Path) -> None:
    cfg = settings(tmp_path)
    with open_run(cfg, purpose="test", words={}, record="test_config.yaml") as device:
        engine.write_record(cfg, "test_config.yaml")
        assert device.type == "cpu"
    assert (tmp_path / "test_config.yaml").exists()
    assert "1 process on cpu" in (tmp_path / "logs" / "test_rank0.log").read_text()


def test_a_mistake_has_the_words_of_the_layer(tmp_path: Path) -> None:
    words = {"SOLVER.OPTIMIZER.BASE_LR": "optimizer.lr"}
    with pytest.raises(ConfigError, match="^lower optimizer.lr$"), open_run(settings(tmp_path), purpose="train", words=words):
        raise ConfigError("lower SOLVER.OPTIMIZER.BASE_LR")


def test_log_lines_of_scripts_are_shown_unless_they_decided_where_lines_go(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    root.handlers[:] = []
    show_log_lines()
    show_log_lines()
    assert len(root.handlers) == 1
    logging.getLogger("pet").info("downloading")
    assert capsys.readouterr().out.endswith("downloading\n")
