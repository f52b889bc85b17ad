"""The batches of a training run, on the device."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from types import MappingProxyType
from typing import Any

import torch
from torch.utils.data import get_worker_info

from petlib.data.collate import collate
from petlib.data.loading import LOADER_TIMEOUT, ClosableBatches, LoadingOptions, copy_to_device, start_loading
from petlib.data.protocols import Batch, BatchTransform
from petlib.data.reader import SampleReader
from petlib.data.seeding import KeyedGenerators
from petlib.data.skipped_samples import SkippedSamples
from petlib.data.train_batches import DeviceBatch, TrainBatches
from petlib.errors import DataError
from petlib.launch.watch.status import status

WAY_OUT = "; DATA.ON_ERROR: skip trains with other samples in the place of such, and tools/data/check.py finds all of them beforehand"
"""What the message of a sample that cannot be read ends with: it may come hours after the start."""


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
        timeout: seconds to wait for a batch of the workers; 0: without end.
        skipped: lists the samples that a reader with ``on_error="skip"`` replaced; None: they are not listed.
        names: what the numbers in the targets are called, see the attribute.
        begin: called before the first batch is read; None: nothing is.
        enlarge: makes of a batch, after its transforms, one with as many samples that takes as much memory as any of the run may; None: all
            are of one size, or it is not known.

    Attributes:
        iterations_per_epoch: iterations of an epoch.
        accumulation: batches of one iteration.
        names: what the numbers in the targets are called, by kind of target; empty: not known. A run keeps them with its weights.
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
        timeout: float = LOADER_TIMEOUT,
        skipped: SkippedSamples | None = None,
        names: Mapping[str, Sequence[str]] = MappingProxyType({}),
        begin: Callable[[], None] | None = None,
        enlarge: Callable[[Batch], Batch] | None = None,
    ) -> None:
        self.names = names
        self.iterations_per_epoch = batches.iterations_per_epoch
        self.accumulation = batches.accumulation
        self._reader = reader
        self._plan = batches
        self._device = device
        self._options = LoadingOptions(num_workers, prefetch, device.type == "cuda", worker_init, timeout)
        self._batch_transforms = list(batch_transforms)
        self._seed = seed
        self._skipped = skipped
        self._begin = begin
        self.enlarge = enlarge

    def batches(self, start_iteration: int, max_iter: int) -> ClosableBatches[Batch]:
        """Start the workers and return the batches of the iterations from ``start_iteration`` to before ``max_iter``.

        Each iteration has ``accumulation`` batches. The workers live until the last batch was taken or the batches are
        closed or dropped.

        Raises (while iterating):
            UserError: what the data set, a transform or the collation raised about a sample.
            RuntimeError: a worker was killed, or gave no batch in time.
        """
        if self._begin is not None:
            self._begin()
        if self._skipped is not None:
            self._skipped.open(start_iteration)
        requests = self._plan.device_batches(start_iteration, max_iter)
        loaded = start_loading(self._read, requests, self._options, locate=self._reader.known_file_of)
        return ClosableBatches(self._transformed(copy_to_device(loaded, self._device), start_iteration, max_iter), loaded)

    def samples_of(self, iteration: int) -> list[dict[str, Any]]:
        """Return index and file of the samples of an iteration, counted from 0, on this rank. It reads them."""
        parts = [DeviceBatch(iteration, part) for part in range(self.accumulation)]
        keys = [key for part in parts for key in self._plan.keys_of(part)]
        return [{"index": key.index, "file": self._reader.file_of(key.index)} for key in keys]

    def _read(self, device_batch: DeviceBatch) -> Batch:
        if get_worker_info() is not None:
            status.set_iterations(device_batch.iteration)
        try:
            samples = self._reader.read(self._plan.keys_of(device_batch))
        except DataError as error:
            if not self._reader.skips:
                error.args = (f"{error}{WAY_OUT}",)
            raise
        return collate(samples)

    def _transformed(self, batches: Generator[Batch, None, None], start_iteration: int, max_iter: int) -> Generator[Batch, None, None]:
        generators = KeyedGenerators(self._seed, "batch")
        with closing(batches):
            for device_batch, batch in zip(self._plan.device_batches(start_iteration, max_iter), batches, strict=True):
                if self._skipped is not None:
                    seen = (device_batch.iteration + 1) * self._plan.batch_size
                    self._skipped.take(device_batch.iteration, batch["meta"], seen=seen)
                rng = generators.at(device_batch.iteration, self._plan.rank, device_batch.part)
                changed = batch
                for transform in self._batch_transforms:
                    changed = transform(changed, rng)
                yield changed
