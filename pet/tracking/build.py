"""Trackers by name."""

from collections.abc import Mapping
from typing import Any, cast

import yaml

from pet.tracking.tracks import Tracker
from petlib.arguments import fit_arguments, split_entry
from petlib.errors import ConfigError
from petlib.registry import Registry

TRACKERS = Registry(
    "tracker",
    {
        "bytetrack": "pet.tracking.two_stages:ByteTrack",
        "fairmot": "pet.tracking.two_stages:FairMot",
        "sort": "pet.tracking.sort:Sort",
    },
)
"""Name -> a class whose objects are :class:`pet.tracking.Tracker`; its arguments are the tracker's settings."""


EXAMPLE = "{name: sort, buffer: 2.0}"


def build_tracker(entry: str | Mapping[str, Any], *, place: str) -> Tracker:
    """Return a tracker, which follows the objects of one video.

    Args:
        entry: its name, or a mapping with ``name`` and arguments, ``{name: sort, buffer: 2.0}``.
        place: where it was given, for messages.

    Raises:
        ConfigError: there is no such tracker or argument, or a value is wrong.
    """
    name, given = split_entry(place, entry, example=EXAMPLE)
    build = TRACKERS.get(name)
    arguments = fit_arguments(f"{place}: tracker", name, build, given, example="{{name: sort, {argument}: ...}}")
    for argument, value in arguments.items():
        if isinstance(value, int | float) and not value >= 0:
            raise ConfigError(f"{place}: tracker {name}: {argument}: {value!r} given, a number from 0 on expected")
    return cast("Tracker", build(**arguments))


def parse_tracker(text: str, *, place: str) -> str | dict[str, Any]:
    """Return the entry that a command line gives: a name, or a mapping in YAML.

    Raises:
        ConfigError: it is neither.
    """
    try:
        entry = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{place}: {text!r} is no YAML: {error}") from error
    if not isinstance(entry, str | dict):
        raise ConfigError(f"{place}: {text!r} given; one of {', '.join(TRACKERS.names())} expected, or {EXAMPLE!r}")
    return entry
