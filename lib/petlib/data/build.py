"""The loaders of a run from its settings: the one reader of the loader keys of petlib's schema."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import torch

from petlib.config.typed import PetlibConfig
from petlib.data.evaluation_loader import EvaluationLoader
from petlib.data.protocols import Batch, BatchTransform, Dataset, SampleKey, Sampler, SampleTransform
from petlib.data.reader import SampleReader
from petlib.data.samplers import SequentialSampler, ShuffledSampler
from petlib.data.skipped_samples import SkippedSamples
from petlib.data.train_batches import TrainBatches, split_batch
from petlib.data.train_loader import TrainLoader
from petlib.distributed.process_group import is_main_process, rank, world_size
from petlib.errors import name_in_errors
from petlib.suggest import counted

TRAIN_KEYS = {"batch_size": "TRAIN.BATCH_SIZE", "accumulation": "SOLVER.ACCUMULATION"}
"""What the settings of a training that messages speak of are called in a config."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LoaderSettings:
    """What an evaluation's batches are loaded with. Nothing has a default, so that no caller can leave a setting out.

    Attributes:
        batch_size: samples of one batch of one process; of a training, samples of one optimizer step over all processes and
            accumulation parts.
        num_workers: worker processes of each process; 0 reads in the process itself.
        timeout: seconds to wait for a batch of the workers; 0: without end.
        seed: the seed of the run.
    """

    batch_size: int
    num_workers: int
    timeout: float
    seed: int

    @classmethod
    def of_evaluation(cls, cfg: PetlibConfig) -> "LoaderSettings":
        """Return the settings of the evaluations of a config."""
        return LoaderSettings(
            batch_size=cfg.TEST.IMS_PER_GPU, num_workers=cfg.TEST.NUM_WORKERS, timeout=cfg.MISC.LOADER_TIMEOUT, seed=cfg.MISC.SEED
        )


@dataclass(frozen=True, kw_only=True)
class TrainLoaderSettings(LoaderSettings):
    """What a training's batches are loaded with.

    Attributes:
        accumulation: parts of the batch of one process, computed one after another.
        epochwise: whether every epoch begins with a new batch, and the samples that fill none are left out.
        prefetch: batches that each worker prepares ahead.
        shuffle: a new seeded order in every epoch; else that of the data set. It has no effect where a sampler is given.
        on_error: ``skip`` replaces training samples that cannot be read by others and lists them.
        max_error_share: the run ends when more than this share of the samples could not be read.
        folder: the output folder, for the list of skipped samples.
    """

    accumulation: int
    epochwise: bool
    prefetch: int
    shuffle: bool
    on_error: Literal["raise", "skip"]
    max_error_share: float
    folder: Path

    @property
    def device_batch_size(self) -> int:
        """Samples of one batch of one process.

        Raises:
            ConfigError: the batch does not divide evenly among processes and parts.
        """
        return split_batch(self.batch_size, world_size(), self.accumulation)

    @classmethod
    def of_training(cls, cfg: PetlibConfig) -> "TrainLoaderSettings":
        """Return the settings of the training of a config, and warn of more workers than there are processors."""
        _warn_of_many_workers(cfg.TRAIN.NUM_WORKERS)
        return cls(
            batch_size=cfg.TRAIN.BATCH_SIZE,
            num_workers=cfg.TRAIN.NUM_WORKERS,
            timeout=cfg.MISC.LOADER_TIMEOUT,
            seed=cfg.MISC.SEED,
            accumulation=cfg.SOLVER.ACCUMULATION,
            epochwise=cfg.SOLVER.SCHEDULER.TOTAL_EPOCHS > 0,
            prefetch=cfg.TRAIN.PREFETCH,
            shuffle=cfg.TRAIN.SHUFFLE,
            on_error=cfg.DATA.ON_ERROR,
            max_error_share=cfg.DATA.MAX_ERROR_SHARE,
            folder=Path(cfg.MISC.CKPT),
        )


def build_train_loader(
    settings: PetlibConfig | TrainLoaderSettings,
    dataset: Dataset,
    device: torch.device,
    *,
    sampler: Sampler | None = None,
    transforms: SampleTransform | None = None,
    batch_transforms: Sequence[BatchTransform] = (),
    worker_init: Callable[[], None] | None = None,
    seed_global_generators: bool = False,
    names: Mapping[str, Sequence[str]] = MappingProxyType({}),
    begin: Callable[[], None] | None = None,
    enlarge: Callable[[Batch], Batch] | None = None,
    ahead: Callable[[SampleKey], None] | None = None,
) -> TrainLoader:
    """Return this process's batches of a training. Every process calls it.

    Args:
        settings: a config, or the settings themselves where there is none.
        dataset: where samples come from.
        device: where batches go.
        sampler: the order of the samples; None: as the settings say, shuffled or that of the data set.
        transforms: applied to each sample.
        batch_transforms: applied to each batch on the device.
        worker_init: called once in each worker process.
        seed_global_generators: seed the global generators before each sample, see :class:`petlib.data.SampleReader`.
        names, begin, enlarge: see :class:`TrainLoader`.
        ahead: called with the key of each sample before it is read, see :class:`petlib.data.SampleReader`.

    Raises:
        ConfigError: the batch does not divide evenly among processes and parts.
        DataError: there are fewer samples than a batch takes.
    """
    keys = {}
    if not isinstance(settings, TrainLoaderSettings):
        settings, keys = TrainLoaderSettings.of_training(settings), TRAIN_KEYS
    seed, on_error = settings.seed, settings.on_error
    reader = SampleReader(dataset, transforms, seed=seed, seed_global_generators=seed_global_generators, on_error=on_error, ahead=ahead)
    with name_in_errors(keys):
        batches = _build_batches(sampler or _build_sampler(len(dataset), settings), settings)
    return TrainLoader(
        reader,
        batches,
        device=device,
        num_workers=settings.num_workers,
        prefetch=settings.prefetch,
        batch_transforms=batch_transforms,
        seed=seed,
        worker_init=worker_init,
        timeout=settings.timeout,
        skipped=SkippedSamples(settings.folder, max_share=settings.max_error_share) if on_error == "skip" else None,
        names=names,
        begin=begin,
        enlarge=enlarge,
    )


def _warn_of_many_workers(count: int) -> None:
    """Warn of more workers in a process than it has processors, once a training and in one process."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if count > processors and is_main_process():
        logger.warning(
            "TrainLoader.num_workers: %s for %s, more than that slow each other down; %d is enough",
            *(counted(count, "worker"), counted(processors, "processor"), processors),
        )


def build_evaluation_loader(
    settings: PetlibConfig | LoaderSettings,
    dataset: Dataset,
    device: torch.device,
    *,
    transforms: SampleTransform | None = None,
    batch_transforms: Sequence[BatchTransform] = (),
    worker_init: Callable[[], None] | None = None,
    seed_global_generators: bool = False,
) -> EvaluationLoader:
    """Return this process's share of a data set: each sample once over all processes, in the order of the data set.

    Arguments are those of :func:`build_train_loader`. A sample that cannot be read always ends an evaluation.
    """
    settings = settings if isinstance(settings, LoaderSettings) else LoaderSettings.of_evaluation(settings)
    return EvaluationLoader(
        SampleReader(dataset, transforms, seed=settings.seed, seed_global_generators=seed_global_generators),
        batch_size=settings.batch_size,
        rank=rank(),
        world_size=world_size(),
        device=device,
        num_workers=settings.num_workers,
        batch_transforms=batch_transforms,
        seed=settings.seed,
        worker_init=worker_init,
        timeout=settings.timeout,
    )


def _build_batches(sampler: Sampler, settings: TrainLoaderSettings) -> TrainBatches:
    return TrainBatches(
        sampler,
        batch_size=settings.batch_size,
        rank=rank(),
        world_size=world_size(),
        accumulation=settings.accumulation,
        epochwise=settings.epochwise,
    )


def _build_sampler(length: int, settings: TrainLoaderSettings) -> Sampler:
    return ShuffledSampler(length, settings.seed) if settings.shuffle else SequentialSampler(length)
