"""What one setting is: its default, type, unit and meaning. The documentation of all keys is made from these."""

import ast
import math
import types
import typing
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

from petlib.config.limits import LARGEST_NUMBER


class Effect(StrEnum):
    """What another value of a setting means for a run that continues from a checkpoint."""

    NONE = "no effect on the weights"
    FROM_HERE = "counts from here on"
    EVALUATIONS = "counts for the evaluations from here on"
    ROUNDING = "counts from here on; rounding may differ"
    OTHER_ORDER = "other samples from here on: in this epoch some may come twice and others not at all"
    OTHER_BATCHES = (
        "iterations are counted on, which are elsewhere in the data now; other samples from here on: in this epoch some may come "
        "twice and others not at all"
    )
    SAME_BATCH = "no effect on the batch of a step"
    OTHER_SCHEDULE = "the rate is that of the new schedule from here on, as if it had been so from the start"
    WEIGHTS_OF_CHECKPOINT = "no effect: the weights are those of the checkpoint"
    REFUSED = "cannot be continued: the state of one optimizer means nothing to another"


class Switch(NamedTuple):
    """A condition under which a part of a run is on.

    Args:
        key: path of the setting that decides, e.g. ``"MODEL.HAS_MASK"``.
        one_of: the values with which the part is on; empty: any but False, 0, None and what is empty.
        none_of: the values with which it is off, where all others switch it on.
        also: further switches; one of them that is on is enough.
    """

    key: str
    one_of: tuple[Any, ...] = ()
    none_of: tuple[Any, ...] = ()
    also: tuple["Switch", ...] = ()

    def is_on(self, settings: Mapping[str, Any]) -> bool:
        """Return whether the part is on.

        Args:
            settings: all settings of the run by their paths.
        """
        value = settings[self.key]
        limited = self.one_of or self.none_of
        is_on = value not in self.none_of and (not self.one_of or value in self.one_of) if limited else bool(value)
        return is_on or any(switch.is_on(settings) for switch in self.also)

    @property
    def replaces(self) -> bool:
        """Whether it is on only while another setting is off, which counts in place of those that it switches."""
        return bool(self.one_of) and not any(self.one_of)

    def decisive_keys(self) -> list[str]:
        """Return the paths of all settings that decide."""
        return [self.key, *(key for switch in self.also for key in switch.decisive_keys())]


class Key(NamedTuple):
    """One setting of the config.

    Args:
        default: the value where nothing else is said.
        meaning: what the setting does, one or two sentences.
        type: the annotation that a value must fit; by default the type of ``default``. ``bool``, ``int``, ``float``,
            ``str``, ``dict`` (free names), ``list[T]`` and unions of them.
        unit: e.g. ``"iterations"``; empty where there is none.
        choices: the values that are allowed next to the default, e.g. the names of a registry; empty: any of the type. Of a type that takes
            numbers and text, the text that is allowed.
        minimum: the smallest number that is allowed.
        effect: what another value means for a run that continues; None: it counts from here on.
        used_if: the switches that all have to be on for the setting to be used; a run in which one is off refuses it on the command
            line and lists it where a file gives it. See also :func:`used_if`, for whole sections.
        arguments: what code below calls it in its messages, e.g. ``Checkpointer.folder``; see :func:`argument_names`.
    """

    default: Any
    meaning: str
    type: Any = None
    unit: str = ""
    choices: Collection[Any] = ()
    minimum: float | None = None
    effect: Effect | None = None
    used_if: tuple[Switch, ...] = ()
    arguments: tuple[str, ...] = ()

    def annotation(self) -> Any:
        """Return the annotation that values must fit."""
        return type(self.default) if self.type is None else self.type

    def takes_names(self) -> bool:
        """Return whether a value may be a mapping with free names."""
        annotation = self.annotation()
        return annotation is dict or (isinstance(annotation, types.UnionType) and dict in typing.get_args(annotation))

    def takes_numbers(self) -> bool:
        """Return whether a value may be any whole number where a choice, which is text, is allowed too."""
        return self.annotation() == int | str and bool(self.choices)

    def allowed(self) -> list[Any]:
        """Return the values that are allowed; empty: any of the type."""
        return [] if not self.choices else [*([] if self.default in self.choices else [self.default]), *self.choices]

    def _one_of(self) -> str:
        return f"one of {', '.join(map(repr, self.allowed()))}{' or another int' if self.takes_numbers() else ''}"

    def check(self, value: Any) -> Any:
        """Return ``value`` in the type of this key, e.g. the int 1 as 1.0 where a float belongs.

        Raises:
            ValueError: the value does not fit; the message says what is expected.
        """
        try:
            value = coerce(value, self.annotation())
        except ValueError as error:
            raise ValueError(self._one_of() if self.choices else f"{error}{_as_list(value, self.annotation())}") from None
        if self.choices and value not in self.allowed() and not (self.takes_numbers() and isinstance(value, int)):
            raise ValueError(self._one_of())
        if self.minimum is not None and value is not None and not isinstance(value, str) and value < self.minimum:
            raise ValueError(f"at least {self.minimum:g}")
        return value


Schema: TypeAlias = Mapping[str, "Key | Schema"]


def merge_schemas(*schemas: Schema) -> Schema:
    """Return the union of several schemas: sections are joined, a key of a later schema replaces that of an earlier one.

    A key that says no effect or no arguments keeps those of the one which it replaces.
    """
    merged: dict[str, Key | Schema] = {}
    for schema in schemas:
        for name, entry in schema.items():
            there = merged.get(name)
            if isinstance(entry, Key):
                merged[name] = _inherit(entry, there) if isinstance(there, Key) else entry
            elif there is None:
                merged[name] = entry
            else:
                assert not isinstance(there, Key), f"{name} is a key in one schema and a section in another"
                merged[name] = merge_schemas(there, entry)
    return merged


def _inherit(key: Key, replaced: Key) -> Key:
    return key._replace(effect=key.effect or replaced.effect, arguments=key.arguments or replaced.arguments)


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
        branch: Schema = {name: entry._replace(default=entry.check(default), type=entry.annotation())}
        for section in reversed(sections):
            branch = {section: branch}
        changed = merge_schemas(changed, branch)
    return changed


def with_effect(effect: Effect, schema: Schema) -> Schema:
    """Return a schema whose keys have this effect, those that say another one excepted."""
    return {
        name: with_effect(effect, entry) if not isinstance(entry, Key) else entry._replace(effect=entry.effect or effect)
        for name, entry in schema.items()
    }


def used_if(schema: Schema, *switches: Switch) -> Schema:
    """Return a schema whose keys are all used only where the switches are on, besides those of their own."""
    return {
        name: used_if(entry, *switches) if not isinstance(entry, Key) else entry._replace(used_if=(*switches, *entry.used_if))
        for name, entry in schema.items()
    }


def flat_schema(schema: Schema, prefix: str = "") -> dict[str, Key]:
    """Return the keys of a schema by their paths, in its order."""
    keys: dict[str, Key] = {}
    for name, entry in schema.items():
        keys |= {prefix + name: entry} if isinstance(entry, Key) else flat_schema(entry, f"{prefix}{name}.")
    return keys


def argument_names(schema: Schema) -> dict[str, str]:
    """Return what code calls its arguments -> the path of the key that gives them, for :func:`petlib.errors.name_in_errors`."""
    return {argument: path for path, key in flat_schema(schema).items() for argument in key.arguments}


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


def _as_list(value: Any, annotation: Any) -> str:
    """Return how a single value is given where a list of such values is expected; empty: it would not fit."""
    if not isinstance(value, str | int | float) or str(value)[:1] in ("[", "("):
        return ""
    try:
        coerce([value], annotation)
    except ValueError:
        return ""
    return f", e.g. [{value}],"


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
