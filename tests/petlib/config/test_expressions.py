from pathlib import Path
from typing import Any

import pytest

from petlib.config import ConfigError, read_nested


def read(folder: Path, text: str) -> dict[str, Any]:
    path = folder / "x.py"
    path.write_text(text)
    return read_nested(path).to_dict()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("norm = dict(mean=[0.5])\nx = dict(type='Normalize', **norm)", {"type": "Normalize", "mean": [0.5]}),
        ("base = dict(a=1, b=2)\nx = {**base, 'b': 3}", {"a": 1, "b": 3}),
        ("base = dict(a=1)\nx = dict(base, b=2)", {"a": 1, "b": 2}),
        ("root = '/data'\nx = f'{root}/train_{3:02d}'", "/data/train_03"),
        ("x = 'epoch_%d_%s' % (3, 'a')", "epoch_3_a"),
        ("x = [int(32 * 0.125), 7 // 2, 7 % 4, 2**10, -1, +2]", [4, 3, 3, 1024, -1, 2]),
        ("x = [sum([18, 36]), min(3, 1), max([2, 5]), len('abc'), abs(-2), round(2.5)]", [54, 1, 5, 3, 2, 2]),
        ("a = [1, 2, 3]\nx = [a[0], a[-1], a[1:], a[::-1]]", [1, 3, [2, 3], [3, 2, 1]]),
        ("a = dict(b=dict(c=5))\nx = a['b']['c']", 5),
        ("a = [1]\nx = a + [2] * 2 + [*range(3, 5)]", [1, 2, 2, 3, 4]),
        ("x = (1,) + (2,)", (1, 2)),
        ("x = [(s, s * 2) for s in range(0, 30, 10) if s != 10]", [(0, 0), (20, 40)]),
        ("x = [dict(type='Conv', width=w * k) for w in (1, 2) for k in [3]]", [{"type": "Conv", "width": 3}, {"type": "Conv", "width": 6}]),
        ("x = {name: number for number, name in enumerate(['a', 'b'], 1)}", {"a": 1, "b": 2}),
        ("x = dict(zip(['a', 'b'], tuple([1, 2])))", {"a": 1, "b": 2}),
        ("x = sorted([3, 1, 2], reverse=True)", [3, 2, 1]),
        ("x = sum(n * n for n in range(4))", 14),
        ("big = True\nx = [str(512 if big and not False else 256), float('1e-3'), 'a' in ['a']]", ["512", 0.001, True]),
        ("x = y = 3\nx += 1", 4),
        ("h, w = 3, 4\nx = h * w", 12),
    ],
)
def test_ordinary_expressions_mean_what_python_makes_of_them(text: str, expected: Any, tmp_path: Path) -> None:
    found = read(tmp_path, text)["x"]
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("norm = 1\nx = nrm", r"x.py:2: x: 'nrm' is not plain data: no line above gives it a value; did you mean norm\?"),
        ("a = dict(b=1)\nx = a['c']", r"x.py:2: x: there is no 'c' in 'a'; there is b"),
        ("x = [1][3]", r"x.py:1: x: '\[1\]\[3\]' cannot be computed: list index out of range"),
        ("x = 1 / 0", r"x.py:1: x: '1 / 0' cannot be computed: division by zero"),
        ("x = 'a' + 1", r"x.py:1: x: .* cannot be computed: "),
        ("a = dict(b=1)\nx = dict(b=2, **a)", r"x.py:2: x: b is given twice; keep one"),
        ("a = dict(b=1)\na['b'] = 2", r"x.py:2: a\['b'\]: a value cannot be changed later; write the entry where the value is made"),
        ("x = [*3]", r"x.py:1: x\[0\]: '3' is 3; a list expected"),
        ("x = dict(**3)", r"x.py:1: x: \*\*'3' is 3; a mapping expected"),
        ("a, b = 1, 2, 3", r"x.py:1: \(a, b\): \(1, 2, 3\) given, 2 values expected"),
    ],
)
def test_what_is_wrong_is_reported_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read(tmp_path, text)
    assert str(caught.value).count("x.py") == 1


def test_entries_of_a_comprehension_have_their_line(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text("a = 1\nsteps = [*[], *[0],\n    dict(type='A'), dict(\n    type='B')]\nother = [dict(type=n)\n    for n in 'ab']\n")
    config = read_nested(path)
    assert config.place("steps.2.type") == f"{path}:4: steps.2.type"
    assert config.place("other.1.type") == f"{path}:5: other.1.type"
