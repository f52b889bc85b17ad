"""What a search knows: its trials in an SQLite file, through Optuna, which chooses the next settings and what is not worth its end."""

import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pet.search.space import Dimension
from petlib.config.limits import shown
from petlib.errors import ConfigError

STORAGE = "search.db"
NAME = "search"
FINISHED, PRUNED, FAILED, RUNNING = "finished", "pruned", "failed", "interrupted"
LEAST_COMPARED = 10
"""Finished trials that say how much settings matter; of fewer the shares are chance."""

EXTRA = "pet-search works with Optuna, which is not installed: pip install 'pet-vision[search]'"


def check_installed() -> None:
    """Check that Optuna is there.

    Raises:
        ConfigError: it is not.
    """
    if importlib.util.find_spec("optuna") is None:
        raise ConfigError(EXTRA)


class SearchStudy:
    """The trials of a search.

    Args:
        folder: where the storage lies.
        dimensions: the space.
        around: the settings that all trials have; with the space they say whether a search goes on or is another one.
        greater: whether a greater value of the metric is better.
        seed: of the choices; how many trials there are already counts too, so that a search that goes on does not repeat itself.
        prunes: end trials that are worse than half of the others at the same evaluation.

    Raises:
        ConfigError: the folder holds another search.
    """

    def __init__(
        self, folder: Path, *, dimensions: Sequence[Dimension], around: Mapping[str, Any], greater: bool, seed: int, prunes: bool
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna: Any = optuna
        self._dimensions = {one.key: one for one in dimensions}
        self._greater = greater
        self._study: Any = optuna.create_study(
            study_name=NAME,
            storage=f"sqlite:///{folder.absolute() / STORAGE}",
            direction="maximize" if greater else "minimize",
            load_if_exists=True,
        )
        self._check_same(folder, {"space": [one.describe() for one in dimensions], "around": dict(around), "greater": greater})
        self._study.sampler = optuna.samplers.TPESampler(seed=seed + len(self._study.trials), constant_liar=True)
        self._study.pruner = optuna.pruners.MedianPruner() if prunes else optuna.pruners.NopPruner()

    @property
    def keys(self) -> list[str]:
        """The settings that are searched."""
        return list(self._dimensions)

    def ask(self) -> "StudyTrial":
        """Return a new trial with settings that promise something."""
        distributions = {key: self._distribution(dimension) for key, dimension in self._dimensions.items()}
        return StudyTrial(self._study.ask(fixed_distributions=distributions), self)

    def interrupted(self) -> list["StudyTrial"]:
        """Return the trials that were running when the search ended, to be continued."""
        running = self._study.get_trials(states=[self._optuna.trial.TrialState.RUNNING])
        return [StudyTrial(self._optuna.trial.Trial(self._study, trial._trial_id), self) for trial in running]

    def reported(self, number: int) -> int:
        """Return how many evaluations of a trial are recorded."""
        return len(self._study.trials[number].intermediate_values)

    def record(self, trial: Any, value: float | None, state: str) -> None:
        """Record how a trial ended."""
        states = self._optuna.trial.TrialState
        named = {FINISHED: states.COMPLETE, PRUNED: states.PRUNED, FAILED: states.FAIL}
        self._study.tell(trial, value if state == FINISHED else None, state=named[state])

    def point_of(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a trial, those that are no numbers or texts as they were given."""
        found = {}
        for key, value in parameters.items():
            labels = {_label(choice): choice for choice in self._dimensions[key].choices}
            found[key] = labels[value] if isinstance(value, str) and value in labels else value
        return found

    def rows(self) -> list[dict[str, Any]]:
        """Return number, state, best value, evaluations and settings of each trial, in their order."""
        states = {"COMPLETE": FINISHED, "PRUNED": PRUNED, "FAIL": FAILED}
        best = max if self._greater else min
        return [
            {
                "number": trial.number,
                "state": states.get(trial.state.name, RUNNING),
                "value": trial.value if trial.value is not None else best(trial.intermediate_values.values(), default=None),
                "evaluations": len(trial.intermediate_values),
                "point": self.point_of(trial.params),
            }
            for trial in self._study.trials
        ]

    def best(self) -> dict[str, Any] | None:
        """Return the row of the best trial that reached its end; None: there is none."""
        rows = [row for row in self.rows() if row["state"] == FINISHED]
        chosen = max if self._greater else min
        return chosen(rows, key=lambda row: row["value"], default=None)

    def importance(self) -> dict[str, float]:
        """Return how much of the differences between trials each setting explains, shares of 1; empty: too few trials for that."""
        finished = [row for row in self.rows() if row["state"] == FINISHED]
        if len(finished) < LEAST_COMPARED or len({row["value"] for row in finished}) < 2:
            return {}
        found: dict[str, float] = self._optuna.importance.get_param_importances(self._study)
        return found

    def _distribution(self, dimension: Dimension) -> Any:
        distributions = self._optuna.distributions
        if dimension.choices:
            return distributions.CategoricalDistribution([_label(choice) for choice in dimension.choices])
        if dimension.whole:
            step = 1 if dimension.step is None else int(dimension.step)
            return distributions.IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log, step=step)
        return distributions.FloatDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step)

    def _check_same(self, folder: Path, described: Mapping[str, Any]) -> None:
        """Check that the storage belongs to this search; a new one gets its description."""
        described = json.loads(json.dumps(described, default=str))
        recorded = self._study.user_attrs
        for name, value in described.items():
            if name not in recorded:
                self._study.set_user_attr(name, value)
            elif recorded[name] != value:
                raise ConfigError(
                    f"{folder / STORAGE}: the search in this folder has another {_NAMES[name]}{_difference(recorded[name], value)}; choose "
                    "another folder with --out, or remove this one"
                )


_NAMES = {"space": "space", "around": "config", "greater": "direction (EVAL.BEST_RULE)"}


def _difference(before: Any, now: Any) -> str:
    if not isinstance(before, dict):
        return ""
    keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    return ": " + ", ".join(f"{key} was {shown(before.get(key))} and is {shown(now.get(key))}" for key in keys[:3])


def _label(choice: Any) -> Any:
    """Return a choice as Optuna keeps it: what is no number or text as YAML."""
    if choice is None or isinstance(choice, bool | int | float | str):
        return choice
    return yaml.safe_dump(choice, default_flow_style=True, width=10**9).strip()


class StudyTrial:
    """One trial that runs."""

    def __init__(self, trial: Any, study: SearchStudy) -> None:
        self._trial, self._study = trial, study
        self._reported = study.reported(trial.number)
        self._judged = False

    @property
    def number(self) -> int:
        """Counted from 0."""
        return int(self._trial.number)

    @property
    def point(self) -> dict[str, Any]:
        """The settings by their dotted keys."""
        return self._study.point_of(self._trial.params)

    def report(self, values: Sequence[float]) -> bool:
        """Record the values of the evaluations so far that are not recorded yet; return whether the trial is not worth its end."""
        for number in range(self._reported, len(values)):
            self._trial.report(values[number], step=number + 1)
        is_new = len(values) > self._reported or not self._judged
        self._reported, self._judged = max(self._reported, len(values)), True
        return bool(is_new and self._reported and self._trial.should_prune())

    def finish(self, value: float) -> None:
        """Record that it reached its end."""
        self._study.record(self._trial, value, FINISHED)

    def prune(self) -> None:
        """Record that it was not worth its end."""
        self._study.record(self._trial, None, PRUNED)

    def fail(self) -> None:
        """Record that its training failed."""
        self._study.record(self._trial, None, FAILED)
