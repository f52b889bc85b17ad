"""In which order the samples of a training come."""

import logging
from collections.abc import Iterator

import numpy as np

from pet.data.loading.joined import SomeSamples
from pet.data.targets.dataset import Dataset, ImageTruth, read_truths
from pet.typed import PetConfig
from petlib.config import ConfigError
from petlib.data.aspect_ratio import AspectRatioSampler
from petlib.data.protocols import Sampler
from petlib.data.repeat_factor import RepeatFactorSampler, repeat_factors
from petlib.data.samplers import SequentialSampler, ShuffledSampler
from petlib.distributed.process_group import world_size
from petlib.errors import DataError

logger = logging.getLogger(__name__)


def build_sampler(cfg: PetConfig, dataset: Dataset) -> Sampler:
    """Return the order of ``TRAIN.SHUFFLE``, ``TRAIN.REPEAT_THRESHOLD`` and ``TRAIN.ASPECT_GROUPING``.

    Raises:
        ConfigError: settings exclude each other, or need a data set of objects and this is none.
    """
    repeats, groups = cfg.TRAIN.REPEAT_THRESHOLD > 0, cfg.TRAIN.ASPECT_GROUPING
    if (repeats or groups) and not cfg.TRAIN.SHUFFLE:
        raise ConfigError("TRAIN.SHUFFLE: False given; TRAIN.REPEAT_THRESHOLD and TRAIN.ASPECT_GROUPING shuffle by their nature")
    sampler: Sampler = ShuffledSampler(len(dataset), cfg.MISC.SEED) if cfg.TRAIN.SHUFFLE else SequentialSampler(len(dataset))
    if repeats:
        labels = [truth.labels for truth in _truths(dataset)]
        sampler = RepeatFactorSampler(repeat_factors(labels, threshold=cfg.TRAIN.REPEAT_THRESHOLD), cfg.MISC.SEED)
    if groups:
        wide = np.fromiter((truth.width >= truth.height for truth in _truths(dataset)), np.int64, len(dataset))
        device_batch = max(1, cfg.TRAIN.BATCH_SIZE // (world_size() * cfg.SOLVER.ACCUMULATION))
        sampler = AspectRatioSampler(sampler, wide, device_batch)
    return sampler


def _truths(dataset: Dataset) -> Iterator[ImageTruth]:
    try:
        yield from read_truths(dataset)
    except DataError as error:
        raise ConfigError(
            "RepeatFactorSampler and AspectRatioSampler need a data set of objects, whose files give sizes and classes"
        ) from error


def without_empty(dataset: Dataset) -> Dataset:
    """Return the images that have objects to learn from; how many are left out is logged.

    Raises:
        DataError: there are none.
    """
    full = np.array([bool((~truth.crowd).any()) for truth in read_truths(dataset)], bool)
    if not full.any():
        raise DataError(f"none of the {len(full)} training images has an object; without_empty False keeps images without objects")
    if full.all():
        return dataset
    logger.info("%d of %d training images have no objects and are left out (without_empty)", len(full) - full.sum(), len(full))
    return SomeSamples(dataset, np.flatnonzero(full))
