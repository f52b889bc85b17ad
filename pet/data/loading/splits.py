"""Parts of data sets: shares and numbers of samples, at random or in order."""

import numpy as np

from pet.data.loading.joined import SomeSamples
from pet.data.targets.dataset import Dataset
from petlib.errors import ConfigError


def split_by_percent(dataset: Dataset, share: float, *, randomly: bool = True, seed: int = 0) -> tuple[SomeSamples, SomeSamples]:
    """Return ``share`` of a data set, and the rest; both in the order of the data set.

    Where a data set cuts images into windows, images are counted, and all windows of an image stay on one side.

    Args:
        dataset: the data set.
        share: from 0 to 1, e.g. 0.8; the number of samples is rounded.
        randomly: choose them at random; else take the first ones.
        seed: of the choice, which is the same in every process and every run.

    Raises:
        ConfigError: the share is out of range, or one side would be empty.
    """
    return share_of(dataset, 0.0, share, randomly=randomly, seed=seed), share_of(dataset, share, 1.0, randomly=randomly, seed=seed)


def split_by_count(dataset: Dataset, count: int, *, randomly: bool = True, seed: int = 0) -> tuple[SomeSamples, SomeSamples]:
    """Return ``count`` samples of a data set, and the rest; see :func:`split_by_percent`.

    Raises:
        ConfigError: one side would be empty.
    """
    number = len(_units(dataset)[0])
    if not 0 < count < number:
        raise ConfigError(f"a split after {count} of {number} samples; a number from 1 to {number - 1} expected")
    return _choose(dataset, 0, count, randomly, seed), _choose(dataset, count, number, randomly, seed)


def sample_by_percent(dataset: Dataset, share: float, *, randomly: bool = True, seed: int = 0) -> SomeSamples:
    """Return ``share`` of a data set, the same as the first part of :func:`split_by_percent`.

    Raises:
        ConfigError: the share is out of range, or there would be no sample.
    """
    return share_of(dataset, 0.0, share, randomly=randomly, seed=seed)


def sample_by_count(dataset: Dataset, count: int, *, randomly: bool = True, seed: int = 0) -> SomeSamples:
    """Return ``count`` samples of a data set, the same as the first part of :func:`split_by_count`.

    Raises:
        ConfigError: there are not as many.
    """
    number = len(_units(dataset)[0])
    if not 0 < count <= number:
        raise ConfigError(f"{count} of {number} samples requested; a number from 1 to {number} expected")
    return _choose(dataset, 0, count, randomly, seed)


def share_of(dataset: Dataset, start: float, end: float, *, randomly: bool = True, seed: int = 0) -> SomeSamples:
    """Return the samples between two shares of a data set: 0 to 0.8 and 0.8 to 1 are both sides of a split.

    Raises:
        ConfigError: the shares are out of range, or there would be no sample.
    """
    if not 0 <= start < end <= 1:
        raise ConfigError(f"the share {start:g} to {end:g} of a data set; two ascending numbers from 0 to 1 expected, e.g. 0 and 0.8")
    number = len(_units(dataset)[0])
    first, last = round(start * number), round(end * number)
    if first == last:
        raise ConfigError(f"the share {start:g} to {end:g} of {number} samples is empty; take a larger share or more data")
    return _choose(dataset, first, last, randomly, seed)


def _choose(dataset: Dataset, first: int, last: int, randomly: bool, seed: int) -> SomeSamples:
    units, unit_of_sample = _units(dataset)
    order = np.random.default_rng(seed).permutation(len(units)) if randomly else np.arange(len(units))
    return SomeSamples(dataset, np.flatnonzero(np.isin(unit_of_sample, units[order[first:last]])))


def _units(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return what is divided, and the one that each sample is part of: groups, as the windows of an image, else samples."""
    groups = dataset.info.groups
    unit_of_sample = np.arange(len(dataset)) if groups is None else groups
    return np.unique(unit_of_sample), unit_of_sample
