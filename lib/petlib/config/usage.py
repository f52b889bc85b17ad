"""What a run has of its settings: which differ from the defaults, and which have no effect because their part is off."""

from collections.abc import Collection
from typing import Any, NamedTuple

import yaml

from petlib.config.key import Switch, flat_schema
from petlib.config.layers import COMMAND_LINE
from petlib.config.node import CfgNode, HasSchema
from petlib.errors import ConfigError

_LONGEST_VALUE = 200


class UnusedSetting(NamedTuple):
    """A setting that was given although the part of the run that it belongs to is off.

    Attributes:
        key: its path.
        place: where it was given.
        reason: what is off.
    """

    key: str
    place: str
    reason: str


def unused_settings(cfg: CfgNode) -> list[UnusedSetting]:
    """Return what was given in vain, in the order of the config.

    On the command line everything that is given counts, in files what differs from its default: the record of a run names all settings.
    A setting that another one replaces may be given as off, ``SNAPSHOT_ITER=100 SNAPSHOT_EPOCH=0``.
    """
    settings, places, found = cfg.flat(), cfg.given(), []
    for path, key in flat_schema(cfg.schema).items():
        place = places.get(path)
        if place is None or (place != COMMAND_LINE and settings[path] == key.default):
            continue
        off = next((switch for switch in key.used_if if not switch.is_on(settings)), None)
        if off is not None and (settings[path] or not off.replaces):
            found.append(UnusedSetting(path, place, _reason(off, settings)))
    return found


def check_overrides(cfg: CfgNode) -> None:
    """Check that every setting of the command line has an effect.

    Raises:
        ConfigError: some have none, because their part is off.
    """
    lines = [
        f"{setting.place}: {setting.key}: not used by this run: {setting.reason}"
        for setting in unused_settings(cfg)
        if setting.place == COMMAND_LINE
    ]
    if lines:
        raise ConfigError("\n".join(lines))


def describe_settings(cfg: CfgNode) -> str:
    """Return the settings that differ from the defaults or were given on the command line, below where they come from.

    The command line, which counts over all, comes last; what has no effect is in a line of its own after it.
    """
    keys, places = flat_schema(cfg.schema), cfg.given()
    unused = {setting.key for setting in unused_settings(cfg)}
    by_place: dict[str, list[str]] = {}
    for path, value in cfg.flat().items():
        if path not in unused and (value != keys[path].default or places.get(path) == COMMAND_LINE):
            place = places.get(path, "").rpartition(":")[0] or places.get(path, "program")
            by_place.setdefault(place, []).append(f"    {path}: {_shown(value)}")
    groups = sorted(by_place.items(), key=lambda group: group[0] == COMMAND_LINE)
    lines = [line for place, settings in groups for line in (f"  {place}", *settings)]
    return "\n".join([*(lines or ["  nothing"]), *_unused_line(cfg)])


def changed_settings(cfg: HasSchema) -> dict[str, Any]:
    """Return the settings that differ from their defaults by their paths."""
    assert isinstance(cfg, CfgNode), type(cfg)
    keys = flat_schema(cfg.schema)
    return {path: value for path, value in cfg.flat().items() if path in keys and value != keys[path].default}


def unread_overrides(cfg: CfgNode) -> list[str]:
    """Return the settings of the command line that nothing has read since the config was frozen."""
    read = cfg.read_keys()
    return [key for key, place in cfg.given().items() if place == COMMAND_LINE and key not in read]


def describe_unread(cfg: CfgNode, run: str, *, later: Collection[str] = ()) -> str:
    """Return a line about the settings of the command line that nothing has read; empty: there are none.

    Args:
        cfg: the config.
        run: what has ended: training, test, command.
        later: sections that belong to what may follow it.
    """
    unread = [key for key in unread_overrides(cfg) if key.partition(".")[0] not in later]
    return f"given on the command line, but nothing in this {run} has read it: {', '.join(unread)}" if unread else ""


def _unused_line(cfg: CfgNode) -> list[str]:
    by_reason: dict[str, list[str]] = {}
    for setting in unused_settings(cfg):
        by_reason.setdefault(setting.reason, []).append(setting.key)
    parts = [f"{', '.join(keys)} ({reason})" for reason, keys in by_reason.items()]
    return [f"  not used by this run: {'; '.join(parts)}"] if parts else []


def _reason(switch: Switch, settings: dict[str, Any]) -> str:
    states = " and ".join(f"{key} is {settings[key]!r}" for key in switch.decisive_keys())
    return f"{states}; it counts with {' or '.join(map(repr, switch.one_of))}" if switch.one_of else states


def _shown(value: Any) -> str:
    """Return a value as YAML in one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**9, allow_unicode=True, sort_keys=False).removesuffix("...\n").strip()
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]} ..."
