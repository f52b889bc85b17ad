"""A JSON schema of the settings of a task, by which editors complete, explain and check config files (https://json-schema.org)."""

import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from petlib.config.key import Key, Schema
from petlib.config.limits import BASE_KEYS, TYPE_KEY

DIALECT = "http://json-schema.org/draft-07/schema#"
"""What the language server of YAML understands (https://github.com/redhat-developer/yaml-language-server)."""
NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(inf|Infinity)$"
"""Numbers that YAML 1.1 reads as text, such as 1e-3."""
LIST = r"^\s*[\[(].*[\])]\s*$"
"""A list that is written as text."""


Components = Mapping[str, Sequence[str]]
"""Name of a key that lists components of a kind, e.g. ``"TRANSFORMS"`` -> their names."""


def json_schema(schema: Schema, *, title: str, components: Components) -> dict[str, Any]:
    """Return the JSON schema of config files of one type.

    Files may leave out any key. What one of them may say is what :meth:`petlib.config.key.Key.check` takes; that settings fit each other
    is checked when a run begins.

    Args:
        schema: the settings.
        title: what editors call it.
        components: what editors propose in lists of components; others, such as a user's own, are allowed.
    """
    files = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    known = {key: {**files, "description": "The file, or files, that this one goes on from."} for key in BASE_KEYS}
    known[TYPE_KEY] = {"type": "string", "description": "The task of a config that does not lie below cfgs/<type>/."}
    section = _section(schema, components)
    return {"$schema": DIALECT, "title": title, **section, "properties": {**known, **section["properties"]}}


def _section(schema: Schema, components: Components) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    for name, entry in schema.items():
        if not isinstance(entry, Key):
            entries[name] = _section(entry, components)
        elif name in components:
            entries[name] = _described(entry, {"type": "array", "items": _component(components[name])})
        else:
            entries[name] = _key(entry)
    return {"type": "object", "additionalProperties": False, "properties": entries}


def _key(key: Key) -> dict[str, Any]:
    if key.choices:
        return _described(key, {"enum": key.allowed()})
    value = _value(key.annotation())
    if key.minimum is not None:
        value = {"anyOf": [{**part, "minimum": key.minimum} for part in _parts(value)]}
    return _described(key, value)


def _described(key: Key, value: dict[str, Any]) -> dict[str, Any]:
    unit = f" ({key.unit})" if key.unit else ""
    return {**value, "description": f"{key.meaning}{unit}", "default": key.default}


def _component(names: Sequence[str]) -> dict[str, Any]:
    """Return what an entry of a list of components may be: a name, or a mapping with a name and arguments."""
    name = {"anyOf": [{"enum": list(names)}, {"type": "string"}]}
    return {"anyOf": [*name["anyOf"], {"type": "object", "properties": {"name": name}, "required": ["name"]}]}


def _value(annotation: Any) -> dict[str, Any]:
    """Return what values of a type may be; see :func:`petlib.config.key.coerce`."""
    if isinstance(annotation, types.UnionType):
        return {"anyOf": [one for part in typing.get_args(annotation) for one in _parts(_value(part))]}
    origin = typing.get_origin(annotation)
    if annotation is types.NoneType:
        return {"anyOf": [{"type": "null"}, {"enum": ["None"]}]}
    if annotation in (int, float):
        return {"anyOf": [{"type": "integer" if annotation is int else "number"}, {"type": "string", "pattern": NUMBER}]}
    if annotation is list or origin is list:
        inner = typing.get_args(annotation)
        items = {"items": _value(inner[0])} if inner else {}
        return {"anyOf": [{"type": "array", **items}, {"type": "string", "pattern": LIST}]}
    if dict in (annotation, origin):
        return {"type": "object"}
    return {} if annotation is Any else {"type": "boolean" if annotation is bool else "string"}


def _parts(value: dict[str, Any]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = value.get("anyOf", [value])
    return parts
