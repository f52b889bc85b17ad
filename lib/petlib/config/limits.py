"""What a config file holds, and how much it may: configs come from other people, and few lines can describe more than fits into memory."""

import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from petlib.errors import ConfigError

LARGEST_FILE_BYTES = 1 << 20
MOST_FILES = 100
"""Files that one config is laid over, each counted as often as it is named."""

MOST_VALUES = 100_000
"""Values of one file, those that are used again by a name or an alias counted each time."""

DEEPEST = 64
"""Levels of mappings and lists in each other."""

LARGEST_NUMBER = 2**64
LONGEST_NUMBER = 100
"""Characters."""

LONGEST_SHOWN = 200
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def shown(value: Any) -> str:
    """Return a value as messages show it: on one line, and cut where it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError) as error:
        return f"a value of the type {type(value).__name__} that cannot be shown ({error})"
    return cut(text)


def cut(text: str) -> str:
    """Return a text as messages show it: cut where it is long."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}... ({len(text)} characters)"


def read_text(path: Path) -> str:
    """Return the text of a config file.

    Raises:
        FileNotFoundError: there is no such file.
        ConfigError: it is no ordinary file, too large, cannot be read, or not in UTF-8.
    """
    try:
        # a pipe would be waited for
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError(f"{path}: a file expected, this is a folder, a pipe or a device")
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
        if len(content) > LARGEST_FILE_BYTES:
            raise ConfigError(
                f"{path}: more than {LARGEST_FILE_BYTES} bytes, which no config has; long lists belong into files of their own"
            )
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        raise
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: no text in UTF-8, which a config is; save it as UTF-8, or name another file") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error


def problem_of(value: Any) -> str:
    """Return what is wrong with a single value of a config; empty where it is fine."""
    if value is not None and not isinstance(value, bool | int | float | str):
        return f"a value of the type {type(value).__name__} is not plain data"
    if isinstance(value, int) and abs(value) > LARGEST_NUMBER:
        return f"a whole number of {value.bit_length()} bits given, at most {LARGEST_NUMBER.bit_length() - 1} expected"
    if isinstance(value, str) and (found := _CONTROL.search(value)):
        return f"the text {shown(value)} holds the character {found.group()!r}, which no path and no name has"
    return ""


class Extent(NamedTuple):
    """How much a value holds: single values in it, and levels of lists and mappings."""

    values: int = 1
    levels: int = 0


def extent_around(parts: Iterable[Extent], place: str) -> Extent:
    """Return the extent of a list or mapping of ``parts``, which is given at ``place``.

    Raises:
        ConfigError: it holds too much.
    """
    parts = [*parts]
    whole = Extent(1 + sum(part.values for part in parts), 1 + max((part.levels for part in parts), default=0))
    if whole.values > MOST_VALUES:
        raise ConfigError(f"{place}: more than {MOST_VALUES} values, those that are used again counted each time; no config has as many")
    if whole.levels > DEEPEST:
        raise ConfigError(f"{place}: more than {DEEPEST} levels of lists and mappings in each other; no config has as many")
    return whole


BASE_KEYS = ("_BASE_", "_base_")
"""The files that a config is built on; the upper-case spelling belongs to Pet's own configs, the other to nested ones."""
TYPE_KEY = "_TYPE_"
"""The folder of the task that a config file outside of ``cfgs/`` belongs to, as ``--type`` gives it; a run records it."""


@dataclass
class Contents:
    """The values of one config file.

    Args:
        values: nested values, those of ``_BASE_`` included.
        lines: line number of each dotted key; list positions are in brackets, ``data.pipeline[0].type``.
        problems: a line about each thing that is wrong but readable.
        referred: variables of a Python config that another value is made of.
        type_folder: what ``_TYPE_`` says; empty: the file has none.
    """

    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    referred: set[str] = field(default_factory=set)
    type_folder: str = ""
