"""What one setting is: its default, type, unit and meaning. The documentation of all keys is made from these."""

import ast
import math
import types
import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from petlib.config.limits import LARGEST_NUMBER


@dataclass(frozen=True)
class Key:
    """One setting of the config.

    Args:
        default: the value where nothing else is said.
        meaning: what the setting does, one or two sentences.
        type: the annotation that a value must fit; by default the type of ``default``. ``bool``, ``int``, ``float``,
            ``str``, ``dict`` (free names), ``list[T]`` and unions of them with ``None``.
        unit: e.g. ``"iterations"``; empty where there is none.
        choices: the values that are allowed beside the default, e.g. the names of a registry; empty: any of the type.
        minimum: the smallest number that is allowed.
    """

    default: Any
    meaning: str
    type: Any = None
    unit: str = ""
    choices: Collection[Any] = ()
    minimum: float | None = None

    def annotation(self) -> Any:
        """Return the annotation that values must fit."""
        return type(self.default) if self.type is None else self.type

    def allowed(self) -> list[Any]:
        """Return the values that are allowed; empty: any of the type."""
        return [] if not self.choices else [*([] if self.default in self.choices else [self.default]), *self.choices]

    def check(self, value: Any) -> Any:
        """Return ``value`` in the type of this key, e.g. the int 1 as 1.0 where a float belongs.

        Raises:
            ValueError: the value does not fit; the message says what is expected.
        """
        value = coerce(value, self.annotation())
        if self.choices and value not in self.allowed():
            raise ValueError(f"one of {', '.join(map(repr, self.allowed()))}")
        if self.minimum is not None and value is not None and value < self.minimum:
            raise ValueError(f"at least {self.minimum:g}")
        return value


Schema: TypeAlias = Mapping[str, "Key | Schema"]


def merge_schemas(*schemas: Schema) -> Schema:
    """Return the union of several schemas: sections are joined, a key of a later schema replaces that of an earlier one."""
    merged: dict[str, Key | Schema] = {}
    for schema in schemas:
        for name, entry in schema.items():
            there = merged.get(name)
            if isinstance(entry, Key) or there is None:
                merged[name] = entry
            else:
                assert not isinstance(there, Key), f"{name} is a key in one schema and a section in another"
                merged[name] = merge_schemas(there, entry)
    return merged


def with_defaults(schema: Schema, defaults: Mapping[str, Any]) -> Schema:
    """Return a schema whose keys have other defaults.

    Args:
        schema: the settings.
        defaults: path of a key -> its new default, e.g. ``{"MODEL.BINARY": True}``.
    """
    changed: Schema = schema
    for path, default in defaults.items():
        entry: Key | Schema = schema
        *sections, name = path.split(".")
        for section in (*sections, name):
            assert not isinstance(entry, Key) and section in entry, f"there is no key {path}"
            entry = entry[section]
        assert isinstance(entry, Key), f"{path} is a section"
        branch: Schema = {name: replace(entry, default=entry.check(default), type=entry.annotation())}
        for section in reversed(sections):
            branch = {section: branch}
        changed = merge_schemas(changed, branch)
    return changed


def annotation_name(annotation: Any) -> str:
    """Return a type for people: ``list[int]``, ``float or None``."""
    if isinstance(annotation, types.UnionType):
        return " or ".join(annotation_name(part) for part in typing.get_args(annotation))
    if annotation is None or annotation is types.NoneType:
        return "None"
    if typing.get_origin(annotation) is list:
        return f"list[{annotation_name(typing.get_args(annotation)[0])}]"
    if typing.get_origin(annotation) is dict:
        return "dict"
    return str(getattr(annotation, "__name__", annotation))


def coerce(value: Any, annotation: Any) -> Any:
    """Return ``value`` as ``annotation`` wants it, where nothing is lost by it.

    An int becomes a float, ``"1e-3"`` (which YAML reads as text) a float, ``20.0`` an int, a tuple a list, and the text
    ``"(1, 2)"`` a list.

    Raises:
        ValueError: the value is of another type; the message is the type that is expected.
    """
    if annotation is Any:
        return value
    if isinstance(annotation, types.UnionType):
        return _coerce_union(value, annotation)
    if annotation is types.NoneType:
        if value is None or value == "None":
            return None
    elif annotation is float or annotation is int:
        return _coerce_number(value, annotation)
    elif annotation in (bool, str) or dict in (annotation, typing.get_origin(annotation)):
        if isinstance(value, typing.get_origin(annotation) or annotation):
            return value
    elif annotation is list or typing.get_origin(annotation) is list:
        return _coerce_list(value, annotation)
    else:
        raise AssertionError(f"a Key cannot have the type {annotation!r}")
    raise ValueError(annotation_name(annotation))


def _coerce_union(value: Any, annotation: Any) -> Any:
    parts = typing.get_args(annotation)
    for part in parts:
        if type(value) is part:
            return value
    for part in parts:
        try:
            return coerce(value, part)
        except ValueError:
            continue
    raise ValueError(annotation_name(annotation))


def _coerce_number(value: Any, annotation: type) -> Any:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise ValueError(annotation.__name__) from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(annotation.__name__)
    if isinstance(value, int) and abs(value) > LARGEST_NUMBER:
        raise ValueError(f"{annotation.__name__} of at most {LARGEST_NUMBER.bit_length() - 1} bits")
    if annotation is int:
        if not math.isfinite(value) or value != int(value):
            raise ValueError("int")
        return int(value)
    if math.isnan(value):
        raise ValueError("a number, and not NaN,")
    return float(value)


def _coerce_list(value: Any, annotation: Any) -> list[Any]:
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            raise ValueError(annotation_name(annotation)) from None
    if not isinstance(value, list | tuple):
        raise ValueError(annotation_name(annotation))
    inner = typing.get_args(annotation)
    if not inner:
        return list(value)
    try:
        return [coerce(item, inner[0]) for item in value]
    except ValueError:
        raise ValueError(annotation_name(annotation)) from None
