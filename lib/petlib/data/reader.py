"""Reads one sample: from the data set, through the transforms, with its own random numbers."""

import re
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any, Literal

import numpy as np
from torch.utils.data import get_worker_info

from petlib.data.concatenated import ConcatenatedDataset
from petlib.data.protocols import Dataset, NamedFiles, Sample, SampleKey, SampleTransform
from petlib.data.seeding import KeyedGenerators, preserved_global_generators, seed_global_generators
from petlib.errors import ConfigError, DataError, StoreError, UserError
from petlib.launch.watch.status import status
from petlib.suggest import shortened

DRAW = "draw"
"""Where in ``meta`` a sample of a training says which draw it is: epoch and position, from which random numbers that belong to it follow
wherever they are needed."""
REPLACES = "replaces"
"""Where in ``meta`` a sample that replaces another one says which, and why: a list of what could not be read."""

LONGEST_NAME = 500
"""Letters of the name of a file that a message shows."""

_SEED_LIMIT = 2**32
_MOST_REPLACEMENTS = 10


class _UnreadableError(Exception):
    """A sample could not be read, for a reason that another one need not have."""

    def __init__(self, error: Exception, file: object) -> None:
        super().__init__(str(error))
        self.error = error
        self.file = file


class SampleReader:
    """Gives the sample of a :class:`SampleKey`, the same one whoever reads it and whatever was read before.

    The transforms get a generator that follows from (seed, epoch, position). ``meta`` of each sample gets ``index``,
    its place in the data set.

    Args:
        dataset: where samples come from.
        transforms: applied to each sample; None: samples stay as they are.
        seed: the seed of the run.
        seed_global_generators: seed the global generators of python, numpy and torch before each sample, for data
            sets and transforms that draw from them. In a loader worker they stay as the sample left them; in the
            training process :meth:`read` gives them their states back.
        on_error: ``raise`` raises what a sample raises. ``skip`` takes another sample in its place, drawn with a generator
            that follows from (seed, epoch, position), and notes in its ``meta`` what it replaces. So it does whatever the
            data set raises, but for a wrong setting, a store that does not answer and lacking memory, and where a transform raises a
            ``DataError`` or an ``OSError``: other errors of transforms are faults of the program.
        ahead: called before each sample is read, so that what follows it can be fetched in the meantime; None: nothing is.
    """

    def __init__(
        self,
        dataset: Dataset,
        transforms: SampleTransform | None = None,
        *,
        seed: int,
        seed_global_generators: bool = False,
        on_error: Literal["raise", "skip"] = "raise",
        ahead: Callable[[SampleKey], None] | None = None,
    ) -> None:
        self.dataset = dataset
        self._ahead = ahead
        self._transforms = transforms or _unchanged
        self.skips = on_error == "skip"
        self._generators = KeyedGenerators(seed, "sample")
        self._replacements = KeyedGenerators(seed, "replacement")
        self._global_seeds = KeyedGenerators(seed, "global generators") if seed_global_generators else None

    def __len__(self) -> int:
        return len(self.dataset)

    def read(self, keys: Iterable[SampleKey]) -> list[Sample]:
        """Return the samples of ``keys``.

        Raises:
            DataError: the data set gives something that is no dict, or the transforms do; or none of the samples that were
                drawn for one that cannot be read can be read.
            UserError: what the data set or the transforms raise about their input, with the place of the sample, or its
                file where ``meta`` has it.
        """
        keeps_states = self._global_seeds is not None and get_worker_info() is None
        with preserved_global_generators() if keeps_states else nullcontext():
            return [self._read_one(key) for key in keys]

    def file_of(self, index: int) -> str:
        """Return the file of a sample, for messages; empty where it has none or cannot be read."""
        known = self.known_file_of(index)
        if known:
            return known
        try:
            return str(self._get(index)["meta"].get("file", ""))
        except Exception:  # noqa: BLE001 -- it is asked for in the middle of another error, which matters more
            return ""

    def known_file_of(self, index: int) -> str:
        """Return the file of a sample without reading it; empty where the data set does not know."""
        return self.dataset.file_of(index) if isinstance(self.dataset, NamedFiles) else ""

    def _read_one(self, key: SampleKey) -> Sample:
        status.set_sample(key.epoch, key.position, key.index)
        if self._ahead is not None:
            self._ahead(key)
        if self._global_seeds is not None:
            seed_global_generators(int(self._global_seeds.at(key.epoch, key.position).integers(_SEED_LIMIT)))
        try:
            return self._read_from(key, key.index, self._generators.at(key.epoch, key.position))
        except UserError:
            raise
        except _UnreadableError as unreadable:
            return self._read_another(key, unreadable)
        except Exception as error:
            error.add_note(f"This was sample {key.index} of {type(self.dataset).__name__}, position {key.position} of epoch {key.epoch}.")
            raise

    def _read_another(self, key: SampleKey, unreadable: _UnreadableError) -> Sample:
        notes = [_note(key, key.index, unreadable)]
        for attempt in range(_MOST_REPLACEMENTS):
            rng = self._replacements.at(key.epoch, key.position, attempt)
            index = int(rng.integers(len(self.dataset)))
            if self._global_seeds is not None:
                seed_global_generators(int(rng.integers(_SEED_LIMIT)))
            try:
                sample = self._read_from(key, index, rng)
            except _UnreadableError as another:
                notes.append(_note(key, index, another))
                continue
            return {**sample, "meta": {**sample["meta"], REPLACES: notes}}
        raise DataError(
            f"{self.known_file_of(key.index) or _place_of(key.index, self.dataset)} cannot be read ({unreadable}), and none of "
            f"{_MOST_REPLACEMENTS} that were drawn in its place (SampleReader.on_error is skip): {notes[-1]['reason']}"
        ) from unreadable.error

    def _read_from(self, key: SampleKey, index: int, rng: np.random.Generator) -> Sample:
        """Return a sample.

        Raises:
            _UnreadableError: instead of what another sample need not raise, with ``skip``.
        """
        sample: Sample = {}
        try:
            sample = self._get(index)
            sample["meta"][DRAW] = (key.epoch, key.position)
            return self._transform(sample, rng)
        except Exception as error:
            if isinstance(error, UserError) and not sample:
                name_sample(error, index, self.dataset)
            if (
                not self.skips
                or isinstance(error, ConfigError | StoreError | MemoryError)
                or (sample and not isinstance(error, DataError | OSError))
            ):
                raise
            file = sample["meta"].get("file") if sample else getattr(error, "filename", None)
            raise _UnreadableError(error, file or self.known_file_of(index)) from error

    def _get(self, index: int) -> Sample:
        given = self.dataset[index]
        if not isinstance(given, dict):
            raise DataError(f"the data set {_describe(self.dataset)} gave {_name(given)} for sample {index}; a dict of arrays is expected")
        meta = given.get("meta", {})
        if not isinstance(meta, dict):
            raise DataError(f"the data set {_describe(self.dataset)} gave {_name(meta)} as meta of sample {index}; a dict is expected")
        return {**given, "meta": {**meta, "index": index}}

    def _transform(self, sample: Sample, rng: np.random.Generator) -> Sample:
        file, index = sample["meta"].get("file"), sample["meta"]["index"]
        try:
            changed = self._transforms(sample, rng)
        except UserError as error:
            shown = "" if file is None else shortened(str(file), LONGEST_NAME)
            if shown not in str(error):
                error.args = (f"{shown}: {error}",)
            raise
        if not isinstance(changed, dict):
            raise DataError(
                f"the transform {_describe(self._transforms)} gave {_name(changed)} for sample {index}; the changed sample is expected"
            )
        return changed


def _note(key: SampleKey, index: int, unreadable: _UnreadableError) -> dict[str, Any]:
    reason = str(unreadable) if isinstance(unreadable.error, UserError) else f"{type(unreadable.error).__name__}: {unreadable}"
    return {"epoch": key.epoch, "position": key.position, "index": index, "file": str(unreadable.file or ""), "reason": reason}


def name_sample(error: UserError, index: int, dataset: Dataset) -> None:
    """Put the file of the sample before the message, or its place where the data set does not know the file, unless it is there already."""
    file = dataset.file_of(index) if isinstance(dataset, NamedFiles) else ""
    shown = shortened(file, LONGEST_NAME)
    if not (shown in str(error) if file else re.search(rf"\bsample\W{{1,2}}{index}\b", str(error))):
        error.args = (f"{shown or _place_of(index, dataset)}: {error}",)


def _place_of(index: int, dataset: Dataset) -> str:
    """Return the number of a sample, and the class of the data set that it comes from."""
    while isinstance(dataset, ConcatenatedDataset):
        number, index = dataset.locate(index)
        dataset = dataset.datasets[number]
    return f"sample {index} of {type(dataset).__name__}"


def _name(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _describe(component: object) -> str:
    """Return where a component comes from: of a function its own name, of an object its class."""
    named = component if hasattr(component, "__qualname__") else type(component)
    return f"{named.__module__}.{named.__qualname__}"


def _unchanged(sample: Sample, rng: np.random.Generator) -> Sample:  # noqa: ARG001 -- it has the signature of a transform
    return sample
