import importlib.util
import logging
import sys
from pathlib import Path

import pytest

from petlib.errors import ConfigError
from petlib.registry import EntryRegistry, Registry, import_component, import_user_modules


def test_a_built_in_component_is_imported_when_it_is_asked_for() -> None:
    registry = Registry("codec", {"json": "json:dumps", "absent": "no_such_module:x"})
    assert registry.get("json")([1]) == "[1]"
    assert registry.names() == ["absent", "json"]


def test_an_unknown_name_gives_the_nearest_names_and_the_modules() -> None:
    registry = Registry("optimizer", {"SGD": "torch.optim:SGD", "Adam": "torch.optim:Adam"})

    @registry.register("AdamTwo")
    def make() -> None: ...

    with pytest.raises(ConfigError) as error:
        registry.get("Adm")
    message = str(error.value)
    assert message.startswith("unknown optimizer 'Adm'; did you mean Adam")
    assert f"modules looked at: {__name__}, torch.optim" in message


def test_a_layer_says_in_its_own_words_how_components_are_added() -> None:
    with pytest.raises(ConfigError, match=r"modules looked at: none \(import it in train.py\)"):
        Registry("loss", hint="import it in train.py").get("focal")


def test_a_name_is_registered_once() -> None:
    registry = Registry("loss", {"focal": "x:y"})
    with pytest.raises(ConfigError, match="the loss 'focal' of .* has a name that is taken by x:y"):
        registry.register("focal")(print)


def test_a_name_that_is_given_twice_may_be_refused_on_use() -> None:
    registry = Registry("loss", if_taken="refuse_on_use")
    registry.register("focal")(print)
    registry.register("dice")(print)
    registry.register("focal")(len)
    for name in ("focal", "dice"):
        with pytest.raises(ConfigError, match="the loss 'focal' of builtins.len has a name that is taken by builtins.print"):
            registry.get(name)


def test_a_name_that_is_given_twice_may_replace_what_had_it(caplog: pytest.LogCaptureFixture) -> None:
    registry = Registry("loss", if_taken="replace")
    registry.register("focal")(print)
    with caplog.at_level(logging.INFO):
        registry.register("focal")(len)
    assert registry.get("focal") is len
    assert "the loss focal of builtins takes the place of an earlier one" in caplog.text


def test_a_component_of_a_user_may_take_the_place_of_a_built_in_one(caplog: pytest.LogCaptureFixture) -> None:
    registry = Registry("number", {"Half": "fractions:Fraction"}, replaces_builtin=True)
    with caplog.at_level(logging.INFO):
        registry.register("Half")(print)
    assert registry.get("Half") is print
    assert "takes the place of the built-in number of this name" in caplog.text
    with pytest.raises(ConfigError, match="'Half' of builtins.len has a name that is taken by builtins.print"):
        registry.register("Half")(len)


def test_a_script_that_is_also_imported_registers_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train.py").write_text("class Net:\n    pass\n")
    registry = Registry("network")
    for name in ("run_script", "imported_script"):
        spec = importlib.util.spec_from_file_location(name, tmp_path / "train.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        registry.register()(module.Net)
    assert registry.get("Net").__module__ == "imported_script"


def test_user_modules_are_imported_and_a_missing_one_is_named() -> None:
    with pytest.raises(ConfigError, match="the config imports: there is no module 'no_such_module_of_mine'"):
        import_user_modules(["json", "no_such_module_of_mine"])


def test_a_mistake_in_a_user_module_is_reported_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_package").mkdir()
    texts = {
        "misspelt": "x = 1\nregsitry = y\n",
        "cut_off": "def f(\n",
        "needs": "import own_package.misspelt\n",
        "deep": "import json\njson.loads('')\n",
    }
    for name, text in texts.items():
        (tmp_path / "own_package" / f"{name}.py").write_text(text)
    misspelt = rf"^{tmp_path}/own_package/misspelt.py:2: NameError: name 'y' is not defined\n    regsitry = y$"
    for name, message in {
        "misspelt": misspelt,
        "needs": misspelt,
        "cut_off": rf"^{tmp_path}/own_package/cut_off.py:1: SyntaxError: '\(' was never closed\n    def f\($",
        "deep": rf"^{tmp_path}/own_package/deep.py:2: JSONDecodeError: .*\n    json.loads\(''\)\n  raised in .*decoder.py:\d+, raw_decode$",
    }.items():
        with pytest.raises(ConfigError, match=message):
            import_user_modules([f"own_package.{name}"])
    with pytest.raises(ConfigError, match="there is no module 'own_package.absent'"):
        import_user_modules(["own_package.absent"])


def test_entries_say_what_is_known_before_anything_is_imported() -> None:
    registry = EntryRegistry("detector", {"fast": ("no_such_module:x", True)})
    registry.add("slow", (len, False))
    assert list(registry) == ["fast", "slow"]
    assert [one_stage for _, one_stage in registry.entries()] == [True, False]
    assert "slow" in registry
    assert registry.get("slow")[0] is len


def test_an_unknown_entry_gives_the_nearest_name_and_a_taken_one_is_refused() -> None:
    registry = EntryRegistry("detector", {"retinanet": 1, "fcos": 2})
    with pytest.raises(ConfigError, match=r"unknown detector 'retinnet'; did you mean retinanet\?\n  there are: retinanet, fcos"):
        registry.get("retinnet")
    with pytest.raises(ConfigError, match="there is a detector 'fcos' already"):
        registry.add("fcos", 3)


def test_a_component_is_given_as_itself_or_by_name() -> None:
    assert import_component("json:dumps")([1]) == "[1]"
    assert import_component(len) is len
