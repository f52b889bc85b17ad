"""What the weights of a training began with, and under which licence these are; each checkpoint says it. Imports no torch."""

from collections.abc import Mapping
from typing import Any, NamedTuple

UNKNOWN = "unknown"
FIELD = "origin"


class Origin(NamedTuple):
    """What a training, or the first one of a chain of trainings, began with.

    Attributes:
        weights: as the config named them; empty: random ones.
        licence: of these weights; empty: of random ones; ``unknown``: it is not recorded.
    """

    weights: str
    licence: str


RANDOM = Origin("", "")
UNRECORDED = Origin("", UNKNOWN)


def origin_in(content: Mapping[Any, Any]) -> Origin | None:
    """Return what a checkpoint says of its beginning; None: it does not say, as files of others."""
    saved = content.get(FIELD)
    if not isinstance(saved, Mapping):
        return None
    return Origin(str(saved.get("weights", "")), str(saved.get("licence", UNKNOWN)))
