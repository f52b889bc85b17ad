"""Weights & Biases: a run of a project, as ``WANDB_MODE``, ``WANDB_API_KEY`` and the like say."""

import os
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from petlib.trackers.tracker import FINISHED, TrackedRun

NOT_IN_NAMES = re.compile(r"[^\w\-.]")


class WandbTracker:
    """A run of W&B; offline its files lie in the output folder, for ``wandb sync``."""

    def __init__(self) -> None:
        self._run: Any = None

    def begin(self, run: TrackedRun, record: str) -> str:
        """Begin a run, or continue the one of an id; its files are in the output folder unless ``WANDB_DIR`` says where."""
        import wandb

        record = record or uuid.uuid4().hex[:12]
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or NOT_IN_NAMES.sub("-", run.experiment),
            name=os.environ.get("WANDB_NAME") or run.name,
            id=record,
            resume="allow",
            config=dict(run.settings),
            dir=os.environ.get("WANDB_DIR") or str(run.folder),
            settings=wandb.Settings(console="off"),
        )
        return record

    def log_figures(self, figures: Mapping[str, float], iteration: int) -> None:
        """Record figures, the iteration as their step."""
        self._run.log(dict(figures), step=iteration)

    def log_picture(self, name: str, path: Path, iteration: int) -> None:
        """Show a picture of the iteration."""
        import wandb

        self._run.log({f"pictures/{name}": wandb.Image(str(path))}, step=iteration)

    def log_file(self, name: str, path: Path) -> None:
        """Keep a file as an artefact of the run."""
        import wandb

        kind = "model" if path.suffix == ".pth" else "settings"
        artefact = wandb.Artifact(f"{NOT_IN_NAMES.sub('-', name)}-{self._run.id}", type=kind)
        artefact.add_file(str(path), name=name)
        self._run.log_artifact(artefact)

    def end(self, outcome: str) -> None:
        """Send what is left; a run that did not finish shows as failed."""
        self._run.finish(exit_code=0 if outcome == FINISHED else 1)
