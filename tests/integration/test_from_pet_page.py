"""docs/from_pet.md: its script, its table of keys, and the messages for a config of the first Pet."""

import re
from pathlib import Path

import pytest

from pet.former_keys import FORMER_KEYS
from pet.vision import config
from petlib.config import CfgNode, ConfigError, Key, Schema
from tests.integration.conftest import DIGITS, ROOT, environment
from tests.integration.warm_python import warm_python

PAGE = (ROOT / "docs" / "from_pet.md").read_text(encoding="utf-8")
(SCRIPT,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SHORT = ["TRAIN.BATCH_SIZE=32", "SOLVER.SCHEDULER.TOTAL_EPOCHS=0", "SOLVER.SCHEDULER.TOTAL_ITERS=2", "SOLVER.SCHEDULER.WARM_UP_EPOCHS=None"]

# the sections of a tutorial's config that name old keys, with made-up values
TUTORIAL = """\
DATA: {DATASET_TYPE: x, PIXEL_MEAN: [0.5, 0.5, 0.5]}
MODEL: {CIFAR: {RESNET: {DEPTH: 110}}, ONEHOT: {NUM_CLASSES: 10}}
SOLVER: {OPTIMIZER: {TYPE: SGD}, SCHEDULER: {POLICY: STEP}, SNAPSHOT_EPOCHS: 5}
TEST: {RESIZE: {SCALE: 32}}
"""


def known_keys(schema: Schema, prefix: str = "") -> set[str]:
    keys = set()
    for name, entry in schema.items():
        keys |= {prefix + name} | (set() if isinstance(entry, Key) else known_keys(entry, f"{prefix}{name}."))
    return keys


def test_the_script_trains(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    words = [tmp_path / "train.py", "--cfg", DIGITS, *SHORT, f"MISC.CKPT={tmp_path / 'run'}"]
    code, output = warm_python().run(words, folder=tmp_path, environment={**environment(), "PYTHONPATH": str(ROOT)}, timeout=120)
    assert code == 0, output
    assert "[iter: 2/2]" in output
    assert re.search(r"parts: backbone \w+ 0\.2\d+M", output), output
    assert (tmp_path / "run" / "model_latest.pth").exists()


def test_the_page_has_the_table_of_the_code() -> None:
    rows = dict(re.findall(r"^\| `([A-Z0-9_.]+)` \| (.*) \|$", PAGE, re.MULTILINE))
    assert rows == FORMER_KEYS


def test_no_old_key_is_one_of_today_and_what_replaces_it_is() -> None:
    known = known_keys(config.vision_schema())
    assert not known & set(FORMER_KEYS)
    for old, new in FORMER_KEYS.items():
        for key in re.findall(r"\b[A-Z]+(?:\.[A-Z0-9_]+)+", new):
            assert key in known, (old, key)


def test_messages_for_a_config_of_a_tutorial_say_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(TUTORIAL)
    with pytest.raises(ConfigError) as caught:
        config.get_base_cfg().merge_from_file(tmp_path / "x.yaml")
    lines = str(caught.value).splitlines()
    assert lines[0] == "8 mistakes:"
    assert all(": this key is gone; write " in line for line in lines[1:])
    assert "x.yaml:2: MODEL.CIFAR.RESNET.DEPTH: this key is gone; write MODEL.BACKBONE, e.g. resnet110" in str(caught.value)
    assert lines[-1].endswith("TEST.RESIZE.SCALE: this key is gone; write TEST.RESIZE.SCALES, a list")


def test_the_first_step_of_the_document() -> None:
    cfg = config.get_base_cfg()
    cfg.merge_from_file(DIGITS)
    cfg.merge_from_list(["SOLVER.OPTIMIZER.BASE_LR", "0.05"])
    cfg = config.infer_cfg(cfg, str(DIGITS))
    cfg.freeze()
    assert isinstance(cfg, CfgNode)
    assert (cfg.SOLVER.OPTIMIZER.BASE_LR, cfg.MISC.NAME, cfg.MISC.CKPT) == (
        0.05,
        "resnet20_digits.yaml",
        "ckpts/vision/digits/resnet20_digits",
    )
