"""The batches of a user's data set."""

import torch

from pet.compat.trainframework.data.batch import NameFields
from pet.data.loading.build import start_worker
from petlib.config import CfgNode
from petlib.data import build as loaders
from petlib.data.evaluation_loader import EvaluationLoader
from petlib.data.protocols import Dataset
from petlib.data.train_loader import TrainLoader
from petlib.distributed.process_group import world_size
from petlib.errors import ConfigError, DataError


def build_train_loader(cfg: CfgNode, data_set: Dataset, device: torch.device) -> TrainLoader:
    """Return the batches of a training: one long stream, in a new order in every epoch.

    Batches are dictionaries with the fields of the samples and ``meta``; what a sample is depends on the seed, the epoch and its
    position alone, also where the data set draws from the global generators.

    Args:
        cfg: Pet's settings of the run.
        data_set: the user's.
        device: where batches go.

    Raises:
        DataError: the data set has no samples, or fewer than a batch.
        ConfigError: the batch cannot be split evenly.
    """
    count = _count(data_set, "train_data_set")
    _check_batch(cfg.TRAIN.BATCH_SIZE, count, world_size(), cfg.SOLVER.ACCUMULATION)
    return loaders.build_train_loader(
        cfg,
        data_set,
        device,
        batch_transforms=[NameFields(type(data_set).__name__)],
        worker_init=start_worker,
        seed_global_generators=True,
    )


def build_test_loader(cfg: CfgNode, data_set: Dataset, device: torch.device) -> EvaluationLoader:
    """Return the batches of an evaluation: every sample once, in the order of the data set, over all processes.

    The last batch may be smaller. Arguments are those of :func:`build_train_loader`.

    Raises:
        DataError: the data set has no samples.
    """
    _count(data_set, "val_data_set")
    return loaders.build_evaluation_loader(
        cfg,
        data_set,
        device,
        batch_transforms=[NameFields(type(data_set).__name__)],
        worker_init=start_worker,
        seed_global_generators=True,
    )


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
