"""The batches of a training run, on the device."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing

import torch

from petlib.data.collate import collate
from petlib.data.device_copy import copy_to_device
from petlib.data.loading import LoadingOptions, start_loading
from petlib.data.protocols import Batch, BatchTransform
from petlib.data.reader import SampleReader
from petlib.data.seeding import KeyedGenerators
from petlib.data.train_batches import DeviceBatch, TrainBatches


class TrainLoader:
    """Gives the device batches of this rank from any iteration on.

    The batches follow from the seed and the iteration alone: neither the number of workers nor the iteration that a
    run was started at changes them.

    Args:
        reader: reads samples.
        batches: which samples make up which batch.
        device: where batches go.
        num_workers: worker processes; 0 reads in this process.
        prefetch: batches that each worker prepares ahead.
        batch_transforms: applied to each batch on the device, with a generator that follows from (seed, iteration,
            rank, accumulation part).
        seed: the seed of the run.
        worker_init: called once in each worker process, e.g. to set the threads of a library.

    Attributes:
        iterations_per_epoch: iterations of an epoch.
        accumulation: batches of one iteration.
    """

    def __init__(
        self,
        reader: SampleReader,
        batches: TrainBatches,
        *,
        device: torch.device,
        num_workers: int = 0,
        prefetch: int = 2,
        batch_transforms: Sequence[BatchTransform] = (),
        seed: int,
        worker_init: Callable[[], None] | None = None,
    ) -> None:
        self.iterations_per_epoch = batches.iterations_per_epoch
        self.accumulation = batches.accumulation
        self._reader = reader
        self._plan = batches
        self._device = device
        self._options = LoadingOptions(num_workers, prefetch, device.type == "cuda", worker_init)
        self._batch_transforms = list(batch_transforms)
        self._seed = seed

    def batches(self, start_iteration: int, max_iter: int) -> Generator[Batch, None, None]:
        """Start the workers and return the batches of the iterations from ``start_iteration`` to before ``max_iter``.

        Each iteration has ``accumulation`` batches. The workers live until the last batch was taken or the generator
        is closed.

        Raises (while iterating):
            UserError: what the data set, a transform or the collation raised about a sample.
            RuntimeError: a worker was killed.
        """
        loaded = start_loading(self._read, self._plan.device_batches(start_iteration, max_iter), self._options)
        return self._transformed(copy_to_device(loaded, self._device), start_iteration, max_iter)

    def _read(self, device_batch: DeviceBatch) -> Batch:
        return collate(self._reader.read(self._plan.keys_of(device_batch)))

    def _transformed(self, batches: Generator[Batch, None, None], start_iteration: int, max_iter: int) -> Generator[Batch, None, None]:
        generators = KeyedGenerators(self._seed, "batch")
        with closing(batches):
            for device_batch, batch in zip(self._plan.device_batches(start_iteration, max_iter), batches, strict=True):
                rng = generators.at(device_batch.iteration, self._plan.rank, device_batch.part)
                changed = batch
                for transform in self._batch_transforms:
                    changed = transform(changed, rng)
                yield changed
