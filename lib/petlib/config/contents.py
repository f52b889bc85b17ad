"""What a config file holds, whichever notation it is written in."""

from dataclasses import dataclass, field
from typing import Any

BASE_KEYS = ("_BASE_", "_base_")
"""The files that a config is built on; the upper-case spelling belongs to Pet's own configs, the other to nested ones."""


@dataclass
class Contents:
    """The values of one config file.

    Args:
        values: nested values, those of ``_BASE_`` included.
        lines: line number of each dotted key; list positions are in brackets, ``data.pipeline[0].type``.
        problems: a line about each thing that is wrong but readable.
        referred: variables of a Python config that another value is made of.
    """

    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    referred: set[str] = field(default_factory=set)
