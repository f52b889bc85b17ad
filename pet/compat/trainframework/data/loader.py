"""The batches of a user's data set."""

from typing import Literal

import torch

from pet.compat.trainframework.data.batch import NameFields
from pet.data.loading.build import start_worker
from petlib.data.evaluation_loader import EvaluationLoader
from petlib.data.protocols import Dataset
from petlib.data.reader import SampleReader
from petlib.data.samplers import ShuffledSampler
from petlib.data.skipped_samples import SkippedSamples
from petlib.data.train_batches import TrainBatches
from petlib.data.train_loader import TrainLoader
from petlib.distributed.process_group import rank, world_size
from petlib.errors import ConfigError, DataError


def build_train_loader(
    data_set: Dataset,
    *,
    batch_size: int,
    accumulation: int = 1,
    num_workers: int = 0,
    prefetch: int = 2,
    seed: int,
    device: torch.device,
    skipped: SkippedSamples | None = None,
) -> TrainLoader:
    """Return the batches of a training: one long stream, in a new order in every epoch.

    Batches are dictionaries with the fields of the samples and ``meta``; what a sample is depends on the seed, the epoch and its
    position alone, also where the data set draws from the global generators.

    Args:
        data_set: the user's.
        batch_size: samples of one optimizer step, over all processes and accumulation parts.
        accumulation: parts that the batch of a process is split into.
        num_workers: processes that read samples; 0: this one.
        prefetch: batches that each of them reads ahead.
        seed: of the order of the samples and of their random numbers.
        device: where batches go.
        skipped: lists samples that cannot be read, in whose place others come; None: they end the training.

    Raises:
        DataError: the data set has no samples, or fewer than a batch.
        ConfigError: the batch cannot be split evenly.
    """
    count = _count(data_set, "train_data_set")
    processes = world_size()
    _check_batch(batch_size, count, processes, accumulation)
    batches = TrainBatches(
        ShuffledSampler(count, seed=seed),
        batch_size=batch_size,
        rank=rank(),
        world_size=processes,
        accumulation=accumulation,
        epochwise=False,
    )
    return TrainLoader(
        _reader(data_set, seed, on_error="raise" if skipped is None else "skip"),
        batches,
        device=device,
        num_workers=num_workers,
        prefetch=prefetch,
        batch_transforms=[NameFields(type(data_set).__name__)],
        seed=seed,
        worker_init=start_worker,
        skipped=skipped,
    )


def build_test_loader(
    data_set: Dataset, *, batch_size: int, num_workers: int = 0, prefetch: int = 2, seed: int, device: torch.device
) -> EvaluationLoader:
    """Return the batches of an evaluation: every sample once, in the order of the data set, over all processes.

    The last batch may be smaller. Arguments are those of :func:`build_train_loader`; ``batch_size`` counts the samples of one process.

    Raises:
        DataError: the data set has no samples.
        ConfigError: the batch is smaller than one sample.
    """
    _count(data_set, "val_data_set")
    if batch_size < 1:
        raise ConfigError(f"solver.test_per_batch is {batch_size}, at least 1 expected")
    return EvaluationLoader(
        _reader(data_set, seed),
        batch_size=batch_size,
        rank=rank(),
        world_size=world_size(),
        device=device,
        num_workers=num_workers,
        prefetch=prefetch,
        batch_transforms=[NameFields(type(data_set).__name__)],
        seed=seed,
        worker_init=start_worker,
    )


def _reader(data_set: Dataset, seed: int, on_error: Literal["raise", "skip"] = "raise") -> SampleReader:
    return SampleReader(data_set, seed=seed, seed_global_generators=True, on_error=on_error)


def _count(data_set: Dataset, place: str) -> int:
    count = len(data_set)
    if count == 0:
        raise DataError(
            f"dataloader.{place}: {type(data_set).__name__} has no samples; fill self.dataset in its __init__, or look at what it reads"
        )
    return count


def _check_batch(batch_size: int, count: int, processes: int, accumulation: int) -> None:
    parts = processes * accumulation
    if batch_size < 1 or batch_size % parts:
        nearest = max(batch_size // parts, 1) * parts
        raise ConfigError(
            f"solver.train_per_batch is {batch_size}, which cannot be split evenly over {processes} processes with {accumulation} parts "
            f"each (solver.gradient_accumulation_batch); {nearest} or {nearest + parts} would do"
        )
    if count < batch_size:
        raise DataError(
            f"dataloader.train_data_set: it has {count} samples, fewer than one batch (solver.train_per_batch is {batch_size}); "
            f"use a batch of at most {count} or more data"
        )
