"""Names of classes that data sets of scripts have."""

from types import SimpleNamespace
from typing import Any

import pytest

from pet.compat.shared.class_names import check_same_classes, class_names
from petlib.errors import DataError


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"CLASSES": ("cat", "dog")}, ["cat", "dog"]),
        ({"labels": ["cat", "dog", "cat"], "class_names": ["dog", "cat"]}, ["dog", "cat"]),
        ({"label_map": {0: "cat", 1: "dog"}}, ["cat", "dog"]),
        ({"class_to_idx": {"dog": 1, "cat": 0}}, ["cat", "dog"]),
        # the label of each sample, numbers, numbers that are none of places, and nothing
        ({"labels": ["cat", "dog", "cat"]}, []),
        ({"labels": [0, 1, 1]}, []),
        ({"label_map": {1: "cat", 2: "dog"}}, []),
        ({"label_map": {"cat": "Katze"}}, []),
        ({"classes": 3}, []),
        ({}, []),
    ],
)
def test_names_are_what_can_only_be_names(attributes: dict[str, Any], expected: list[str]) -> None:
    assert class_names(SimpleNamespace(**attributes)) == expected


def test_other_names_and_another_order_are_refused() -> None:
    check_same_classes("val", ["a", "b"], ["a", "b"])
    check_same_classes("val", [], ["a", "b"])
    check_same_classes("val", ["a", "b"], [])
    for names in (["b", "a"], ["a", "c"], ["a"]):
        with pytest.raises(DataError, match=r"^val: "):
            check_same_classes("val", names, ["a", "b"])
