"""The batches of an evaluation, on the device."""

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import closing

import torch

from petlib.data.collate import collate
from petlib.data.loading import LOADER_TIMEOUT, ClosableBatches, LoadingOptions, copy_to_device, start_loading
from petlib.data.protocols import Batch, BatchTransform, SampleKey
from petlib.data.reader import SampleReader
from petlib.data.seeding import KeyedGenerators


class EvaluationLoader:
    """Gives each sample of a data set once over all ranks, in the order of the data set.

    Rank r of W gets the contiguous share from sample ``r * N // W`` to before ``(r + 1) * N // W`` of N: the shares of
    the ranks, one after another, are the data set. With fewer samples than ranks some shares are empty.
    ``batch["meta"][i]["index"]`` is the place of a sample in the data set.

    Args:
        reader: reads samples; each is read as position ``index`` of epoch 0.
        batch_size: samples of one batch; the last one may be smaller.
        rank: number of this process.
        world_size: number of processes.
        device: where batches go.
        num_workers: worker processes while a loop over the loader goes on; 0 reads in this process.
        prefetch: batches that each worker prepares ahead.
        batch_transforms: applied to each batch on the device, with a generator that follows from (seed, number of the
            batch, rank).
        seed: the seed of the run.
        worker_init: called once in each worker process.
        timeout: seconds to wait for a batch of the workers; 0: without end.
    """

    def __init__(
        self,
        reader: SampleReader,
        *,
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
        device: torch.device,
        num_workers: int = 0,
        prefetch: int = 2,
        batch_transforms: Sequence[BatchTransform] = (),
        seed: int = 0,
        worker_init: Callable[[], None] | None = None,
        timeout: float = LOADER_TIMEOUT,
    ) -> None:
        assert 0 <= rank < world_size, f"rank {rank} of {world_size}"
        assert batch_size > 0, f"batch_size {batch_size}"
        count = len(reader)
        self.share = range(rank * count // world_size, (rank + 1) * count // world_size)
        self._reader = reader
        self._batch_size = batch_size
        self._rank = rank
        self._device = device
        self._options = LoadingOptions(num_workers, prefetch, device.type == "cuda", worker_init, timeout)
        self._batch_transforms = list(batch_transforms)
        self._seed = seed

    def __len__(self) -> int:
        """Return the number of batches of this rank."""
        return math.ceil(len(self.share) / self._batch_size)

    def __iter__(self) -> ClosableBatches[Batch]:
        """Start the workers and return the batches of this rank; errors are those of :meth:`TrainLoader.batches`."""
        requests = [self.share[start : start + self._batch_size] for start in range(0, len(self.share), self._batch_size)]
        loaded = start_loading(self._read, requests, self._options, locate=self._reader.known_file_of)
        return ClosableBatches(self._transformed(copy_to_device(loaded, self._device)), loaded)

    def _read(self, indices: range) -> Batch:
        return collate(self._reader.read(SampleKey(0, index, index) for index in indices))

    def _transformed(self, batches: Generator[Batch, None, None]) -> Generator[Batch, None, None]:
        generators = KeyedGenerators(self._seed, "evaluation batch")
        with closing(batches):
            for number, batch in enumerate(batches):
                rng = generators.at(number, self._rank)
                changed = batch
                for transform in self._batch_transforms:
                    changed = transform(changed, rng)
                yield changed
