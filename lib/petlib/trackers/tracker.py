"""What an experiment tracker is, and which there are."""

import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from petlib.errors import ConfigError
from petlib.registry import Registry

FINISHED, STOPPED, FAILED = "finished", "stopped", "failed"
"""How a run ended: as planned, by a signal, by an error."""

TRACKERS = Registry(
    "tracker",
    {
        "mlflow": "petlib.trackers.mlflow:MlflowTracker",
        "wandb": "petlib.trackers.wandb:WandbTracker",
        "trackio": "petlib.trackers.trackio:TrackioTracker",
    },
)
PACKAGED = ("mlflow", "wandb", "trackio")
"""Trackers that are a package of their name, and an extra of Pet."""


@dataclass(frozen=True)
class TrackedRun:
    """A run as trackers see it.

    Attributes:
        experiment: what the run is one of: the name of its config; environment variables of a tracker may name another.
        name: of the run: the last part of its output folder.
        folder: the output folder.
        settings: the settings that differ from the defaults, by their dotted keys.
    """

    experiment: str
    name: str
    folder: Path
    settings: Mapping[str, Any]


class Tracker(Protocol):
    """Keeps the record of a run somewhere else. It works in a process of its own, so it may take its time, fail or hang.

    Any exception is one warning of the run, which goes on. Addresses and tokens come from the tracker's own environment variables.
    """

    def begin(self, run: TrackedRun, record: str) -> str:
        """Begin a record, or continue the one of an interrupted run, and return its id.

        Args:
            run: the run.
            record: the id of the record to continue; empty: a new one.
        """

    def log_figures(self, figures: Mapping[str, float], iteration: int) -> None:
        """Record figures of a window of iterations or of an evaluation, by the names that TensorBoard gets too."""

    def log_picture(self, name: str, path: Path, iteration: int) -> None:
        """Record a picture file."""

    def log_file(self, name: str, path: Path) -> None:
        """Keep a copy of a file: the settings, a checkpoint."""

    def end(self, outcome: str) -> None:
        """End the record; what is still under way is sent before.

        Args:
            outcome: ``finished``, ``stopped`` or ``failed``.
        """


def check_trackers(names: Iterable[str]) -> None:
    """Check that there are trackers of these names, each given once, and that their packages are installed. It imports none.

    Raises:
        ConfigError: there is none of a name, or its package is missing.
    """
    given = list(names)
    for name in given:
        if name not in TRACKERS:
            try:
                TRACKERS.get(name)
            except ConfigError as error:
                raise ConfigError(f"check_trackers.names: {error}") from error
        if name in PACKAGED and importlib.util.find_spec(name) is None:
            raise ConfigError(
                f"check_trackers.names: {name} is given, but it is not installed: pip install 'pet-vision[{name}]', or leave it out"
            )
        if given.count(name) > 1:
            raise ConfigError(f"check_trackers.names: {name} is given {given.count(name)} times; once is enough")
