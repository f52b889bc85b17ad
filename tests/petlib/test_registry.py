import pytest

from petlib.errors import ConfigError
from petlib.registry import Registry, import_user_modules


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


def test_a_door_says_in_its_own_words_how_components_are_added() -> None:
    with pytest.raises(ConfigError, match=r"modules looked at: none \(import it in train.py\)"):
        Registry("loss", hint="import it in train.py").get("focal")


def test_a_name_is_registered_once() -> None:
    registry = Registry("loss", {"focal": "x:y"})
    with pytest.raises(ConfigError, match="the loss 'focal' of .* has a name that is taken by x:y"):
        registry.register("focal")(print)


def test_a_name_that_is_given_twice_may_be_told_late() -> None:
    registry = Registry("loss", tells_late=True)
    registry.register("focal")(print)
    registry.register("dice")(print)
    registry.register("focal")(len)
    for name in ("focal", "dice"):
        with pytest.raises(ConfigError, match="the loss 'focal' of builtins has a name that is taken by builtins"):
            registry.get(name)


def test_user_modules_are_imported_and_a_missing_one_is_named() -> None:
    with pytest.raises(ConfigError, match="the config imports: there is no module 'no_such_module_of_mine'"):
        import_user_modules(["json", "no_such_module_of_mine"])
