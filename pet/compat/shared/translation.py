"""From the settings of another toolbox to Pet's: one table a layer, and what reads it.

A table maps the dotted key of the other toolbox to a :class:`Row`. Forwards, from a config file, :func:`settings_of` reads it; a layer
whose config is changed while a program runs uses ``read`` and ``write`` of a row for one key at a time.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from petlib.config import PETLIB_SCHEMA, CfgNode, ConfigError, Key, Schema
from petlib.config.layers import Entry, Layer, leaves
from petlib.config.nested import REQUIRED, Component, NestedConfig

Table = Mapping[str, "Row"]


@dataclass(frozen=True)
class Translated:
    """A foreign config in Pet's terms.

    Args:
        settings: keys of ``PETLIB_SCHEMA`` and their values, ``{"SOLVER.SCHEDULER.TOTAL_ITERS": 200000}``.
        components: what is built by name, by its place in the config: ``"model"``, ``"data.train.pipeline.0"``.
        notes: sentences for the user, e.g. that a step is never reached.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    components: dict[str, Component] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Row:
    """What one key of another toolbox means.

    Args:
        keys: the keys of Pet that it is about, the main one first.
        write: returns what keys of Pet become by a value; raises ``ValueError`` with what is expected. It is given the config of Pet
            that is changed, too, an empty one where a file is read.
        read: returns the value of the other toolbox's key, from a config of Pet.
        default: the value where a config has the section and not the key; None: Pet's own; ``REQUIRED``: the key has to be given.
    """

    keys: tuple[str, ...]
    write: Callable[[CfgNode, Any], dict[str, Any]]
    read: Callable[[CfgNode], Any]
    default: Any = None


def same(*keys: str, default: Any = None) -> Row:
    """Return a key that means the same in Pet, where several keys may share its value."""
    return Row(keys, lambda _, value: dict.fromkeys(keys, value), lambda cfg: value_of(cfg, keys[0]), default)


def named(key: str, names: Mapping[str, str], default: Any = None) -> Row:
    """Return a key whose values have other names in Pet, theirs -> Pet's."""
    back = {ours: theirs for theirs, ours in names.items()}

    def write(_: CfgNode, value: Any) -> dict[str, Any]:
        if value not in names:
            raise ValueError(f"one of {', '.join(names)}")
        return {key: names[value]}

    return Row((key,), write, lambda cfg: back.get(value_of(cfg, key), value_of(cfg, key)), default)


def converted(key: str, convert: Callable[[Any], Any], back: Callable[[Any], Any] = lambda value: value, default: Any = None) -> Row:
    """Return a key whose values are computed from each other.

    Args:
        key: Pet's.
        convert: from the other toolbox's value to Pet's; raises ``ValueError`` with what is expected.
        back: from Pet's value to the other toolbox's.
        default: see :class:`Row`.
    """
    return Row((key,), lambda _, value: {key: convert(value)}, lambda cfg: back(value_of(cfg, key)), default)


def at_least(key: str, least: int, default: Any = None) -> Row:
    """Return a key of whole numbers, of which those below ``least``, such as -1, mean ``least``."""
    return converted(key, lambda value: max(value, least) if isinstance(value, int) else value, default=default)


def settings_of(config: NestedConfig, table: Table) -> dict[str, Any]:
    """Return the settings of Pet that a config gives, and mark its keys as read.

    A default counts where the section of its key is in the config.

    Raises:
        ConfigError: a required key is missing, or a value does not fit.
    """
    settings: dict[str, Any] = {}
    before = CfgNode(PETLIB_SCHEMA)
    for key, row in table.items():
        section = key.rpartition(".")[0]
        value = config.get(key, row.default)
        if row.default is not REQUIRED and (value is None or (section and not config.has(section))):
            continue
        place = config.place(key)
        try:
            values = row.write(before, value)
        except ValueError as error:
            raise ConfigError(f"{place}: {value!r} given, {error} expected") from None
        settings |= {name: fitting(name, item, place=place, given=value) for name, item in values.items()}
    return settings


def own_settings(given: Any, words: Mapping[str, str], *, place: str) -> dict[str, Any]:
    """Return the settings that a config or a script gives under Pet's own names, ``{"SOLVER.AMP.ENABLED": True}``, or nested.

    Args:
        given: the mapping.
        words: keys of Pet that the layer has a word for, which is the one place for them.
        place: where the mapping is, for messages.

    Raises:
        ConfigError: it is no mapping, a key is unknown or has a word of the layer, or a value does not fit.
    """
    if not isinstance(given, Mapping):
        raise ConfigError(f"{place}: {given!r} given, keys of Pet and their values expected, {{'SOLVER.AMP.ENABLED': True}}")
    entries = [Entry(key, value, "") for key, value in leaves(dict(given), "")]
    for entry in entries:
        if entry.key in words:
            raise ConfigError(f"{place}: {entry.key} is called {words[entry.key]} here; set that")
    cfg = CfgNode(PETLIB_SCHEMA)
    cfg.merge_layers([Layer(source=place, entries=entries)])
    return {entry.key: value_of(cfg, entry.key) for entry in entries}


def words_of(table: Table) -> dict[str, str]:
    """Return Pet's keys -> those of the other toolbox, for the messages of mistakes (:func:`petlib.errors.name_in_errors`)."""
    return {name: key for key, row in reversed(list(table.items())) for name in row.keys}


def process_count() -> int:
    """Return how many processes share a batch, as torchrun and Pet's launcher say, before they have met."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def fitting(key: str, value: Any, *, place: str, given: Any = None) -> Any:
    """Return a value as one of Pet's keys wants it.

    Args:
        key: Pet's.
        value: what it is to become.
        place: where the value comes from, for messages.
        given: the value as it is there, where that is another; None: it is the same.

    Raises:
        ConfigError: it does not fit.
    """
    try:
        return _key(key).check(value)
    except ValueError as error:
        raise ConfigError(f"{place}: {(value if given is None else given)!r} given, {error} expected") from None


def value_of(cfg: CfgNode, key: str) -> Any:
    """Return the value of a dotted key."""
    node: Any = cfg
    for name in key.split("."):
        node = node[name]
    return node


def _key(dotted: str) -> Key:
    entry: Key | Schema = PETLIB_SCHEMA
    for name in dotted.split("."):
        assert not isinstance(entry, Key), f"{dotted} leads through a key"
        entry = entry[name]
    assert isinstance(entry, Key), f"{dotted} is a section"
    return entry
