"""Trackio: a run of a project, in ``TRACKIO_DIR`` on this machine, or where ``TRACKIO_SPACE_ID`` and the like say."""

import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from petlib.trackers.tracker import TrackedRun

NOT_IN_NAMES = re.compile(r"[^\w\-.]")


class TrackioTracker:
    """A run of Trackio, which knows its runs by their names."""

    def __init__(self) -> None:
        self._run: Any = None

    def begin(self, run: TrackedRun, record: str) -> str:
        """Begin a run whose name no other has, or continue the one of a name."""
        import trackio

        record = record or f"{run.name}-{uuid.uuid4().hex[:6]}"
        self._run = trackio.init(
            project=NOT_IN_NAMES.sub("-", run.experiment),
            name=record,
            resume="allow",
            config=dict(run.settings),
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        return record

    def log_figures(self, figures: Mapping[str, float], iteration: int) -> None:
        """Record figures, the iteration as their step."""
        self._run.log(dict(figures), step=iteration)

    def log_picture(self, name: str, path: Path, iteration: int) -> None:
        """Show a picture of the iteration."""
        import trackio

        self._run.log({f"pictures/{name}": trackio.Image(str(path))}, step=iteration)

    def log_file(self, name: str, path: Path) -> None:
        """Keep a file as an artefact of the run."""
        self._run.log_artifact(str(path), name=NOT_IN_NAMES.sub("-", f"{self._run.name}-{name}"))

    def end(self, outcome: str) -> None:
        """Send what is left."""
        self._run.finish()
