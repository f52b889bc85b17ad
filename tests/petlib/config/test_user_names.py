"""Names in a config that come from modules of the user."""

import sys
from pathlib import Path

import pytest

from petlib.config import PETLIB_SCHEMA, CfgNode, ConfigError, Key, load_cfg, merge_schemas
from petlib.registry import EntryRegistry

KINDS: EntryRegistry[str] = EntryRegistry("kind", {"own": "built in"})


class Task:
    """Settings with a key whose choices, and a section whose keys, a user's module adds to."""

    def get_base_cfg(self) -> CfgNode:
        sections = {name.upper(): Key(1, "A key of the component.") for name in KINDS}
        return CfgNode(merge_schemas(PETLIB_SCHEMA, {"MODEL": {"KIND": Key("own", "A kind.", choices=KINDS), **sections}}))

    def infer_cfg(self, cfg: CfgNode) -> None:
        pass


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a module that adds the kind ``mine`` when it is imported."""
    (tmp_path / "adds_a_kind.py").write_text(f"from {__name__} import KINDS\nif 'mine' not in KINDS:\n    KINDS.add('mine', 'a user')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "adds_a_kind", raising=False)
    monkeypatch.setattr(KINDS, "_entries", {"own": "built in"})
    return "adds_a_kind"


def load(tmp_path: Path, *lines: str) -> CfgNode:
    path = tmp_path / "run.yaml"
    path.write_text("\n".join(["SOLVER: {SCHEDULER: {TOTAL_EPOCHS: 1}}", *lines]))
    return load_cfg(Task(), path)


def test_a_name_of_a_users_module_is_known(module: str, tmp_path: Path) -> None:
    cfg = load(tmp_path, f"MISC: {{IMPORTS: [{module}]}}", "MODEL: {KIND: mine, MINE: 3}")
    assert (cfg.MODEL.KIND, cfg.MODEL.MINE) == ("mine", 3)


def test_a_config_without_mistakes_imports_nothing(module: str, tmp_path: Path) -> None:
    load(tmp_path, f"MISC: {{IMPORTS: [{module}]}}", "MODEL: {KIND: own}")
    assert module not in sys.modules


def test_a_misspelt_name_is_reported_with_its_line_and_all_names(module: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"run.yaml:3: MODEL.KIND: 'min' \(str\) given, one of 'own', 'mine' expected"):
        load(tmp_path, f"MISC: {{IMPORTS: [{module}]}}", "MODEL: {KIND: min}")
    with pytest.raises(ConfigError, match="MODEL.MINNE: unknown key; did you mean MODEL.MINE?"):
        load(tmp_path, f"MISC: {{IMPORTS: [{module}]}}", "MODEL: {MINNE: 3}")
    with pytest.raises(ConfigError, match="there is no module 'no_such_module_of_mine'"):
        load(tmp_path, "MISC: {IMPORTS: [no_such_module_of_mine]}", "MODEL: {KIND: another}")


def test_the_default_is_allowed_next_to_the_choices() -> None:
    key = Key("", "Which.", choices=("fpn",))
    assert key.check("") == ""
    with pytest.raises(ValueError, match="one of '', 'fpn'"):
        key.check("fnp")


@pytest.mark.parametrize(("given", "value"), [(0, 0), (7, 7), ("auto", "auto")])
def test_text_that_is_allowed_next_to_numbers(given: int | str, value: int | str) -> None:
    assert Key(0, "How many.", type=int | str, choices=("auto",), minimum=0).check(given) == value


@pytest.mark.parametrize(("given", "expected"), [("all", r"one of 0, 'auto' or another int"), (-1, "at least 0"), (1.5, "or another int")])
def test_neither_other_text_nor_other_numbers(given: object, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        Key(0, "How many.", type=int | str, choices=("auto",), minimum=0).check(given)
