"""Config files that were made to fill the memory, to wait for ever or to run code are reported in one message."""

import os
import sys
from pathlib import Path

import pytest

from petlib.config import ConfigError, load_cfg, read_nested
from petlib.config.key import coerce
from petlib.config.layers import parse_value, read_files
from petlib.config.limits import shown
from tests.petlib.config.test_cfg_node import TASK

SCHEDULE = "SOLVER: {SCHEDULER: {TOTAL_EPOCHS: 1}}\n"
ALIAS_BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
MAPPING_BOMB = "a0: &a0 {x: 1, y: 2}\n" + "".join(f"a{n}: &a{n} {{x: *a{n - 1}, y: *a{n - 1}, z: *a{n - 1}}}\n" for n in range(1, 20))
MERGE_BOMB = "a0: &a0 {x: 1, y: 2}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12))
NAME_BOMB = "a0 = [1, 1, 1, 1]\n" + "".join(f"a{n} = [a{n - 1}, a{n - 1}, a{n - 1}, a{n - 1}]\n" for n in range(1, 20))
NAME_TOWER = "a = []\n" + "a = [a]\n" * 100


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.yaml", ALIAS_BOMB, r"x.yaml:6: more than 100000 values, those that are used again counted each time"),
        ("x.yaml", MAPPING_BOMB, r"more than 100000 values"),
        ("x.yaml", MERGE_BOMB, r"more than 100000 values"),
        ("x.py", NAME_BOMB, r"x.py:9: more than 100000 values"),
        ("x.py", NAME_TOWER, r"x.py:65: more than 64 levels"),
        ("x.yaml", "a:\n" + "".join(" " * n + "-\n" for n in range(1, 80)), r"x.yaml:16: more than 64 levels of lists and mappings"),
        ("x.yaml", "a:\n" + "".join(" " * n + "-\n" for n in range(1, 900)), r"x.yaml: lists and mappings are nested too deeply"),
        ("x.yaml", "a: " + "[" * 100_000, r"x.yaml:1:68: not valid YAML: more than 64 levels of brackets in each other"),
        ("x.py", "a = " + "-" * 50_000 + "1", r"x.py: an expression in it is nested too deeply"),
        ("x.py", "a = 1" + " + 1" * 50_000, r"x.py: an expression in it is nested too deeply"),
        ("x.py", "a = " + "[" * 500, r"x.py:1:\d+: not valid Python: too many nested parentheses"),
        ("x.py", "a = 'a' * 10**9", r"x.py:1: a: .*: more than 1048576 characters of text are made"),
        (
            "x.py",
            "a = 'a' * 1000000\nb = [f'{a}{n}' for n in range(9)]",
            r"x.py:2: b\[0\]: .*: more than 1048576 characters of text",
        ),
        ("x.py", "a = '%999999999d' % 1", r"x.py:1: a: .*: only single values of ordinary width fill a text"),
        ("x.py", "a = f'{1:999999999}'", r"x.py:1: a: .*: a text of the width '999999999' is asked for"),
        ("x.py", "a = 9**9**9", r"x.py:1: a: '9 \*\* 9 \*\* 9': a number of more than 64 bits"),
        ("x.py", "a = 10**10**10", r"x.py:1: a: '10 \*\* 10 \*\* 10': a number of more than 64 bits"),
        ("x.py", "a = range(10**18)", r"x.py:1: a: .*: more than 500000 steps"),
        ("x.py", "a = [0] * 10**9", r"x.py:1: a: .*: more than 500000 steps"),
        ("x.py", "a = [c for a in range(999) for b in range(999) for c in range(999)]", r"x.py:1: a.*: more than 500000 steps"),
        ("x.py", "a = sum([[1], [2]], [])", r"x.py:1: a: .*: sum is for numbers; join lists with \+"),
        ("x.py", "a = ''.__class__.__mro__", r"x.py:1: a: .* is not plain data; a config is read, not executed, and may hold literals"),
        ("x.py", "a = (lambda: 1)()", r"x.py:1: a: .* is not plain data"),
        ("x.py", "a = eval('1')", r"x.py:1: a: .* is not plain data"),
        ("x.py", "a = str([1])", r"x.py:1: a: 'str\(\[1\]\)': str takes a single value here"),
        ("x.py", "a = {(1, 2): 3}", r"x.py:1: a: a list is the name of an entry"),
        ("x.py", "a = 18446744073709551616\nb = a * a", r"x.py:2: b: a whole number of 129 bits given, at most 64 expected"),
        ("x.py", "a = 0x" + "f" * 9000, r"x.py:1: a: a whole number of 36000 bits given"),
        ("x.py", "a = " + "9" * 9000, r"x.py:1:\d+: not valid Python: Exceeds the limit"),
        ("x.py", "a = b'x'", r"x.py:1: a: a value of the type bytes is not plain data"),
        ("x.py", "a = 1j", r"the type complex is not plain data"),
        ("x.py", "a = {'b': 1, 'b': 2}", r"x.py:1: a: 'b' is given twice; keep one"),
        ("x.py", "a = dict(b=1, b=2)", r"x.py:1: a: b is given twice; keep one"),
        ("x.py", "a = '\\0'", r"x.py:1: a: the text '\\x00' holds the character '\\x00', which no path and no name has"),
        ("x.py", "a = '\\ud800'", r"holds the character '\\ud800'"),
        ("x.py", "a = 1\0", r"not valid Python: source code string cannot contain null bytes|source code"),
        ("x.yaml", 'a: "\\0"', r"x.yaml:1:4: not valid YAML: the text '\\x00' holds the character '\\x00'"),
        ("x.yaml", 'a: "\\e[31m"', r"holds the character '\\x1b'"),
        ("x.yaml", "a: \0", r"x.yaml: not valid YAML: unacceptable character #x0000"),
        ("x.yaml", "a: " + "9" * 6000, r"x.yaml:1:4: not valid YAML: a number of 6000 characters"),
        ("x.yaml", "a: 0x" + "f" * 90, r"x.yaml:1:4: not valid YAML: a whole number of 360 bits given"),
        ("x.yaml", "a: " + "1:" * 5000 + "1", r"a number of 10001 characters"),
        ("x.yaml", "a: !!int ''", r"x.yaml:1:4: not valid YAML: '' is no int"),
        ("x.yaml", "a: !!bool maybe", r"'maybe' is no bool"),
        ("x.yaml", "a: !!float x", r"'x' is no float"),
        ("x.yaml", "a: !!binary aGk=", r"the tag 'tag:yaml.org,2002:binary' is not plain data"),
        ("x.yaml", "a: !!set {b, c}", r"the tag 'tag:yaml.org,2002:set' is not plain data"),
        ("x.yaml", "a: !!python/object/apply:os.system [false]", r"x.yaml:1:4: not valid YAML: the tag .*os.system' is not plain data"),
        ("x.yaml", "- &a [*a]", r"this file holds a list"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
def test_both_readers_refuse_it(name: str, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match=message) as nested:
        read_nested(tmp_path / name)
    with pytest.raises(ConfigError, match=message):
        load_cfg(TASK, tmp_path / name)
    assert len(str(nested.value)) < 1000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfea\x00:\x00", r"x\.yaml:1: no text in UTF-8, which a config is"),
        (b"a: " + b"x" * (1 << 20), r"x.yaml: more than 1048576 bytes, which no config has"),
    ],
    ids=["UTF-16", "size"],
)
def test_other_bytes(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_files(tmp_path / "x.yaml")


def test_what_editors_and_people_write_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xef\xbb\xbfname: 2024-01-31\nwhen: 2024-13-45\na: [1, 1:30, 0x10, 18446744073709551616]\n")
    config = read_nested(tmp_path / "x.yaml")
    # dates are text: a config has no use for them, and checkpoints refuse them
    assert config.get("name") == "2024-01-31"
    assert config.get("when") == "2024-13-45"
    assert config.get("a") == [1, 90, 16, 2**64]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.yaml")
    with pytest.raises(ConfigError, match=r"x.yaml: a file expected, this is a folder, a pipe or a device"):
        read_files(tmp_path / "x.yaml")


def test_bases_that_double_and_links_that_go_round(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}.yaml").write_text(f"_BASE_: [{number + 1}.yaml, {number + 1}.yaml]\n")
    (tmp_path / "30.yaml").write_text("a: 1\n")
    with pytest.raises(ConfigError, match=r"_BASE_: more than 100 files are named, each counted as often as it is"):
        read_files(tmp_path / "0.yaml")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    with pytest.raises(ConfigError, match=r"loop.yaml: cannot be read: .*symbolic links"):
        read_files(tmp_path / "loop.yaml")


def test_a_base_in_a_package_imports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "pet_hostile_package" / "inner"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("raise SystemExit('imported')\n")
    (package / "base.yaml").write_text("a: 1\n")
    (tmp_path / "x.yaml").write_text("_BASE_: package:pet_hostile_package.inner/base.yaml\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert read_nested(tmp_path / "x.yaml").get("a") == 1
    assert "pet_hostile_package" not in sys.modules
    (tmp_path / "x.yaml").write_text(f"_BASE_: package:petlib.{'a' * 300}/base.yaml\n")
    with pytest.raises(ConfigError, match=r"there is no package petlib.a+; package:PACKAGE/FILE expected"):
        read_nested(tmp_path / "x.yaml")


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        (10**400, float, "float of at most 64 bits"),
        (10**400, int, "int of at most 64 bits"),
        (float("nan"), float, "a number, and not NaN,"),
    ],
)
def test_numbers_that_nothing_can_hold(value: float, annotation: type, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        coerce(value, annotation)


@pytest.mark.parametrize("text", ["[" * 100_000, "{[]: 1}", "-" * 100_000, "\0"])
def test_texts_that_are_no_lists(text: str) -> None:
    with pytest.raises(ValueError, match=r"list\[int\]"):
        coerce(text, list[int])


@pytest.mark.parametrize("text", ["[" * 100_000, "{[]: 1}", "-" * 50_000, "!!int ''", "!!python/name:os.system", "&a [*a]", "2024-13-45"])
def test_overrides_that_are_no_values_are_text(text: str) -> None:
    assert parse_value(text) == text


def test_values_are_cut_in_messages() -> None:
    assert shown("a" * 1000) == f"'{'a' * 199}... (1002 characters)"
    assert shown([1, "b"]) == "[1, 'b']"
    assert shown(10**5000).startswith("a value of the type int that cannot be shown (Exceeds the limit")
