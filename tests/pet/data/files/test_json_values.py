"""What values of JSON mean, by their type."""

from typing import Any

import pytest

from pet.data.files.json_values import as_flag, as_number, as_numbers, as_whole_number

NOTHING: list[Any] = [None, True, False, [], {}, "", " ", "three", "1,5", "0x3", "nan", "inf", "١", float("nan"), float("inf"), "1" * 400]


@pytest.mark.parametrize(("value", "number"), [(3, 3), (3.0, 3), ("3", 3), (" 3 ", 3), ("3.0", 3), ("-3", -3), ("0007", 7), (2**70, 2**70)])
def test_whole_numbers(value: object, number: int) -> None:
    found = as_whole_number(value)
    assert (found, type(found)) == (number, int)


@pytest.mark.parametrize("value", [*NOTHING, 3.5, "3.5", "1e3"])
def test_what_is_no_whole_number(value: object) -> None:
    assert as_whole_number(value) is None


@pytest.mark.parametrize(("value", "number"), [(3, 3), (2.5, 2.5), ("2.5", 2.5), ("-.5", -0.5), ("1e-2", 0.01), ("7.", 7.0)])
def test_numbers(value: object, number: float) -> None:
    assert as_number(value) == number


@pytest.mark.parametrize("value", [*NOTHING, "1e999"])
def test_what_is_no_number(value: object) -> None:
    assert as_number(value) is None
    assert as_numbers([1, value]) is None


def test_lists_of_numbers() -> None:
    assert as_numbers(["1", 2.5, 0]) == [1, 2.5, 0]
    assert as_numbers([]) == []
    for value in ("12", None, 3, {"1": 2}):
        assert as_numbers(value) is None


@pytest.mark.parametrize("value", [0, 0.0, "0", "False", "false", " FALSE ", False, None])
def test_what_is_false(value: object) -> None:
    assert as_flag(value) is False


@pytest.mark.parametrize("value", [1, 1.0, "1", "True", "true", True])
def test_what_is_true(value: object) -> None:
    assert as_flag(value) is True


@pytest.mark.parametrize("value", [2, -1, 0.5, "no", "yes", "", [], {}, float("nan")])
def test_what_is_neither(value: object) -> None:
    assert as_flag(value) is None
