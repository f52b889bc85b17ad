"""Further metrics by name, which a user's module adds: what they measure is reported next to the figures of the task."""

from collections.abc import Sequence
from typing import Any, cast

from pet.data.targets.dataset import Dataset
from pet.evaluation.evaluator import Evaluator
from petlib.arguments import fit_arguments, split_entry
from petlib.errors import ConfigError
from petlib.registry import Registry

METRICS = Registry("metric")
"""Name in ``EVAL.METRICS`` -> what builds an :class:`~pet.evaluation.evaluator.Evaluator`: a class or function that is called by
keyword with ``dataset``, the test data, ``keep_predictions``, whether its ``write`` will be called, and the arguments of the entry."""

KEY = "EVAL.METRICS"


def build_metrics(entries: Sequence[Any], dataset: Dataset, *, keep_predictions: bool) -> list[Evaluator]:
    """Return new evaluators.

    Args:
        entries: ``EVAL.METRICS``: names, or mappings of a name and arguments.
        dataset: the test data.
        keep_predictions: whether :meth:`~pet.evaluation.evaluator.Evaluator.write` will be called.

    Raises:
        ConfigError: a name or an argument is unknown or wrong.
    """
    return [_build(entry, {"dataset": dataset, "keep_predictions": keep_predictions}) for entry in entries]


def _build(entry: Any, fixed: dict[str, Any]) -> Evaluator:
    name, arguments = split_entry(KEY, entry, example="{name: boundary_iou, width: 3}")
    try:
        component = METRICS.get(name)
        return cast("Evaluator", component(**fit_arguments("metric", name, component, {**arguments, **fixed})))
    except ConfigError as error:
        raise ConfigError(f"{KEY}: {error}") from None
