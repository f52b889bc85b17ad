"""How much the expressions of one config file may make, counted before it is made."""

import ast
import re
from collections.abc import Sequence
from typing import Any

from petlib.config.limits import LARGEST_FILE_BYTES, Extent, extent_around

MOST_STEPS = 500_000
"""Of one file: parts of expressions that are evaluated, and values that are gone through."""

MOST_CHARACTERS = LARGEST_FILE_BYTES
"""Of all texts that the expressions of one file make."""

MOST_BITS = 64
"""Of a power. It is at most twice as large as it seems before it is computed."""

WIDE = re.compile(r"\d{3,}")
WIDE_PERCENT = re.compile(r"%[^a-zA-Z%]*(\d{3,}|\*)")


class TooMuchError(Exception):
    """An expression would make more than any config needs."""


class Budget:
    """What is left of the bounds of one file."""

    def __init__(self) -> None:
        self._steps = 0
        self._characters = 0
        # by identity, with the value, so that no other one gets its identity
        self._extents: dict[int, tuple[Any, Extent]] = {}

    def spend(self, steps: int) -> None:
        """Count steps.

        Raises:
            TooMuchError: there have been too many.
        """
        self._steps += steps
        if self._steps > MOST_STEPS:
            raise TooMuchError(f"more than {MOST_STEPS} steps to compute what is in this file; no config needs as many")

    def write(self, characters: int) -> None:
        """Count characters of texts that are about to be made.

        Raises:
            TooMuchError: there have been too many.
        """
        self._characters += characters
        if self._characters > MOST_CHARACTERS:
            raise TooMuchError(f"more than {MOST_CHARACTERS} characters of text are made; no config needs as many")

    def lay_out(self, layout: str) -> None:
        """Check the layout of a value in an f-string.

        Raises:
            TooMuchError: it is wide.
        """
        if WIDE.search(layout):
            raise TooMuchError(f"a text of the width {layout!r} is asked for; no config has one")

    def operate(self, operation: ast.operator, left: Any, right: Any) -> None:
        """Count what an operation of two values is about to make.

        Raises:
            TooMuchError: it is too much.
        """
        match operation:
            case ast.Pow() if isinstance(left, int) and isinstance(right, int) and right * left.bit_length() > 2 * MOST_BITS:
                raise TooMuchError(f"a number of more than {MOST_BITS} bits; no config has one")
            case ast.Mod() if isinstance(left, str):
                filled = right if isinstance(right, tuple) else (right,)
                if WIDE_PERCENT.search(left) or any(isinstance(item, list | tuple | dict) for item in filled):
                    raise TooMuchError("only single values of ordinary width fill a text")
                self.write(len(left) + sum(len(item) for item in filled if isinstance(item, str)))
            case ast.Mult():
                self._join((left, right), max([1, *(number for number in (left, right) if isinstance(number, int))]))
            case ast.Add():
                self._join((left, right), 1)

    def _join(self, parts: Sequence[Any], times: int) -> None:
        for part in parts:
            if isinstance(part, str):
                self.write(len(part) * times)
            elif isinstance(part, list | tuple):
                self.spend(len(part) * times)

    def extent(self, value: Any, place: str) -> Extent:
        """Return how much a value holds. Names may double what they refer to, line by line, without holding it twice.

        Raises:
            ConfigError: it is too much, at ``place``.
        """
        if not isinstance(value, list | tuple | dict):
            return Extent()
        if id(value) not in self._extents:
            parts = value.values() if isinstance(value, dict) else value
            self._extents[id(value)] = (value, extent_around((self.extent(part, place) for part in parts), place))
        return self._extents[id(value)][1]
