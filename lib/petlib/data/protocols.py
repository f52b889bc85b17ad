"""What the parts of the data path hand to each other."""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

Sample = dict[str, Any]
"""One sample: names to numpy arrays and numbers; ``meta`` is a dict of whatever describes it (its file, its size, ...)."""

Batch = dict[str, Any]
"""Several samples: names to tensors or lists of tensors; ``meta`` is a list of dicts."""


class SampleKey(NamedTuple):
    """Names one sample of a run. Every random number of its augmentation follows from the seed, ``epoch`` and ``position``."""

    epoch: int
    position: int
    """Place in the epoch, from 0."""
    index: int  # type: ignore[assignment]  # hides tuple.index, which is not needed here
    """Place in the data set, from 0."""


class Dataset(Protocol):
    """Samples that can be read by their place, from 0 to ``len`` - 1."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample: ...


@runtime_checkable
class NamedFiles(Protocol):
    """A data set that knows the file of a sample without reading it, for messages."""

    def file_of(self, index: int, /) -> str:
        """Return the file of a sample."""
        ...


class SampleTransform(Protocol):
    """Changes one sample. Random numbers come from ``rng`` alone; it must not be kept beyond the call.

    The arrays of the sample may belong to the data set: give changed copies, do not write into them.
    """

    def __call__(self, sample: Sample, rng: np.random.Generator, /) -> Sample:
        """Return the changed sample."""
        ...


class BatchTransform(Protocol):
    """Changes a batch on the device. Random numbers come from ``rng`` alone; it must not be kept beyond the call."""

    def __call__(self, batch: Batch, rng: np.random.Generator, /) -> Batch:
        """Return the changed batch."""
        ...


class Sampler(Protocol):
    """Says which sample of the data set is at which position of an epoch."""

    def __len__(self) -> int:
        """Return the number of positions in an epoch, the same for every epoch."""
        ...

    def indices(self, epoch: int, positions: np.ndarray) -> np.ndarray:
        """Return the indices (int64) of the samples at ``positions`` (int64, from 0 to ``len`` - 1) of an epoch.

        The answer depends on the arguments alone, never on earlier calls.
        """
        ...
