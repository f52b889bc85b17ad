"""A run of a layer logs to its folder, and mistakes in it have the words of the layer."""

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pet.compat.shared.running import begin_script, open_run
from petlib import engine
from petlib.config import PETLIB_SCHEMA, CfgNode
from petlib.errors import ConfigError
from tests.integration.conftest import environment


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
    begin_script()
    begin_script()
    assert len(root.handlers) == 1
    logging.getLogger("pet").info("downloading")
    assert capsys.readouterr().out.endswith("downloading\n")


SCRIPT = """
from pet.compat.shared.running import begin_script
from petlib.errors import ConfigError

begin_script()
begin_script()
raise {error}
"""


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [("ConfigError('lr: 3 given')", 2, r"\Alr: 3 given\n\Z"), ("KeyError('fault')", 1, r"\ATraceback[\s\S]*KeyError: 'fault'\n\Z")],
)
def test_a_mistake_in_a_script_is_one_message_and_a_fault_keeps_its_traceback(error: str, code: int, said: str) -> None:
    words = [sys.executable, "-c", SCRIPT.format(error=error)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, env=environment(), check=False)
    assert done.returncode == code
    assert re.search(said, done.stderr), done.stderr
