"""What docs/coming_from.md says of Pet is there: commands, options, configs, keys and pages."""

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from pet.cli import COMMANDS as COMMANDS_FOLDER
from pet.cli import REPOSITORY
from pet.task import PACKAGE, check_task_source
from petlib.config import CfgNode
from petlib.config.key import flat_schema
from petlib.launch.start.main import read_launch
from petlib.suggest import did_you_mean
from tests.integration.conftest import DIGITS, ROOT

PAGE = (ROOT / "docs" / "coming_from.md").read_text(encoding="utf-8")
CODE = re.findall(r"`([^`]+)`", PAGE)
COMMANDS = [code for code in CODE if code.startswith("pet-")]
SCHEMA = importlib.import_module("pet.vision.config").get_base_cfg().schema
SEGMENTATION = importlib.import_module("pet.projects.buildseg.config").get_base_cfg().schema
KEYS = set(flat_schema(SCHEMA)) | set(flat_schema(SEGMENTATION))
OURS = ("MISC", "TRAIN", "TEST", "EVAL", "DATA", "SOLVER", "MODEL", "ANALYSER")
THEIRS = {
    *("SOLVER.IMS_PER_BATCH", "SOLVER.MAX_ITER", "SOLVER.STEPS", "SOLVER.CHECKPOINT_PERIOD", "TEST.EVAL_PERIOD", "MODEL.WEIGHTS"),
    *("SOLVER.BASE_LR", "SOLVER.GAMMA", "SOLVER.WARMUP_ITERS", "SOLVER.CLIP_GRADIENTS.CLIP_VALUE", "TEST.AUG.ENABLED"),
    *("TEST.PRECISE_BN", "MODEL.BACKBONE.FREEZE_AT", "MODEL.RPN.NMS_THRESH", "MODEL.BOX"),
    *("MODEL.ROI_HEADS.NUM_CLASSES", "MODEL.ROI_HEADS.SCORE_THRESH_TEST", "MODEL.MASK_ON", "MODEL.KEYPOINT_ON"),
}


def test_every_key_is_one_of_pets() -> None:
    named = {key for code in CODE for key in re.findall(rf"\b(?:{'|'.join(OURS)})\.[A-Z_.]*[A-Z]\b", code)} - THEIRS
    assert len(named) > 40
    wrong = {key: did_you_mean(key, sorted(KEYS)) for key in named if key not in KEYS}
    assert not wrong


@pytest.mark.parametrize("code", [code for code in CODE if re.match(r"(?:SOLVER|EVAL|TRAIN|MISC)\.[A-Z_.]+ \S", code)])
def test_settings_are_taken(code: str) -> None:
    words = shlex.split(code)
    cfg = CfgNode(SCHEMA)
    cfg.merge_from_list(words)
    assert set(words[::2]) <= KEYS


def test_the_commands_have_their_options_and_configs() -> None:
    setup = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    (installed,) = (
        ast.literal_eval(node.value) for node in setup.body if isinstance(node, ast.Assign) and node.targets[0].id == "COMMANDS"
    )
    for code in COMMANDS:
        words = shlex.split(code)
        assert words[0].removeprefix("pet-") in installed, code
        for config in (word for word in words if word.startswith("cfgs/") and "fruit" not in word):
            assert (ROOT / config).is_file(), code
        given = {word for word in words if word.startswith("--")}
        ours = {"--cfg", "--data", "--epochs", "--images", "--out", "--track", "--gpu_id", "--dry_run", "--on"}
        assert given <= {*ours, "--nnodes", "--node_rank", "--rdzv_endpoint"}, code


def started() -> Iterator[tuple[str, list[str]]]:
    """Yield the command lines of the page that start a training or a test here, settings as ends of one."""
    for code in CODE:
        words = shlex.split(code)
        if words[0] in ("pet-train", "pet-test") and "--cfg" in words and "--on" not in words:
            yield words[0].removeprefix("pet-"), words[1:]
        elif words[0] in ("--nnodes", "--gpu_id") or (len(words) > 1 and words[0] in KEYS):
            yield "train", ["--cfg", "x.yaml", *words]


def test_its_command_lines_can_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configs = tmp_path / "cfgs" / "vision"
    configs.mkdir(parents=True)
    for name in ("x", "fruit"):
        (configs / f"{name}.yaml").write_text(f"_BASE_: {DIGITS}\n")
    monkeypatch.chdir(tmp_path)
    lines = list(started())
    assert len(lines) > 25
    for program, given in lines:
        words = [{"x.yaml": "cfgs/vision/x.yaml", "HOST:PORT": "node0:29500"}.get(word, word) for word in given]
        if "--gpu_id" in words:
            place = words.index("--gpu_id")
            # whether the GPUs are there says the machine
            del words[place : place + 2]
        read_launch(
            [*words, "MISC.DEVICE=cpu"],
            f"{program}_net.py",
            package=PACKAGE,
            check_task=check_task_source,
            script_of_all_tasks=COMMANDS_FOLDER / "test_net.py" if program == "test" else None,
            repository=REPOSITORY,
        )


def test_its_links_lead_to_pages() -> None:
    for name in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / name).is_file(), name
