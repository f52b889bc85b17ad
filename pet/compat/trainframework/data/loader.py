"""The batches of a user's data set."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from pet.data.loading.build import start_worker
from petlib.config import CfgNode
from petlib.data import build as loaders
from petlib.data.evaluation_loader import EvaluationLoader
from petlib.data.protocols import Batch, Dataset
from petlib.data.train_loader import TrainLoader
from petlib.errors import DataError
from petlib.suggest import did_you_mean


class NamedFields(dict[str, Any]):
    """The fields of a batch; one that is asked for and missing is reported with those that exist.

    Args:
        fields: names and values.
        source: what gave them, for messages.
    """

    def __init__(self, fields: Mapping[str, Any] | Iterable[tuple[str, Any]] = (), *, source: str = "the data set") -> None:
        super().__init__(fields)
        self._source = source

    def __missing__(self, key: str) -> Any:
        names = [str(name) for name in self]
        raise DataError(
            f"{self._source} gives no field {key!r}{did_you_mean(str(key), names)}\n"
            f"  its samples have: {', '.join(names)}; what __getitem__ returns are the fields of data in run_step"
        )


class NameFields:
    """Makes a batch :class:`NamedFields`.

    Args:
        source: the name of the data set.
    """

    def __init__(self, source: str) -> None:
        self._source = f"the data set {source}"

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """Return the batch."""
        return NamedFields(batch, source=self._source)


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
    _check_samples(data_set, "train_data_set", batch_size=cfg.TRAIN.BATCH_SIZE)
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
    _check_samples(data_set, "val_data_set")
    return loaders.build_evaluation_loader(
        cfg,
        data_set,
        device,
        batch_transforms=[NameFields(type(data_set).__name__)],
        worker_init=start_worker,
        seed_global_generators=True,
    )


def _check_samples(data_set: Dataset, place: str, *, batch_size: int = 1) -> None:
    if len(data_set) == 0:
        raise DataError(
            f"dataloader.{place}: {type(data_set).__name__} has no samples; fill self.dataset in its __init__, or look at what it reads"
        )
    if len(data_set) < batch_size:
        raise DataError(
            f"dataloader.{place}: it has {len(data_set)} samples, fewer than one batch (solver.train_per_batch is {batch_size}); "
            f"use a batch of at most {len(data_set)} or more data"
        )
