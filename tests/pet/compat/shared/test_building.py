"""A name and arguments of a config become the object that they mean, whatever the layer calls the key of the name."""

from abc import ABC, abstractmethod
from typing import Any

import pytest

from pet.compat.shared.building import build, find, find_class
from petlib.config.nested import Component
from petlib.errors import ConfigError, DataError
from petlib.registry import Registry


class Thing:
    def __init__(self, size: float, label: str = None) -> None:  # type: ignore[assignment]
        if size < 0:
            raise DataError("size: below 0")
        self.size, self.label = size, label


class Unfinished(Thing, ABC):
    @abstractmethod
    def paint(self) -> None: ...


class Later:
    def __init__(self, size: "NotThere") -> None:  # type: ignore[name-defined]  # noqa: F821 -- a name for type checkers only
        self.size = size


def things() -> Registry:
    registry = Registry("thing")
    for component in (Thing, Unfinished, Later):
        registry.register()(component)
    return registry


def make(name: str, **arguments: Any) -> Any:
    return build(things(), Component(name, arguments, "x.py:3: parts"), name_key="type")


def test_arguments_come_in_the_types_that_are_declared() -> None:
    thing = make("Thing", size=3, label=None)
    assert (thing.size, type(thing.size), thing.label) == (3.0, float, None)
    assert make("Later", size="x").size == "x"


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("Thng", {}, "x.py:3: parts: unknown thing 'Thng'; did you mean Thing?"),
        ("Thing", {"sise": 1}, "x.py:3: parts: thing Thing: unknown argument 'sise'; did you mean size? (it takes size, label)"),
        ("Thing", {}, "x.py:3: parts: thing Thing: size missing; write dict(type='Thing', size=...)"),
        ("Thing", {"size": "big"}, "x.py:3: parts: thing Thing: size: 'big' given, float expected"),
        ("Unfinished", {"size": 1}, f"x.py:3: parts: thing Unfinished: its class {__name__}.Unfinished does not define paint"),
    ],
)
def test_a_mistake_is_reported_with_its_place(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(name, **arguments)
    assert message in str(caught.value)


def test_what_a_constructor_says_has_its_place_too() -> None:
    with pytest.raises(DataError, match="^x.py:3: parts: size: below 0$"):
        make("Thing", size=-1)


def test_a_class_is_found_where_it_is_of_the_kind_that_is_asked_for() -> None:
    assert find(things(), Component("Later", {}, "here")) is Later
    assert find_class(things(), Component("Thing", {}, "here"), Thing) is Thing
    with pytest.raises(ConfigError, match="here: Later cannot be used: a subclass of Thing expected"):
        find_class(things(), Component("Later", {}, "here"), Thing)
    with pytest.raises(ConfigError, match="here: Unfinished cannot be used: it has to define paint"):
        find_class(things(), Component("Unfinished", {}, "here"), Thing)
