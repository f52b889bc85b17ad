"""From an entry of ``data`` in a config to samples that petlib reads."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from torch import Tensor

from pet.compat.antgo.dataflow.dataset.dataset import Dataset
from pet.compat.antgo.framework.helper.dataset.builder import DATASETS, PIPELINES
from pet.compat.antgo.pipelines.base import Results, Step
from pet.compat.shared.class_names import class_names
from petlib.data.protocols import Batch, Sample
from petlib.data.reader import SampleReader
from petlib.errors import ConfigError, DataError
from petlib.suggest import did_you_mean

OBJECTS = "objects"
"""Where in ``meta`` the values of a sample travel that are no numbers."""


class PipelineDataset:
    """The samples of an antgo data set, with ``meta`` next to their fields, for :class:`petlib.data.SampleReader`.

    Args:
        dataset: gives the samples.
        steps: the pipeline: callables that take the dictionary of a sample and return it changed.
        fields: names of the fields that a batch gets.
        place: where it is in the config, for messages: ``"data.train"``.

    Raises:
        ConfigError: ``dataset`` has no ``size`` or no ``sample``.
    """

    def __init__(self, dataset: Dataset, *, steps: Sequence[Any], fields: Sequence[str], place: str) -> None:
        self.dataset = dataset
        self.fields = tuple(fields)
        self.place = place
        self._name = type(dataset).__name__
        self._size = self._ask_size()
        self.pipeline = FieldPipeline(steps, self.fields, f"{place} ({self._name})")

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: int) -> Sample:
        sample = self.dataset.sample(index)
        if not isinstance(sample, dict):
            raise DataError(f"{self.place}: {self._name}.sample({index}) gave {_describe(sample)}; a dictionary of fields expected")
        if "meta" in sample:
            raise DataError(f"{self.place}: {self._name}.sample({index}) gave a field 'meta', a name of Pet's own; call it image_meta")
        image_meta = sample.get("image_meta")
        file = image_meta.get("image_file") if isinstance(image_meta, dict) else None
        return {**sample, "meta": {"id": index} if file is None else {"id": index, "file": str(file)}}

    def open(self, *, seed: int, on_error: Literal["raise", "skip"] = "raise") -> SampleReader:
        """Return what reads samples: data set, pipeline, choice of the fields.

        Before each sample the global generators of python, numpy and torch are seeded with what follows from ``seed``, the epoch and
        the position, for data sets and steps that draw from them.
        """
        return SampleReader(self, self.pipeline, seed=seed, seed_global_generators=True, on_error=on_error)

    @property
    def names(self) -> dict[str, list[str]]:
        """The names of the classes, where the data set has them; see :func:`pet.compat.shared.class_names.class_names`."""
        names = class_names(self.dataset)
        return {"classes": names} if names else {}

    def _ask_size(self) -> int:
        if not hasattr(self.dataset, "size") or not callable(getattr(self.dataset, "sample", None)):
            raise ConfigError(f"{self.place}: {self._name} has no size or no sample(id); derive it from Dataset and define both")
        size: object = self.dataset.size
        # the text of the document calls it a function, its example a property
        size = size() if callable(size) else size
        if not isinstance(size, int | np.integer) or size < 0:
            raise ConfigError(f"{self.place}: {self._name}.size is {size!r}; the number of samples expected")
        return int(size)


class FieldPipeline:
    """The steps of a pipeline one after another, and the choice of the fields at its end; a transform of petlib's samples.

    Args:
        steps: the steps.
        fields: names of the fields that stay.
        owner: whose they are, for messages.
    """

    def __init__(self, steps: Sequence[Any], fields: Sequence[str], owner: str) -> None:
        self._steps = list(steps)
        self._fields = tuple(fields)
        self._owner = owner
        # Pet's own steps leave what they are given as it is; the arrays may belong to the data set
        self._protects = any(not isinstance(step, Step) for step in self._steps)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the fields and ``meta``.

        Raises:
            DataError: a step returns something else than a dictionary, or a field is missing.
        """
        results: Results = {name: value for name, value in sample.items() if name != "meta"}
        if self._protects:
            results = copy.deepcopy(results)
        for place, step in enumerate(self._steps):
            changed = step(results)
            if not isinstance(changed, dict):
                raise DataError(
                    f"{self._owner}: step {place} of the pipeline, {_name(step)}, returned {_describe(changed)}; "
                    "the dictionary of the sample expected (return results)"
                )
            results = changed
        return self._choose(results, sample["meta"])

    def _choose(self, results: Results, meta: dict[str, Any]) -> Sample:
        missing = [field for field in self._fields if field not in results]
        if missing:
            raise DataError(
                f"{self._owner}: inputs_def.fields has {missing[0]!r}, which its samples do not"
                f"{did_you_mean(missing[0], results)} (they have {', '.join(map(str, results))})"
            )
        values = {field: _as_numbers(results[field]) for field in self._fields}
        objects = {field: results[field] for field, value in values.items() if value is None}
        numbers = {field: value for field, value in values.items() if value is not None}
        return {**numbers, "meta": {**meta, OBJECTS: objects} if objects else meta}


class RestoreObjects:
    """Gives a batch its fields in the order of the config, and those that are no numbers as lists of what the samples have.

    Args:
        fields: the names.
    """

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = tuple(fields)

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """Return the batch."""
        meta = batch["meta"]
        values = {field: batch[field] if field in batch else [own[OBJECTS][field] for own in meta] for field in self._fields}
        return {**values, "meta": [{key: value for key, value in own.items() if key != OBJECTS} for own in meta]}


def build_dataset(entry: Mapping[str, Any], *, place: str) -> PipelineDataset:
    """Return the data set of an entry of ``data`` with its pipeline and its fields.

    Args:
        entry: ``type``, the arguments of the data set (``train_or_test``, ``dir``, ``ext_params`` or others that its class takes),
            ``pipeline`` (a list of steps, by default none) and ``inputs_def`` (``fields``: a list of names).
        place: where it is in the config, for messages: ``"data.train"``.

    Raises:
        ConfigError: a name is unknown, an argument does not fit, or there are no fields.
        DataError: the files of the data set are missing or cannot be used.
    """
    own = {key: value for key, value in entry.items() if key not in ("pipeline", "inputs_def")}
    fields = _read_fields(entry.get("inputs_def"), f"{place}.inputs_def")
    pipeline = entry.get("pipeline") or []
    if not isinstance(pipeline, list | tuple):
        raise ConfigError(f"{place}.pipeline: {pipeline!r} given; a list of steps expected, [dict(type='ResizeS', target_dim=256), ...]")
    steps = [PIPELINES.build(step, place=f"{place}.pipeline.{number}") for number, step in enumerate(pipeline)]
    for number, step in enumerate(steps):
        if not callable(step):
            raise ConfigError(f"{place}.pipeline.{number}: {_name(step)} cannot be called; define __call__(self, results)")
    return PipelineDataset(DATASETS.build(own, place=place), steps=steps, fields=fields, place=place)


def _read_fields(inputs: Any, place: str) -> list[str]:
    if not isinstance(inputs, Mapping) or not inputs.get("fields"):
        raise ConfigError(f"{place}: {inputs!r} given; dict(fields=[...]) with the fields that the model takes expected, e.g. ['image']")
    unknown = [key for key in inputs if key != "fields"]
    if unknown:
        raise ConfigError(f"{place}: unknown entry {unknown[0]!r}{did_you_mean(str(unknown[0]), ['fields'])}")
    fields = inputs["fields"]
    if not isinstance(fields, list | tuple) or not all(isinstance(field, str) for field in fields) or len(set(fields)) < len(fields):
        raise ConfigError(f"{place}.fields: {fields!r} given; a list of names expected, each of them once")
    return list(fields)


def _as_numbers(value: Any) -> Any:
    """Return what a batch can stack: an array, a tensor or a number; None for everything else."""
    if isinstance(value, Tensor | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        try:
            value = np.asarray(value)
        except (ValueError, TypeError):
            return None
    if isinstance(value, np.ndarray | np.generic):
        return value if value.dtype.kind in "biufc" else None
    return None


def _describe(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _name(step: object) -> str:
    return getattr(step, "__name__", type(step).__name__)
