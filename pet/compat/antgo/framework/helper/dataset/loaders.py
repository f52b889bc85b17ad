"""Loaders of batches from the settings of ``train_dataloader``, ``val_dataloader`` and ``test_dataloader``."""

from typing import Literal

import torch

from pet.compat.antgo.framework.helper.dataset.adapter import PipelineDataset, RestoreObjects
from pet.data.loading.build import start_worker
from petlib.data.evaluation_loader import EvaluationLoader
from petlib.data.protocols import SampleKey
from petlib.data.reader import SampleReader
from petlib.data.samplers import SequentialSampler, ShuffledSampler
from petlib.data.skipped_samples import SkippedSamples
from petlib.data.train_batches import TrainBatches
from petlib.data.train_loader import TrainLoader
from petlib.distributed.process_group import rank, world_size
from petlib.errors import ConfigError, DataError


def build_train_loader(
    dataset: PipelineDataset,
    *,
    samples_per_gpu: int,
    workers_per_gpu: int = 0,
    drop_last: bool = False,
    shuffle: bool = True,
    seed: int,
    device: torch.device,
    accumulation: int = 1,
    place: str = "data.train_dataloader",
    skipped: SkippedSamples | None = None,
) -> TrainLoader:
    """Return the batches of a training, after a look at the first sample. Every process calls it.

    Args:
        dataset: where samples come from.
        samples_per_gpu: samples of a batch on each device.
        workers_per_gpu: worker processes of each device; 0 reads in this process. It has no effect on the batches.
        drop_last: every epoch begins with a new batch, and the samples that fill no batch are left out; else the samples of an epoch's
            end and those of the next one's beginning share a batch.
        shuffle: a new order in every epoch, which follows from ``seed``; else that of the data set.
        seed: of the order and of all random numbers of the samples.
        device: where batches go.
        accumulation: batches on each device that make up one step of the optimizer.
        place: where the settings stand, for messages.
        skipped: lists samples that cannot be read, in whose place others come; None: they end the training.

    Raises:
        ConfigError: a number is out of range.
        DataError: there are too few samples, or the first one cannot be read.
    """
    _check_numbers(place, samples_per_gpu, workers_per_gpu)
    reader = _open(dataset, seed, on_error="raise" if skipped is None else "skip")
    batch = samples_per_gpu * world_size() * accumulation
    if len(reader) < batch:
        raise DataError(
            f"{dataset.place}: it has {len(reader)} samples, fewer than the {batch} of one step ({place}.samples_per_gpu is "
            f"{samples_per_gpu}, on {world_size()} devices); set samples_per_gpu lower or use more data"
        )
    return TrainLoader(
        reader,
        TrainBatches(
            ShuffledSampler(len(reader), seed=seed) if shuffle else SequentialSampler(len(reader)),
            batch_size=batch,
            rank=rank(),
            world_size=world_size(),
            accumulation=accumulation,
            epochwise=drop_last,
        ),
        device=device,
        num_workers=workers_per_gpu,
        batch_transforms=[RestoreObjects(dataset.fields)],
        seed=seed,
        worker_init=start_worker,
        skipped=skipped,
    )


def build_evaluation_loader(
    dataset: PipelineDataset,
    *,
    samples_per_gpu: int,
    workers_per_gpu: int = 0,
    drop_last: bool = False,
    shuffle: bool = False,
    seed: int,
    device: torch.device,
    place: str = "data.val_dataloader",
) -> EvaluationLoader:
    """Return each sample once over all processes, in the order of the data set, after a look at the first one.

    Args:
        dataset: where samples come from.
        samples_per_gpu: samples of a batch on each device; the last one may be smaller.
        workers_per_gpu: worker processes of each device; 0 reads in this process.
        drop_last: must be false: an evaluation looks at every sample.
        shuffle: must be false: predictions stand in the order of the data set.
        seed: of the random numbers of samples, where their pipeline draws any.
        device: where batches go.
        place: where the settings stand, for messages.

    Raises:
        ConfigError: a setting is out of range.
        DataError: there are no samples, or the first one cannot be read.
    """
    _check_numbers(place, samples_per_gpu, workers_per_gpu)
    for name, given in (("drop_last", drop_last), ("shuffle", shuffle)):
        if given:
            raise ConfigError(
                f"{place}.{name}: True given; an evaluation looks at every sample in the order of the data set: set it to False"
            )
    return EvaluationLoader(
        _open(dataset, seed),
        batch_size=samples_per_gpu,
        rank=rank(),
        world_size=world_size(),
        device=device,
        num_workers=workers_per_gpu,
        batch_transforms=[RestoreObjects(dataset.fields)],
        seed=seed,
        worker_init=start_worker,
    )


def _check_numbers(place: str, samples_per_gpu: int, workers_per_gpu: int) -> None:
    if samples_per_gpu < 1:
        raise ConfigError(f"{place}.samples_per_gpu: {samples_per_gpu} given, at least 1 expected")
    if workers_per_gpu < 0:
        raise ConfigError(f"{place}.workers_per_gpu: {workers_per_gpu} given, at least 0 expected")


def _open(dataset: PipelineDataset, seed: int, on_error: Literal["raise", "skip"] = "raise") -> SampleReader:
    """Return the reader; a field that is not there is told here and not by a worker in the middle of a run."""
    if not len(dataset):
        raise DataError(f"{dataset.place}: {type(dataset.dataset).__name__} has no samples; check its dir")
    reader = dataset.open(seed=seed, on_error=on_error)
    reader.read([SampleKey(0, 0, 0)])
    return reader
