"""Arguments from a config, held against what a component declares."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from pet.data import build_transforms
from pet.data.transforms.arguments import fit_arguments
from petlib.errors import ConfigError


class Painter:
    def __init__(
        self, *, strokes: int, size: int | Sequence[int] = 1, strength: float = 1.0, names: Sequence[str] | None = None, hook: Any = None
    ) -> None:
        self.given = strokes, size, strength, names, hook


def untyped(width, table: Mapping[str, np.ndarray] | None = None):  # type: ignore[no-untyped-def]
    return width, table


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
def test_what_does_not_fit_is_told(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        fit(**given)


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "RandomCrop", "padding": 2.5},
        {"name": "RandomCrop", "fill": 256},
        {"name": "CenterCrop", "fill": 1000},
        {"name": "Resize", "size": True},
        {"name": "Resize", "size": 0},
        {"name": "RandomResizedCrop", "scale": 0.5},
        {"name": "RandAugment", "fill": -1},
        {"name": "Normalize", "mean": [123.7, 116.3, 103.5], "std": [58.4, 57.1, 57.4]},
        {"name": "Normalize", "std": ["a", "b", "c"]},
    ],
)
def test_wrong_arguments_are_told_before_an_image_is_read(entry: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"{entry['name']}.* given, .*expected"):
        build_transforms([entry], default_size=32)


def test_what_works_on_bytes_cannot_follow_normalize() -> None:
    message = "transform RandomErasing: it works on pixels from 0 to 255 and stands after Normalize; put Normalize at the end"
    with pytest.raises(ConfigError, match=message):
        build_transforms(["Normalize", "RandomHorizontalFlip", "RandomErasing"], default_size=32)
    with pytest.raises(ConfigError, match="transform Normalize: it works on pixels"):
        build_transforms(["Normalize", "Normalize"], default_size=32)
    assert build_transforms(["Normalize", "RandomHorizontalFlip"], default_size=32)[1] is None
