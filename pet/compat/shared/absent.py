"""Names of other toolboxes that Pet has no counterpart of, or one of another kind: a script that imports one reads what to take instead."""

from collections.abc import Callable, Mapping
from typing import Any


def refuse_absent(module: str, advice: Mapping[str, str], otherwise: Callable[[str], Any] | None = None) -> Callable[[str], Any]:
    """Return a ``__getattr__`` for a module.

    It raises ImportError, also where a script reads the name of an imported module: Python replaces the text of any other error of
    ``from ... import``.

    Args:
        module: its ``__name__``.
        advice: name of the other toolbox -> what to take, or that there is nothing.
        otherwise: finds all other names; None: there are none.
    """

    def find(name: str) -> Any:
        if name in advice:
            raise ImportError(f"{module} has no {name}: {advice[name]}")
        if otherwise is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return otherwise(name)

    return find
