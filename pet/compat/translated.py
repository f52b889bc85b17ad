"""What Pet understood of a config that was written for another toolbox."""

from dataclasses import dataclass, field
from typing import Any

from petlib.config.nested import Component


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
