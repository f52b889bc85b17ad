"""Loaders of batches from the settings of ``train_dataloader``, ``val_dataloader`` and ``test_dataloader``."""

from dataclasses import replace
from typing import Literal

import torch

from pet.compat.antgo.samples import PipelineDataset, RestoreObjects
from pet.data.loading.build import start_worker
from petlib.config import CfgNode
from petlib.data import build as loaders
from petlib.data.build import LoaderSettings, TrainLoaderSettings
from petlib.data.evaluation_loader import EvaluationLoader
from petlib.data.protocols import SampleKey
from petlib.data.train_loader import TrainLoader
from petlib.distributed.process_group import world_size
from petlib.errors import ConfigError, DataError


def build_train_loader(
    dataset: PipelineDataset,
    *,
    samples_per_gpu: int,
    workers_per_gpu: int = 0,
    drop_last: bool = False,
    shuffle: bool = True,
    cfg: CfgNode,
    device: torch.device,
    place: str = "data.train_dataloader",
) -> TrainLoader:
    """Return the batches of a training, after a look at the first sample. Every process calls it.

    Args:
        dataset: where samples come from.
        samples_per_gpu: samples of a batch on each device.
        workers_per_gpu: worker processes of each device; 0 reads in this process. It has no effect on the batches.
        drop_last: every epoch begins with a new batch, and the samples that fill no batch are left out; else the samples of an epoch's
            end and those of the next one's beginning share a batch.
        shuffle: a new order in every epoch, which follows from the seed; else that of the data set.
        cfg: all other settings of the run, such as its seed.
        device: where batches go.
        place: where the settings are, for messages.

    Raises:
        ConfigError: a number is out of range.
        DataError: there are too few samples, or the first one cannot be read.
    """
    _check_numbers(place, samples_per_gpu, workers_per_gpu)
    _check_first(dataset, cfg.MISC.SEED, on_error=cfg.DATA.ON_ERROR)
    batch = samples_per_gpu * world_size() * cfg.SOLVER.ACCUMULATION
    if len(dataset) < batch:
        raise DataError(
            f"{dataset.place}: it has {len(dataset)} samples, fewer than the {batch} of one step ({place}.samples_per_gpu is "
            f"{samples_per_gpu}, on {world_size()} devices); set samples_per_gpu lower or use more data"
        )
    settings = replace(
        TrainLoaderSettings.of_training(cfg), batch_size=batch, num_workers=workers_per_gpu, epochwise=drop_last, shuffle=shuffle
    )
    return loaders.build_train_loader(
        settings,
        dataset,
        device,
        transforms=dataset.pipeline,
        batch_transforms=[RestoreObjects(dataset.fields)],
        worker_init=start_worker,
        seed_global_generators=True,
    )


def build_evaluation_loader(
    dataset: PipelineDataset,
    *,
    samples_per_gpu: int,
    workers_per_gpu: int = 0,
    drop_last: bool = False,
    shuffle: bool = False,
    cfg: CfgNode,
    device: torch.device,
    place: str = "data.val_dataloader",
) -> EvaluationLoader:
    """Return each sample once over all processes, in the order of the data set, after a look at the first one.

    Args:
        dataset: where samples come from.
        samples_per_gpu: samples of a batch on each device; the last one may be smaller.
        workers_per_gpu: worker processes of each device; 0 reads in this process.
        drop_last: must be false: an evaluation looks at every sample.
        shuffle: must be false: predictions are in the order of the data set.
        cfg: all other settings of the run, such as its seed.
        device: where batches go.
        place: where the settings are, for messages.

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
    _check_first(dataset, cfg.MISC.SEED, on_error="raise")
    return loaders.build_evaluation_loader(
        replace(LoaderSettings.of_evaluation(cfg), batch_size=samples_per_gpu, num_workers=workers_per_gpu),
        dataset,
        device,
        transforms=dataset.pipeline,
        batch_transforms=[RestoreObjects(dataset.fields)],
        worker_init=start_worker,
        seed_global_generators=True,
    )


def _check_numbers(place: str, samples_per_gpu: int, workers_per_gpu: int) -> None:
    if samples_per_gpu < 1:
        raise ConfigError(f"{place}.samples_per_gpu: {samples_per_gpu} given, at least 1 expected")
    if workers_per_gpu < 0:
        raise ConfigError(f"{place}.workers_per_gpu: {workers_per_gpu} given, at least 0 expected")


def _check_first(dataset: PipelineDataset, seed: int, *, on_error: Literal["raise", "skip"]) -> None:
    """Read the first sample: a field that is missing is reported here and not by a worker in the middle of a run."""
    if not len(dataset):
        raise DataError(f"{dataset.place}: {type(dataset.dataset).__name__} has no samples; check its dir")
    dataset.open(seed=seed, on_error=on_error).read([SampleKey(0, 0, 0)])
