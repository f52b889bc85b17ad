"""Values of JSON files by their type: what can mean one thing only is taken, whatever program wrote it, and nothing else is."""

import math
import re
from collections.abc import Sequence

WHOLE = re.compile(r"([+-]?[0-9]{1,19})(\.0*)?")
NUMBER = re.compile(r"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,3})?")
FLAGS = {"0": False, "1": True, "false": False, "true": True}


def as_whole_number(value: object) -> int | None:
    """Return the whole number that ``3``, ``3.0``, ``"3"`` or ``"3.0"`` mean; None: it is something else, ``true`` among it."""
    if type(value) is int:
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    found = WHOLE.fullmatch(value.strip()) if isinstance(value, str) else None
    return int(found[1]) if found else None


def as_number(value: object) -> float | None:
    """Return the finite number that ``2.5`` or ``"2.5"`` mean; None: it is something else, ``true`` among it."""
    if type(value) is int:
        return value
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        value = float(value)
    return value if isinstance(value, float) and math.isfinite(value) else None


def as_numbers(values: object) -> list[float] | None:
    """Return the numbers of a list; None: it is no list, or holds something else."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        return None
    found = [as_number(value) for value in values]
    return None if None in found else [number for number in found if number is not None]


def as_flag(value: object) -> bool | None:
    """Return what ``0``, ``1``, ``false``, ``true`` mean, as numbers, truth values or text in any case; None: it is something else.

    ``null`` is false, as an entry that is left out is.
    """
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in FLAGS:
        return FLAGS[value.strip().lower()]
    number = as_whole_number(value)
    return bool(number) if number in (0, 1) else None
