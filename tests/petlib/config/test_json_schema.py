"""The JSON schema takes what the config takes, and finds what editors are to underline."""

from typing import Any

import pytest
from jsonschema import Draft7Validator

from petlib.config import Key
from petlib.config.json_schema import json_schema

SCHEMA = {
    "TRAIN": {
        "BATCH_SIZE": Key(8, "Images of a step.", unit="images", minimum=1),
        "RATE": Key(None, "The learning rate.", type=float | None, minimum=0),
        "SIZES": Key([32], "Edges.", type=list[int]),
        "ORDER": Key("seeded", "Of the samples.", choices=("seeded", "sorted")),
        "SHUFFLE": Key(True, "Whether."),
        "TRANSFORMS": Key([], "Changes.", type=list[Any]),
        "ARGS": Key({}, "Anything."),
    }
}
VALIDATOR = Draft7Validator(json_schema(SCHEMA, title="A task", components={"TRANSFORMS": ["Flip", "Resize"]}))


def messages(**train: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors({"_BASE_": "base.yaml", "_TYPE_": "vision", "TRAIN": train})]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"BATCH_SIZE": 1, "RATE": 0.1, "SIZES": [64, 96], "ORDER": "sorted", "SHUFFLE": False, "ARGS": {"any": [1]}},
        {"BATCH_SIZE": 8.0, "RATE": None, "SIZES": "(64, 96)"},
        {"RATE": "1e-3"},
        {"RATE": "None"},
        {"TRANSFORMS": ["Flip", {"name": "Resize", "size": 3}, "OfMyOwn", {"name": "OfMyOwn"}]},
    ],
)
def test_what_the_config_takes_is_valid(values: dict[str, Any]) -> None:
    Draft7Validator.check_schema(VALIDATOR.schema)
    assert messages(**values) == []
    for name, value in values.items():
        SCHEMA["TRAIN"][name].check(value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"BATCHSIZE": 1}, "'BATCHSIZE' was unexpected"),
        ({"BATCH_SIZE": 0}, "0 is not valid"),
        ({"BATCH_SIZE": "many"}, "'many' is not valid"),
        ({"BATCH_SIZE": True}, "True is not valid"),
        ({"RATE": -1}, "-1 is not valid"),
        ({"SIZES": ["wide"]}, "['wide'] is not valid"),
        ({"ORDER": "random"}, "'random' is not one of ['seeded', 'sorted']"),
        ({"SHUFFLE": 1}, "1 is not of type 'boolean'"),
        ({"TRANSFORMS": [{"size": 3}]}, "{'size': 3} is not valid"),
    ],
)
def test_what_the_config_refuses_is_underlined(values: dict[str, Any], message: str) -> None:
    (found,) = messages(**values)
    assert message in found
    if "BATCHSIZE" not in values and "TRANSFORMS" not in values:
        ((name, value),) = values.items()
        with pytest.raises(ValueError, match=r"."):
            SCHEMA["TRAIN"][name].check(value)


def test_editors_show_meaning_unit_default_and_names() -> None:
    found = VALIDATOR.schema["properties"]["TRAIN"]["properties"]
    assert found["BATCH_SIZE"]["description"] == "Images of a step. (images)"
    assert found["BATCH_SIZE"]["default"] == 8
    assert found["TRANSFORMS"]["items"]["anyOf"][0] == {"enum": ["Flip", "Resize"]}
