"""In which order the samples of a training come."""

import logging
from collections.abc import Iterator

import numpy as np

from pet.data.loading.joined import SomeSamples
from pet.data.targets.dataset import Dataset, ImageTruth, read_truths
from pet.typed import PetConfig
from petlib.config import ConfigError
from petlib.data.aspect_ratio import AspectRatioSampler
from petlib.data.lane_sampler import LaneSampler
from petlib.data.protocols import SampleKey, Sampler
from petlib.data.repeat_factor import RepeatFactorSampler, repeat_factors
from petlib.data.samplers import SequentialSampler, ShuffledSampler
from petlib.data.shard_sampler import ShardSampler
from petlib.distributed.process_group import world_size
from petlib.errors import DataError
from petlib.suggest import counted

MOST_REMEMBERED = 1024
"""Halves of groups that were asked for: each lane that a process reads has one at a time."""

logger = logging.getLogger(__name__)


def build_sampler(cfg: PetConfig, dataset: Dataset) -> Sampler:
    """Return the order of ``TRAIN.SHUFFLE``, ``DATA.SHARDS``, ``TRAIN.REPEAT_THRESHOLD`` and ``TRAIN.ASPECT_GROUPING``.

    Raises:
        ConfigError: settings exclude each other, or need a data set of objects and this is none.
    """
    repeats, groups = cfg.TRAIN.REPEAT_THRESHOLD > 0, cfg.TRAIN.ASPECT_GROUPING
    if (repeats or groups) and not cfg.TRAIN.SHUFFLE:
        raise ConfigError("TRAIN.SHUFFLE: False given; TRAIN.REPEAT_THRESHOLD and TRAIN.ASPECT_GROUPING shuffle by their nature")
    if cfg.DATA.SHARDS.GROUP:
        if repeats or groups or not cfg.TRAIN.SHUFFLE:
            raise ConfigError(
                f"DATA.SHARDS.GROUP: {cfg.DATA.SHARDS.GROUP} given, which is an order of its own: it takes TRAIN.SHUFFLE and neither "
                "TRAIN.REPEAT_THRESHOLD nor TRAIN.ASPECT_GROUPING"
            )
        return _shard_sampler(cfg, dataset)
    sampler: Sampler = ShuffledSampler(len(dataset), cfg.MISC.SEED) if cfg.TRAIN.SHUFFLE else SequentialSampler(len(dataset))
    if repeats:
        labels = [truth.labels for truth in _truths(dataset)]
        sampler = RepeatFactorSampler(repeat_factors(labels, threshold=cfg.TRAIN.REPEAT_THRESHOLD), cfg.MISC.SEED)
    if groups:
        wide = np.fromiter((truth.width >= truth.height for truth in _truths(dataset)), np.int64, len(dataset))
        device_batch = max(1, cfg.TRAIN.BATCH_SIZE // (world_size() * cfg.SOLVER.ACCUMULATION))
        sampler = AspectRatioSampler(sampler, wide, device_batch)
    return sampler


def _shard_sampler(cfg: PetConfig, dataset: Dataset) -> ShardSampler | LaneSampler:
    starts = dataset.shard_starts()
    if starts is None:
        raise ConfigError(
            f"DATA.SHARDS.GROUP: {cfg.DATA.SHARDS.GROUP} given, and TRAIN.DATASETS lie in no shards, or this task makes other samples "
            "of theirs; 0 shuffles all samples"
        )
    group, lanes = cfg.DATA.SHARDS.GROUP, cfg.DATA.SHARDS.LANES
    in_flight = cfg.TRAIN.BATCH_SIZE * max(1, cfg.TRAIN.NUM_WORKERS * cfg.TRAIN.PREFETCH)
    in_a_group = len(dataset) // len(starts) * min(group * lanes, len(starts))
    if in_flight > in_a_group < len(dataset):
        logger.warning(
            "ShardSampler.group: a group of %s has %d samples, and %d are read at a time: shards whose room in a small cache others need "
            "are fetched again; take larger groups, smaller batches or fewer workers",
            *(counted(group * lanes, "shard"), in_a_group, in_flight),
        )
    if lanes == 1:
        return ShardSampler(starts, len(dataset), group=group, seed=cfg.MISC.SEED)
    batch, accumulation = cfg.TRAIN.BATCH_SIZE, cfg.SOLVER.ACCUMULATION
    return LaneSampler(starts, len(dataset), lanes=lanes, group=group, batch_size=batch, accumulation=accumulation, seed=cfg.MISC.SEED)


class FetchAhead:
    """Fetches the shards of the group that a sample lies in, and from the middle of that on those of the next one.

    Earlier would not do: other workers may still be in the group before, whose shards had to make room for a third group.

    Args:
        sampler: the order of the samples.
        dataset: where they are.
    """

    def __init__(self, sampler: ShardSampler | LaneSampler, dataset: Dataset) -> None:
        self._sampler, self._dataset = sampler, dataset
        self._done: dict[tuple[int, int, bool], None] = {}

    def __call__(self, key: SampleKey) -> None:
        """Look where a sample is that is going to be read."""
        epoch, (group, is_second_half) = key.epoch, self._sampler.group_of(key.epoch, key.position)
        if (epoch, group, is_second_half) in self._done:
            return
        self._done[epoch, group, is_second_half] = None
        if len(self._done) > MOST_REMEMBERED:
            del self._done[next(iter(self._done))]
        if is_second_half:
            epoch, group = self._sampler.next_group(epoch, group)
        for index in self._sampler.first_samples(epoch, group).tolist():
            self._dataset.fetch_ahead(index)


def fetch_ahead(sampler: Sampler, dataset: Dataset) -> FetchAhead | None:
    """Return what fetches shards before they are needed, in an order by shards; else None."""
    return FetchAhead(sampler, dataset) if isinstance(sampler, ShardSampler | LaneSampler) else None


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
