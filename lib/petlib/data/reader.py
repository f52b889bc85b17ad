"""Reads one sample: from the data set, through the transforms, with its own random numbers."""

from collections.abc import Iterable
from contextlib import nullcontext

import numpy as np
from torch.utils.data import get_worker_info

from petlib.data.global_generators import preserved_global_generators, seed_global_generators
from petlib.data.protocols import Dataset, Sample, SampleKey, SampleTransform
from petlib.data.seeding import KeyedGenerators
from petlib.errors import DataError, UserError

_SEED_LIMIT = 2**32


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
    """

    def __init__(
        self, dataset: Dataset, transforms: SampleTransform | None = None, *, seed: int, seed_global_generators: bool = False
    ) -> None:
        self.dataset = dataset
        self._transforms = transforms or _unchanged
        self._generators = KeyedGenerators(seed, "sample")
        self._global_seeds = KeyedGenerators(seed, "global generators") if seed_global_generators else None

    def __len__(self) -> int:
        return len(self.dataset)

    def read(self, keys: Iterable[SampleKey]) -> list[Sample]:
        """Return the samples of ``keys``.

        Raises:
            DataError: the data set gives something that is no dict, or the transforms do.
            UserError: what the data set or the transforms raise about their input; an error of the transforms also
                names the file of the sample, if ``meta`` has ``file``.
        """
        keeps_states = self._global_seeds is not None and get_worker_info() is None
        with preserved_global_generators() if keeps_states else nullcontext():
            return [self._read_one(key) for key in keys]

    def _read_one(self, key: SampleKey) -> Sample:
        if self._global_seeds is not None:
            seed_global_generators(int(self._global_seeds.at(key.epoch, key.position).integers(_SEED_LIMIT)))
        try:
            sample = self._get(key.index)
            return self._transform(sample, self._generators.at(key.epoch, key.position))
        except UserError:
            raise
        except Exception as error:
            error.add_note(f"This was sample {key.index} of {type(self.dataset).__name__}, position {key.position} of epoch {key.epoch}.")
            raise

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
            if file is not None and str(file) not in str(error):
                error.args = (f"{file}: {error}",)
            raise
        if not isinstance(changed, dict):
            raise DataError(
                f"the transform {_describe(self._transforms)} gave {_name(changed)} for sample {index}; the changed sample is expected"
            )
        return changed


def _name(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _describe(component: object) -> str:
    """Return where a component comes from: of a function its own name, of an object its class."""
    named = component if hasattr(component, "__qualname__") else type(component)
    return f"{named.__module__}.{named.__qualname__}"


def _unchanged(sample: Sample, rng: np.random.Generator) -> Sample:  # noqa: ARG001 -- it stands for a transform
    return sample
