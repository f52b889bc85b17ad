"""Arguments from a config, held against what a component declares."""

import typing
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from petlib.arguments import fit_arguments, split_entry
from petlib.errors import ConfigError


class Painter:
    def __init__(
        self, *, strokes: int, size: int | Sequence[int] = 1, strength: float = 1.0, names: Sequence[str] | None = None, hook: Any = None
    ) -> None:
        self.given = strokes, size, strength, names, hook


def untyped(width, table: Mapping[str, np.ndarray] | None = None):  # type: ignore[no-untyped-def]
    return width, table


def listed(entries: typing.List) -> Any:  # type: ignore[type-arg]  # noqa: UP006 -- as users write it
    return entries


def open_ended(width: int, *others: int, **options: int) -> Any:
    return width, others, options


def fit(**given: Any) -> dict[str, Any]:
    return fit_arguments("transform", "Painter", Painter, given)


def test_values_become_those_of_the_annotations() -> None:
    assert fit(strokes=3.0, size=[2, 4.0], strength=2, names=None) == {"strokes": 3, "size": [2, 4], "strength": 2.0, "names": None}
    fitted = fit(strokes=1, strength=2, size="8")
    assert [type(value) for value in fitted.values()] == [int, float, int]


def test_what_no_config_declares_is_left_alone() -> None:
    thing = object()
    assert fit(strokes=1, hook=thing)["hook"] is thing
    assert fit_arguments("transform", "untyped", untyped, {"width": thing, "table": {"a": 1}}) == {"width": thing, "table": {"a": 1}}


def test_a_bare_list_of_typing_is_any_list() -> None:
    assert fit_arguments("data set", "listed", listed, {"entries": [{"name": "Flip"}, 3]}) == {"entries": [{"name": "Flip"}, 3]}
    with pytest.raises(ConfigError, match="data set listed: entries: 3 given, list expected"):
        fit_arguments("data set", "listed", listed, {"entries": 3})


def test_open_ended_arguments_take_any_name_and_are_not_missing() -> None:
    assert fit_arguments("network", "open", open_ended, {"width": 3.0, "depth": "deep"}) == {"width": 3, "depth": "deep"}
    with pytest.raises(ConfigError, match="network open: width missing"):
        fit_arguments("network", "open", open_ended, {"depth": 1})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"strokes": 2.5}, "transform Painter: strokes: 2.5 given, int expected"),
        ({"strokes": True}, "transform Painter: strokes: True given, int expected"),
        ({"strokes": 1, "size": "big"}, r"transform Painter: size: 'big' given, int or list\[int\] expected"),
        ({"strokes": 1, "names": "rotate"}, r"transform Painter: names: 'rotate' given, list\[str\] or None expected"),
        (
            {"strokes": 1, "strenght": 1},
            r"transform Painter: unknown argument 'strenght'; did you mean strength\?.* \(it takes strokes, size",
        ),
        ({"size": 1}, r"transform Painter: strokes missing; write \{name: Painter, strokes: \.\.\.\}"),
    ],
)
def test_what_does_not_fit_is_reported(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        fit(**given)


def test_an_entry_is_a_name_or_a_mapping_with_one() -> None:
    assert split_entry("BRUSHES", "Painter", example="") == ("Painter", {})
    entry = {"name": "Painter", "strokes": 3}
    assert split_entry("BRUSHES", entry, example="") == ("Painter", {"strokes": 3})
    assert entry == {"name": "Painter", "strokes": 3}


@pytest.mark.parametrize("entry", [3, {"strokes": 3}, {"name": 3}, ["Painter"]])
def test_an_entry_of_another_kind_is_reported(entry: Any) -> None:
    with pytest.raises(ConfigError, match=r"BRUSHES: .* given, a name or a mapping like \{name: Painter\} expected"):
        split_entry("BRUSHES", entry, example="{name: Painter}")
