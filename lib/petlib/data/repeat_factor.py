"""Samples with rare categories seen more often: repeat factor sampling."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from petlib.data.samplers import SeededPermutation
from petlib.data.seeding import seed_sequence
from petlib.errors import DataError

_ROUNDING = 1e-6


def repeat_factors(categories: Sequence[Iterable[int]], *, threshold: float) -> np.ndarray:
    """Return how often each image should be seen in an epoch (float64, at least 1), as LVIS does (https://arxiv.org/abs/1908.03195).

    A category that occurs in a share f of the images asks for ``max(1, sqrt(threshold / f))`` repetitions, an image
    gets the largest number that one of its categories asks for.

    Args:
        categories: the categories that occur in each image; an image may have none.
        threshold: share of images, between 0 and 1, below which a category is repeated.
    """
    present = [np.unique(np.fromiter(image, np.int64)) for image in categories]
    if not present:
        return np.ones(0)
    known, where = np.unique(np.concatenate(present), return_inverse=True)
    share = np.bincount(where, minlength=len(known)) / len(present)
    asked = np.maximum(1.0, np.sqrt(threshold / share))[where]
    factors = np.ones(len(present))
    np.maximum.at(factors, np.repeat(np.arange(len(present)), [len(image) for image in present]), asked)
    return factors


class RepeatFactorSampler:
    """Sample i about ``repeat_factors[i]`` times in every epoch, in a seeded order.

    All epochs have the same length, the sum of the factors rounded up, so that the iterations of an epoch are known.
    The fractional parts are settled anew in every epoch by systematic sampling: the factors, stretched to the length
    of the epoch, are laid end to end in a shuffled order, and every point of a grid of step 1 with a random start
    takes the sample that it falls on. So sample i is seen ``floor(f)`` or ``floor(f) + 1`` times in each epoch and
    f times on average, f being its stretched factor, and at least once where its factor is at least 1.

    Takes three numbers of memory for each sample.

    Args:
        repeat_factors: finite numbers that are not negative, e.g. from :func:`repeat_factors`.
        seed: the seed of the run.

    Raises:
        DataError: there is no factor, or one of them is negative, infinite or not a number, or all are 0.
    """

    def __init__(self, repeat_factors: Sequence[float] | np.ndarray, seed: int) -> None:
        factors = np.asarray(repeat_factors, dtype=np.float64)
        wrong = np.flatnonzero(~(np.isfinite(factors) & (factors >= 0)))
        if wrong.size:
            raise DataError(f"the repeat factor of sample {wrong[0]} is {factors[wrong[0]]}; finite numbers from 0 on are expected")
        if not factors.sum() > 0:
            raise DataError(f"the {len(factors)} repeat factors add up to 0: an epoch would be empty")
        self._length = int(np.ceil(factors.sum() - _ROUNDING)) or 1
        self._factors = factors * max(1.0, self._length / factors.sum())
        self._seed = seed
        self._draw = _Draw(-1, np.zeros(0, np.int64), np.zeros(0, np.int64), SeededPermutation(0, seed=0))

    def __len__(self) -> int:
        return self._length

    def indices(self, epoch: int, positions: np.ndarray) -> np.ndarray:
        """Return the indices of the samples at ``positions`` of an epoch."""
        if self._draw.epoch != epoch:
            self._draw = self._draw_epoch(epoch)
        points = self._draw.shuffle(positions)
        return self._draw.order[np.searchsorted(self._draw.ends, points, side="right")]

    def _draw_epoch(self, epoch: int) -> "_Draw":
        count = len(self._factors)
        order = SeededPermutation(count, seed=seed_sequence(self._seed, "repeat order", epoch))(np.arange(count))
        start = np.random.default_rng(seed_sequence(self._seed, "repeat start", epoch)).random()
        ends = np.floor(np.cumsum(self._factors[order]) + start).astype(np.int64)
        ends[-1] = self._length
        shuffle = SeededPermutation(self._length, seed=seed_sequence(self._seed, "order", epoch))
        return _Draw(epoch, order, ends, shuffle)


class _Draw(NamedTuple):
    """The outcome of an epoch: ``order[i]`` is at the points from ``ends[i - 1]`` to below ``ends[i]``."""

    epoch: int
    order: np.ndarray
    ends: np.ndarray
    shuffle: SeededPermutation
