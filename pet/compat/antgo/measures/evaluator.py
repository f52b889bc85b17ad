"""The measures of ``evaluation.metric`` as an evaluator of Pet, and what measures are given, as arrays."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from pet.compat.antgo.framework.helper.runner.builder import MEASURES
from pet.metrics.results import write_metrics_json
from petlib.config.nested import Component
from petlib.distributed.collectives import broadcast_object, gather_objects
from petlib.distributed.process_group import is_main_process
from petlib.errors import ConfigError, DataError
from petlib.events.writers.console import format_figure
from petlib.suggest import did_you_mean

METRIC = "evaluation.metric"

Items = list[dict[str, Any]]


class Measure(Protocol):
    """What a user registers with ``MEASURES``."""

    def keys(self) -> Mapping[str, Sequence[str]]:
        """Return ``{"pred": names in what forward_test returns, "gt": fields of the data}``."""

    def __call__(self, preds: Items, gts: Items, /) -> Mapping[str, float]:
        """Return the metrics of all samples; each has a dictionary of numpy arrays in both lists."""


class MeasureEvaluator:
    """Feeds measures with the predictions and ground truths of all samples, in the order of the data set, each sample once.

    The arrays wait on the CPU until the end; the main process measures. See :class:`pet.evaluation.evaluator.Evaluator`.

    Args:
        measures: the measures.
        save_best: the metric that decides which model is the best; empty: the first one.
    """

    def __init__(self, measures: Sequence[Measure], *, save_best: str = "") -> None:
        self._measures = list(measures)
        self._save_best = save_best
        self._pred_names = _names(measures, "pred")
        self._gt_names = _names(measures, "gt")
        self._waiting: list[tuple[Items, Items]] = []
        self._share: tuple[Items, Items] = ([], [])
        self._metrics: dict[str, float] = {}

    def update(self, batch: dict[str, Any], predictions: list[dict[str, Any]]) -> None:
        """Take one batch; its arrays are fetched from the device when the next one comes.

        Raises:
            ConfigError: ``forward_test`` does not return what a measure wants.
        """
        lacking = [name for name in self._pred_names if name not in predictions[0]]
        if lacking:
            returned = ", ".join(predictions[0]) or "nothing"
            raise ConfigError(
                f"{METRIC}: it measures {lacking[0]!r}, but forward_test returned {returned}{did_you_mean(lacking[0], predictions[0])}"
            )
        self._fetch()
        gts = [{name: batch[name][place] for name in self._gt_names} for place in range(len(predictions))]
        self._waiting.append(([{name: sample[name] for name in self._pred_names} for sample in predictions], gts))

    def compute(self) -> dict[str, float]:
        """Return the metrics of all measures over the samples of all processes.

        Raises:
            ConfigError: a measure returns something else, or none of them returns the metric of ``save_best``.
        """
        self._fetch()
        shares = gather_objects(self._share)
        self._metrics = broadcast_object({} if shares is None else self._measure(shares))
        return self._metrics

    def write(self, folder: Path) -> None:
        """Write ``metrics.json``; the main process does it."""
        if is_main_process():
            folder.mkdir(parents=True, exist_ok=True)
            write_metrics_json(folder / "metrics.json", self._metrics)

    def summary(self) -> str:
        """Return ``miou: 0.4321 | acc: 0.8765``."""
        return " | ".join(f"{name}: {format_figure(value)}" for name, value in self._metrics.items())

    def _fetch(self) -> None:
        for preds, gts in self._waiting:
            self._share[0].extend(_to_numpy(preds))
            self._share[1].extend(_to_numpy(gts))
        self._waiting = []

    def _measure(self, shares: list[tuple[Items, Items]]) -> dict[str, float]:
        preds = [sample for share, _ in shares for sample in share]
        gts = [sample for _, share in shares for sample in share]
        metrics: dict[str, float] = {}
        for measure in self._measures:
            found = _read_metrics(measure, measure(preds, gts))
            if both := found.keys() & metrics.keys():
                raise ConfigError(f"{METRIC}: two measures return {', '.join(sorted(both))}; give one of them another name")
            metrics |= found
        if self._save_best and self._save_best not in metrics:
            hint = did_you_mean(self._save_best, metrics) or f"; there is {', '.join(metrics)}"
            raise ConfigError(f"evaluation.save_best: {self._save_best!r} given, but no measure returns it{hint}")
        return metrics


def build_measures(components: Mapping[str, Component]) -> list[Measure]:
    """Return the measures of a translated config.

    Raises:
        ConfigError: there is none, one is not registered, takes other arguments, or lacks ``keys`` or ``__call__``.
    """
    entries = [component for place, component in components.items() if place == METRIC or place.startswith(f"{METRIC}.")]
    if not entries:
        raise ConfigError(f"{METRIC}: missing; a measure expected, e.g. evaluation = dict(metric=dict(type='SegMIOU', class_num=21))")
    measures: list[Measure] = []
    for entry in entries:
        measure = MEASURES.build({"type": entry.name, **entry.arguments}, place=entry.place)
        if not callable(measure) or not callable(getattr(measure, "keys", None)):
            raise ConfigError(f"{entry.place}: {entry.name} has no keys() and __call__(preds, gts), which a measure needs")
        given = measure.keys()
        if not isinstance(given, Mapping) or set(given) != {"pred", "gt"}:
            raise ConfigError(f"{entry.place}: {entry.name}.keys() gives {given!r}, {{'pred': [...], 'gt': [...]}} expected")
        measures.append(measure)
    return measures


def check_truths(measures: Sequence[Measure], fields: Sequence[str], *, place: str) -> None:
    """Check that the data give what measures compare predictions with.

    Raises:
        ConfigError: a field is not among those of the data.
    """
    lacking = [name for name in _names(measures, "gt") if name not in fields]
    if lacking:
        raise ConfigError(
            f"{place}: {', '.join(fields)} given, but {METRIC} compares with {', '.join(lacking)}{did_you_mean(lacking[0], fields)}; "
            f"add {lacking[0]!r} to the fields"
        )


def _names(measures: Sequence[Measure], kind: str) -> list[str]:
    return list(dict.fromkeys(name for measure in measures for name in measure.keys()[kind]))


def _to_numpy(value: Any) -> Any:
    if isinstance(value, Tensor):
        array = value.detach()
        return (array.float() if array.dtype == torch.bfloat16 else array).cpu().numpy()
    if isinstance(value, dict):
        return {name: _to_numpy(item) for name, item in value.items()}
    return [_to_numpy(item) for item in value] if isinstance(value, list | tuple) else value


def _read_metrics(measure: Measure, found: object) -> dict[str, float]:
    name = type(measure).__name__
    if not isinstance(found, Mapping) or not found:
        raise ConfigError(f"{METRIC}: {name} returned {found!r}, numbers by name expected, e.g. {{'miou': 0.5}}")
    metrics: dict[str, float] = {}
    for key, value in found.items():
        try:
            metrics[str(key)] = float(value)
        except (TypeError, ValueError):
            raise ConfigError(f"{METRIC}: {name} returned {key!r} as {type(value).__name__}, a number expected") from None
    return metrics


Values = Mapping[str, Any]
"""The prediction or the truth of one sample: name -> array, tensor or number."""


def array_of(values: Values, key: str, where: str) -> np.ndarray:
    """Return one of the values as an array in main memory.

    Args:
        values: the prediction or the truth of a sample.
        key: its name.
        where: whose they are, for messages: ``"SegMIOU: prediction 3"``.

    Raises:
        DataError: it is missing, or no numbers.
    """
    if key not in values:
        raise DataError(f"{where} has no {key!r}{did_you_mean(key, values)} (it has {', '.join(map(str, values)) or 'nothing'})")
    value = values[key]
    try:
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
    except ValueError as error:
        raise DataError(f"{where}: {key!r} is no array: {error}") from error
    if array.dtype.kind not in "biuf":
        raise DataError(f"{where}: {key!r} holds {array.dtype}, numbers expected")
    return array
