"""MLflow: a run of an experiment, at ``MLFLOW_TRACKING_URI``."""

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from petlib.trackers.tracker import FAILED, FINISHED, STOPPED, TrackedRun

EXPERIMENT_VARIABLES = ("MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME")
STATES = {FINISHED: "FINISHED", STOPPED: "KILLED", FAILED: "FAILED"}
NOT_IN_NAMES = re.compile(r"[^\w\-. /:]")
MOST_PARAMETERS, LONGEST_VALUE = 100, 6000
"""Of one request, and characters of a value: limits of MLflow."""


class MlflowTracker:
    """Writes through the client that knows its run, so that nothing of MLflow is global."""

    def __init__(self) -> None:
        from mlflow import MlflowClient

        self._client: Any = MlflowClient()
        self._id = ""

    def begin(self, run: TrackedRun, record: str) -> str:
        """Begin a run of the experiment, or continue one; settings that are recorded already stay as they were."""
        if record:
            recorded = self._client.get_run(record).data.params
            self._client.update_run(record, status="RUNNING")
            self._id = record
        else:
            recorded = {}
            self._id = self._client.create_run(self._find_experiment(run.experiment), run_name=run.name).info.run_id
        self._log_parameters({_name(key): str(value)[:LONGEST_VALUE] for key, value in run.settings.items()}, recorded)
        return self._id

    def log_figures(self, figures: Mapping[str, float], iteration: int) -> None:
        """Record figures as metrics, the iteration as their step."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self._id, metrics=[Metric(_name(name), value, now, iteration) for name, value in figures.items()])

    def log_picture(self, name: str, path: Path, iteration: int) -> None:
        """Keep a picture among the artefacts."""
        self._client.log_artifact(self._id, str(path), str(Path("pictures", name).parent))

    def log_file(self, name: str, path: Path) -> None:
        """Keep a file among the artefacts."""
        self._client.log_artifact(self._id, str(path), "files")

    def end(self, outcome: str) -> None:
        """Set the state of the run."""
        self._client.set_terminated(self._id, STATES[outcome])

    def _find_experiment(self, name: str) -> str:
        number, name = os.environ.get(EXPERIMENT_VARIABLES[0], ""), os.environ.get(EXPERIMENT_VARIABLES[1]) or name
        if number:
            return number
        found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id if found is not None else self._client.create_experiment(name))

    def _log_parameters(self, parameters: Mapping[str, str], recorded: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        new = [Param(key, value) for key, value in parameters.items() if key not in recorded]
        for start in range(0, len(new), MOST_PARAMETERS):
            self._client.log_batch(self._id, params=new[start : start + MOST_PARAMETERS])


def _name(name: str) -> str:
    """Return a name with the characters that MLflow takes: ``dots/nAP_0.25`` for ``dots/nAP@0.25``."""
    return NOT_IN_NAMES.sub("_", name)
