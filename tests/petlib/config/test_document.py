"""The types of configs for editors and mypy."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pet.typed
import petlib.config.typed
from petlib.config import CfgNode, Key, Schema, merge_schemas
from petlib.config.document import ConfigType, annotation_source, stub_of

ROOT = Path(__file__).parents[3]
SMALL: Schema = {"A": {"B": Key(1, "B."), "INNER": {"C": Key([], "C.", type=list[float])}}, "D": {"E": Key("x", "E.", choices=("x", "y"))}}
LARGER = merge_schemas(SMALL, {"A": {"INNER": {"F": Key(None, "F.", type=float | None)}}, "G": {"H": Key({}, "H.")}})


@pytest.mark.parametrize(
    ("key", "source"),
    [
        (Key(1, ""), "int"),
        (Key([], ""), "list[Any]"),
        (Key([], "", type=list[list[int]]), "list[list[int]]"),
        (Key({}, ""), "dict[str, Any]"),
        (Key([], "", type=list[dict[str, Any]]), "list[dict[str, Any]]"),
        (Key(None, "", type=float | None), "float | None"),
        (Key("a", "", choices=("a", "b")), 'Literal["a", "b"]'),
        (Key(1, "", choices=(1, 2)), "int"),
    ],
)
def test_the_type_of_a_key(key: Key, source: str) -> None:
    assert annotation_source(key) == source


def test_sections_are_classes_and_those_of_the_base_are_its_own_where_nothing_differs() -> None:
    small = ConfigType("SmallConfig", SMALL, None, "The small one.")
    larger = ConfigType("LargerConfig", LARGER, small, "The larger one.")
    classes = stub_of([small, larger]).split("\n\n", maxsplit=1)[1]
    assert classes == (
        "class SmallAInner(ConfigSection):\n    C: list[float]\n\n"
        "class SmallA(ConfigSection):\n    B: int\n    INNER: SmallAInner\n\n"
        'class SmallD(ConfigSection):\n    E: Literal["x", "y"]\n\n'
        'class SmallConfig(ConfigSection):\n    """The small one."""\n\n    A: SmallA\n    D: SmallD\n\n'
        "class LargerAInner(SmallAInner):\n    F: float | None\n\n"
        "class LargerA(SmallA):\n    INNER: LargerAInner\n\n"
        "class LargerG(ConfigSection):\n    H: dict[str, Any]\n\n"
        'class LargerConfig(SmallConfig):\n    """The larger one."""\n\n    A: LargerA\n    G: LargerG\n'
    )


def test_at_run_time_every_config_is_a_cfg_node() -> None:
    for module in (petlib.config.typed, pet.typed):
        text = Path(module.__file__ or "").with_suffix(".pyi").read_text(encoding="utf-8")
        stated = set(re.findall(r"^class (\w+Config)\b|^(\w+Config) = Any|import \w+Config as (\w+Config)$", text, re.MULTILINE))
        names = {name for found in stated for name in found if name}
        assert names == {name for name in vars(module) if name.endswith("Config")}
        assert all(getattr(module, name) is CfgNode for name in names)


BUILDER = """
from pet.typed import ActionConfig, ContrastConfig, LandcoverConfig, VisionConfig
from petlib.config import CfgNode
from petlib.config.typed import PetlibConfig
from petlib.solver.optimizers import build_gradient_clipper

def build(cfg: VisionConfig, raw: CfgNode, land: LandcoverConfig) -> float:
    build_gradient_clipper(cfg)
    build_gradient_clipper(raw)
    settings = cfg.MODEL.BOX.RPN
    return cfg.SOLVER.OPTIMIZER.BASE_LR + settings.NMS + land.SEMI.MOMENTUM
"""
MISTAKES = {
    "rate: str = VisionConfig().SOLVER.OPTIMIZER.BASE_LR": 'expression has type "float", variable has type "str"',
    "VisionConfig().SOLVER.OPTIMZER": '"PetlibSolver" has no attribute "OPTIMZER"',
    "VisionConfig().MODEL.BOX.RPN.NSM": '"VisionModelBoxRpn" has no attribute "NSM"',
    "PetlibConfig().MODEL": '"PetlibConfig" has no attribute "MODEL"',
    "ActionConfig().MODEL.FRAMES.lower()": '"int" has no attribute "lower"',
    "ContrastConfig().CONTRAST.QUEU": '"ContrastContrast" has no attribute "QUEU"',
    "LandcoverConfig().SEMI.CUTMIX.BOXES.lower()": '"int" has no attribute "lower"',
}


@pytest.mark.nightly
def test_mypy_finds_a_wrong_type_and_a_misspelt_key_in_a_builder(tmp_path: Path) -> None:
    """What is right gives no error, and each mistake one, in its line."""
    path = tmp_path / "builder.py"
    path.write_text("\n".join([BUILDER, *MISTAKES]))
    first = len(BUILDER.splitlines()) + 1
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir", str(tmp_path / "cache")]
    done = subprocess.run([*command, "--config-file", str(ROOT / "pyproject.toml"), str(path)], cwd=ROOT, capture_output=True, text=True)
    errors = [line.removeprefix(f"{path}:").partition(": error: ") for line in done.stdout.splitlines() if ": error: " in line]
    assert [int(place) for place, _, _ in errors] == [*range(first + 1, first + 1 + len(MISTAKES))], done.stdout + done.stderr
    assert all(mistake in error for (_, _, error), mistake in zip(errors, MISTAKES.values(), strict=True))
