"""A shuffled order that uses a shard as a whole, for data that lie in shards far away."""

from typing import NamedTuple

import numpy as np

from petlib.data.samplers import SeededPermutation, check_length
from petlib.data.seeding import seed_sequence


class ShardSampler:
    """Every sample once in every epoch: the shards are permuted, ``group`` of them at a time are one group, and its samples are permuted.

    The order follows from (seed, epoch) alone. Whoever reads in it needs the shards of one group at a time, of two where it reads ahead.

    Args:
        starts: the first sample of each shard, ascending from 0.
        length: number of samples.
        group: shards of a group; one of as many as there are is the same as no shards at all.
        seed: of the order.

    Raises:
        DataError: the data set is empty.
    """

    def __init__(self, starts: np.ndarray, length: int, *, group: int, seed: int) -> None:
        assert group > 0 and len(starts) and starts[0] == 0, f"{len(starts)} shards in groups of {group}"
        self._length = check_length(length)
        self._starts = np.asarray(starts, np.int64)
        self._sizes = np.diff(np.append(self._starts, length))
        self._group, self._seed = group, seed
        self._epochs: dict[int, _Epoch] = {}
        self._permutations: dict[tuple[int, int], SeededPermutation] = {}

    def __len__(self) -> int:
        return self._length

    @property
    def num_groups(self) -> int:
        """Groups of an epoch."""
        return -(-len(self._starts) // self._group)

    def indices(self, epoch: int, positions: np.ndarray) -> np.ndarray:
        """Return the indices of the samples at ``positions`` of an epoch."""
        shards, positions = self._shards_of_epoch(epoch), np.asarray(positions)
        groups = np.searchsorted(shards.borders, positions, "right") - 1
        indices = np.empty(positions.shape, np.int64)
        for group in np.unique(groups).tolist():
            chosen, begin, end = groups == group, shards.borders[group], shards.borders[group + 1]
            # where a sample would be if the shards of the group lay one after another
            places = self._permutation(epoch, group, int(end - begin))(positions[chosen] - begin) + begin
            ranks = np.searchsorted(shards.ends, places, "right")
            found = shards.order[ranks]
            indices[chosen] = self._starts[found] + places - (shards.ends[ranks] - self._sizes[found])
        return indices

    def group_of(self, epoch: int, position: int) -> tuple[int, bool]:
        """Return the group that a position of an epoch lies in, and whether it lies in the second half of that."""
        borders = self._shards_of_epoch(epoch).borders
        group = int(np.searchsorted(borders, position, "right")) - 1
        return group, bool(2 * position >= borders[group] + borders[group + 1])

    def next_group(self, epoch: int, group: int) -> tuple[int, int]:
        """Return the epoch and the group that follow."""
        return (epoch, group + 1) if group + 1 < self.num_groups else (epoch + 1, 0)

    def first_samples(self, epoch: int, group: int) -> np.ndarray:
        """Return the first sample of each shard of a group of an epoch."""
        firsts: np.ndarray = self._starts[self._shards_of_epoch(epoch).order[group * self._group : (group + 1) * self._group]]
        return firsts

    def _shards_of_epoch(self, epoch: int) -> "_Epoch":
        if epoch not in self._epochs:
            count = len(self._starts)
            order = SeededPermutation(count, seed=seed_sequence(self._seed, "shards", epoch))(np.arange(count))
            ends = np.cumsum(self._sizes[order])
            last = np.minimum(np.arange(1, self.num_groups + 1) * self._group, count) - 1
            # batches may run over the end of an epoch, and who reads ahead looks into the next one
            kept = {number: known for number, known in self._epochs.items() if abs(number - epoch) == 1}
            self._epochs = {**kept, epoch: _Epoch(order, ends, np.concatenate([[0], ends[last]]))}
        return self._epochs[epoch]

    def _permutation(self, epoch: int, group: int, length: int) -> SeededPermutation:
        if (epoch, group) not in self._permutations:
            self._permutations = {(epoch, group): SeededPermutation(length, seed=seed_sequence(self._seed, "order", epoch, group))}
        return self._permutations[epoch, group]


class _Epoch(NamedTuple):
    order: np.ndarray
    """The shards."""
    ends: np.ndarray
    """The position behind the last sample of each of them."""
    borders: np.ndarray
    """The first position of each group, and the length of the epoch."""
