"""Configs changed by chance are read, or refused with a message."""

import contextlib
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import strategies as st

from pet.vision import config as vision
from petlib.config import load_cfg, read_nested
from petlib.errors import UserError
from tests.faults.conftest import Happened
from tests.faults.fuzz import COUNTS, assert_survives, generate
from tests.faults.mutations import mutated, mutated_trees

CFGS = Path(__file__).parents[2] / "cfgs" / "vision"
SAMPLES = [path.read_text(encoding="utf-8") for path in (CFGS / "digits/resnet20_digits.yaml", CFGS / "shapes/semseg_R-18.yaml")]
TREES = [yaml.safe_load(sample) for sample in SAMPLES]
YAML_TOKENS = [
    *(
        b"&a ",
        b"*a",
        b"<<: *a\n",
        b"<<: ",
        b"!!int ",
        b"!!binary ",
        b"!!set ",
        b"!!python/object/apply:os.system ",
        b"!!timestamp ",
        b"!x ",
    ),
    *(
        b"- ",
        b"? ",
        b": ",
        b"{",
        b"}",
        b"[",
        b"]",
        b"|\n",
        b">-\n",
        b"---\n",
        b"...\n",
        b"%YAML 1.2\n",
        b"\xef\xbb\xbf",
        b"\0",
        b"\t",
        b"'",
        b'"',
    ),
    *(
        b"2024-13-45",
        b"0x" + b"f" * 6000,
        b"9" * 6000,
        b"1:" * 3000 + b"1",
        b"!!int ''",
        b"!!bool x",
        b"[" * 400,
        b"{a: " * 400,
        b"- " * 600,
    ),
    *(
        b"_BASE_: x.yaml\n",
        b"_BASE_: [input.yaml, input.yaml]\n",
        b'"\\0"',
        b'"\\ud800"',
        b"a: &a [*a]\n",
        b"=",
        b"~",
        b"&b [*a, *a, *a]",
        b"\r",
        b"\x85",
    ),
]
PYTHON_TOKENS = [
    *(
        b"(",
        b")",
        b"[" * 300,
        b"{" * 90,
        b"-" * 5000,
        b"+1" * 3000,
        b".a" * 3000,
        b"9" * 5000,
        b"0x" + b"f" * 9000,
        b"'a' * 10**9",
        b"9**9**9",
    ),
    *(
        b"__import__('os').system('false')",
        b"open('/etc/passwd')",
        b"lambda: 0",
        b"\0",
        b"\t",
        b"\\",
        b"'",
        b'"""',
        b"\nimport os\n",
        b"\nx = x\n",
    ),
    *(
        b"*x",
        b"**x",
        b"1e999",
        b"1j",
        b"b'a'",
        b"...",
        b"f'{1}'",
        b"'\\ud800'",
        b"'\\0'",
        b"# coding: utf-7\n",
        b"if True:\n",
        b"\n_x = [1, 1, 1]\n",
    ),
    *(
        b"\nA = [_x, _x, _x]\n",
        b"not " * 3000,
        b"x if x else " * 3000,
        b"{1: 2, 1: 3}",
        b"{[]: 1}",
        b"1 / 0",
        b"dict(a=1, a=2)",
        b"\xff",
        b"\xef\xbb\xbf",
    ),
]


def as_yaml(tree: Any) -> bytes:
    try:
        return yaml.dump(tree, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True).encode("utf-8", "surrogatepass")
    except RecursionError:
        return b"A: " + b"[" * 2000


def as_python(tree: Any) -> bytes:
    entries = tree.items() if isinstance(tree, dict) else [("MISC", tree)]
    return "\n".join(f"{name} = {_repr(value)}" for name, value in entries).encode("utf-8", "surrogatepass")


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except (RecursionError, ValueError):
        return "[" * 500


def read(path: Path) -> None:
    with contextlib.suppress(UserError):
        read_nested(path).unread()
    load_cfg(vision, path).dump()


def check(strategy: st.SearchStrategy[bytes], count: int, name: str, folder: Path, happened: Happened) -> None:
    shutil.copy(CFGS / "shapes/base_R-18-FPN.yaml", folder)
    outcome = assert_survives(generate(strategy, count), read, folder, name=name)
    assert outcome.succeeded > count // 50, outcome
    assert outcome.refused > count // 4, outcome
    happened(str(outcome))


@pytest.mark.fault("let-in", "mutated YAML configs")
@pytest.mark.parametrize("count", COUNTS)
def test_yaml(count: int, tmp_path: Path, happened: Happened) -> None:
    samples = [sample.encode() for sample in SAMPLES]
    check(mutated_trees(TREES).map(as_yaml) | mutated(samples, YAML_TOKENS), count, "input.yaml", tmp_path, happened)


@pytest.mark.fault("let-in", "mutated Python configs")
@pytest.mark.parametrize("count", COUNTS)
def test_python(count: int, tmp_path: Path, happened: Happened) -> None:
    samples = [as_python(tree) for tree in TREES]
    check(mutated_trees(TREES).map(as_python) | mutated(samples, PYTHON_TOKENS), count, "input.py", tmp_path, happened)
