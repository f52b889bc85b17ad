"""Which samples make up which device batch of which iteration."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from petlib.data.aspect_ratio import AspectRatioSampler
from petlib.data.protocols import SampleKey, Sampler
from petlib.errors import ConfigError, DataError

_CHUNK = 4096
"""How many keys are computed at once, at most those of an epoch: enough to make the cost of a numpy call small for each."""


class DeviceBatch(NamedTuple):
    """Names one device batch of a rank."""

    iteration: int
    part: int
    """Which of the parts that an iteration's batch is split into for gradient accumulation, from 0."""


class TrainBatches:
    """Deals the samples of a run out to iterations, accumulation parts and ranks.

    Iteration i covers the B = ``batch_size`` stream positions from i * B on. They fall into ``accumulation`` parts of
    equal size, one after another, and each part into ``world_size`` slices of equal size, one after another: the
    device batch of rank r in part a begins at position ``i * B + (a * world_size + r) * b``, and has b =
    ``device_batch_size`` samples. So any split of the same B gives the iteration the same samples.

    The stream is the sampler's epochs one after another. With ``epochwise`` the end of an epoch that does not fill a
    batch is left out (fewer than B positions, other samples in each epoch if the sampler shuffles) and every epoch
    begins with a new iteration; without it a batch may run over the end of an epoch.

    Args:
        sampler: the order of the samples in each epoch.
        batch_size: samples of one optimizer step over all ranks and accumulation parts.
        rank: number of this process.
        world_size: number of processes.
        accumulation: device batches of one optimizer step on each rank.
        epochwise: whether every epoch begins with a new iteration.

    Raises:
        ConfigError: ``batch_size`` cannot be split evenly.
        DataError: an epoch has fewer samples than one batch.
    """

    def __init__(
        self, sampler: Sampler, *, batch_size: int, rank: int = 0, world_size: int = 1, accumulation: int = 1, epochwise: bool
    ) -> None:
        assert 0 <= rank < world_size, f"rank {rank} of {world_size}"
        self.device_batch_size = split_batch(batch_size, world_size, accumulation)
        if len(sampler) < batch_size:
            raise DataError(
                f"an epoch has {len(sampler)} samples, fewer than one batch (batch_size is {batch_size}); "
                f"use a batch of at most {len(sampler)} or more data"
            )
        assert not isinstance(sampler, AspectRatioSampler) or sampler.batch_size % self.device_batch_size == 0, (
            "the batch size of the aspect ratio sampler must be a multiple of the device batch"
        )
        self.batch_size = batch_size
        self.rank = rank
        self.accumulation = accumulation
        self.iterations_per_epoch = len(sampler) // batch_size
        self._sampler = sampler
        self._stream_epoch = self.iterations_per_epoch * batch_size if epochwise else len(sampler)
        own = accumulation * self.device_batch_size
        self._chunk_length = max(1, min(_CHUNK // own, self.iterations_per_epoch))
        part_starts = (np.arange(accumulation) * world_size + rank) * self.device_batch_size
        self._offsets = part_starts[:, None] + np.arange(self.device_batch_size)
        self._chunk_number = -1
        self._chunk = np.zeros((0, accumulation, self.device_batch_size, 3), np.int64)

    def device_batches(self, start_iteration: int, stop_iteration: int) -> Iterator[DeviceBatch]:
        """Yield the names of this rank's device batches, ``accumulation`` for each iteration."""
        for iteration in range(start_iteration, stop_iteration):
            for part in range(self.accumulation):
                yield DeviceBatch(iteration, part)

    def keys_of(self, device_batch: DeviceBatch) -> list[SampleKey]:
        """Return the keys of the samples in one device batch of this rank."""
        chunk_number, place = divmod(device_batch.iteration, self._chunk_length)
        if chunk_number != self._chunk_number:
            first = chunk_number * self._chunk_length
            self._chunk = self._compute(np.arange(first, first + self._chunk_length))
            self._chunk_number = chunk_number
        return [SampleKey(*key) for key in self._chunk[place, device_batch.part].tolist()]

    def keys(self, start_iteration: int, stop_iteration: int) -> Iterator[list[SampleKey]]:
        """Yield the keys of this rank's device batches from iteration ``start_iteration`` to before ``stop_iteration``."""
        for device_batch in self.device_batches(start_iteration, stop_iteration):
            yield self.keys_of(device_batch)

    def _compute(self, iterations: np.ndarray) -> np.ndarray:
        """Return (epoch, position, index) of the samples of some iterations, shape (iterations, accumulation, device batch, 3)."""
        stream = iterations[:, None, None] * self.batch_size + self._offsets
        epochs, positions = np.divmod(stream, self._stream_epoch)
        indices = np.empty_like(positions)
        for epoch in np.unique(epochs):
            inside = epochs == epoch
            indices[inside] = self._sampler.indices(int(epoch), positions[inside])
        return np.stack([epochs, positions, indices], axis=-1)


def split_batch(batch_size: int, world_size: int, accumulation: int) -> int:
    """Return the samples of one device batch.

    Raises:
        ConfigError: ``batch_size`` cannot be split evenly.
    """
    parts = world_size * accumulation
    if batch_size < 1 or batch_size % parts:
        below = batch_size // parts * parts
        nearest = f"{below} and {below + parts}" if below > 0 else str(parts)
        raise ConfigError(
            f"batch_size is {batch_size}, which cannot be split evenly over {world_size} processes with "
            f"{accumulation} parts each (accumulation); nearest sizes that can: {nearest}"
        )
    return batch_size // parts
