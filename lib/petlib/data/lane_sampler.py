"""A shuffled order for data that lie in shards far away and are read by several nodes: each part of a batch has shards of its own."""

import numpy as np

from petlib.data.samplers import SeededPermutation
from petlib.data.seeding import seed_sequence
from petlib.errors import ConfigError, DataError


class LaneSampler:
    """The permuted shards, one after another, are cut into ``lanes`` of equal length, and every batch has as many samples of each lane.

    In each lane ``group`` shards at a time are a group, whose samples are permuted. The first part of a batch has samples of the first
    lanes, and so on, so the ranks of a node read a share of the lanes and no other shards, but those that a cut goes through. The order
    follows from (seed, epoch), ``lanes`` and ``batch_size``; the samples of an iteration depend on nothing else, neither on
    ranks nor on ``accumulation``. Fewer than ``batch_size + lanes`` samples are left out of an epoch, others each time.

    Args:
        starts: the first sample of each shard, ascending from 0.
        length: number of samples.
        lanes: a multiple of the number of nodes.
        group: shards of a group.
        batch_size: samples of one iteration.
        accumulation: parts that a rank's share of a batch is computed in, one after another.
        seed: of the order.

    Raises:
        ConfigError: the batch cannot be divided by the lanes.
        DataError: an epoch has fewer samples than a batch.
    """

    def __init__(
        self, starts: np.ndarray, length: int, *, lanes: int, group: int, batch_size: int, accumulation: int = 1, seed: int
    ) -> None:
        assert lanes > 0 and group > 0 and len(starts) and starts[0] == 0, f"{len(starts)} shards, {lanes} lanes, groups of {group}"
        if batch_size % (lanes * accumulation):
            raise ConfigError(
                f"LaneSampler.lanes: {lanes} given, and a batch of {batch_size} in {accumulation} part(s) cannot be divided by it; "
                f"choose a batch that is a multiple of {lanes * accumulation}, or another number of lanes"
            )
        self._starts = np.asarray(starts, np.int64)
        self._sizes = np.diff(np.append(self._starts, length))
        self._lanes, self._group, self._seed = lanes, group, seed
        self._batch, self._part = batch_size, batch_size // accumulation
        self._lane_length, self._share = length // lanes, batch_size // lanes
        self._iterations = self._lane_length // self._share
        if self._iterations == 0:
            raise DataError(f"an epoch has {length} samples, fewer than one batch of {batch_size}; take a smaller batch or more data")
        self._epochs: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._borders: dict[int, tuple[int, np.ndarray]] = {}
        self._permutations: dict[int, tuple[int, int, SeededPermutation]] = {}

    def __len__(self) -> int:
        return self._iterations * self._batch

    def indices(self, epoch: int, positions: np.ndarray) -> np.ndarray:
        """Return the indices of the samples at ``positions`` of an epoch."""
        order, ends = self._shards_of_epoch(epoch)
        positions = np.asarray(positions)
        lanes, places = self._places(positions)
        mixed = np.empty_like(places)
        for lane in np.unique(lanes).tolist():
            inside, borders = lanes == lane, self._borders_of(epoch, lane)
            groups = np.searchsorted(borders, places, "right") - 1
            for group in np.unique(groups[inside]).tolist():
                chosen, begin, end = inside & (groups == group), borders[group], borders[group + 1]
                mixed[chosen] = self._permutation(epoch, lane, group, int(end - begin))(places[chosen] - begin) + begin
        ranks = np.searchsorted(ends, mixed, "right")
        found = order[ranks]
        indices: np.ndarray = self._starts[found] + mixed - (ends[ranks] - self._sizes[found])
        return indices

    def group_of(self, epoch: int, position: int) -> tuple[int, bool]:
        """Return the group that a position of an epoch lies in, and whether it lies in the second half of that."""
        lanes, places = self._places(np.array([position]))
        lane, place = int(lanes[0]), int(places[0])
        borders = self._borders_of(epoch, lane)
        group = int(np.searchsorted(borders, place, "right")) - 1
        return lane * self._stride + group, bool(2 * place >= borders[group] + borders[group + 1])

    def next_group(self, epoch: int, group: int) -> tuple[int, int]:
        """Return the epoch and the group that follow in the same lane."""
        lane, number = divmod(group, self._stride)
        return (epoch, group + 1) if number + 2 < len(self._borders_of(epoch, lane)) else (epoch + 1, lane * self._stride)

    def first_samples(self, epoch: int, group: int) -> np.ndarray:
        """Return the first sample of each shard of a group of an epoch."""
        lane, number = divmod(group, self._stride)
        order, ends = self._shards_of_epoch(epoch)
        begin, end = self._borders_of(epoch, lane)[number : number + 2]
        firsts: np.ndarray = self._starts[order[np.searchsorted(ends, begin, "right") : np.searchsorted(ends, end - 1, "right") + 1]]
        return firsts

    @property
    def _stride(self) -> int:
        """What the numbers of a lane's groups begin with is a multiple of this."""
        return len(self._starts) + 1

    def _places(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the lane of each position, and where in the row of permuted shards it would be if nothing were permuted in a group."""
        iterations, offsets = np.divmod(positions, self._batch)
        parts, within = np.divmod(offsets, self._part)
        share = self._part // self._lanes
        lanes, rest = np.divmod(within, share)
        return lanes, lanes * self._lane_length + iterations * self._share + parts * share + rest

    def _shards_of_epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the shards of an epoch in their order, and the place behind the last sample of each."""
        if epoch not in self._epochs:
            count = len(self._starts)
            order = SeededPermutation(count, seed=seed_sequence(self._seed, "shards", epoch))(np.arange(count))
            # who reads ahead looks into the next epoch
            kept = {number: known for number, known in self._epochs.items() if abs(number - epoch) == 1}
            self._epochs = {**kept, epoch: (order, np.cumsum(self._sizes[order]))}
        return self._epochs[epoch]

    def _borders_of(self, epoch: int, lane: int) -> np.ndarray:
        """Return the places where the groups of a lane begin, and its end."""
        known = self._borders.get(lane)
        if known is None or known[0] != epoch:
            ends = self._shards_of_epoch(epoch)[1]
            begin, end = lane * self._lane_length, (lane + 1) * self._lane_length
            first, last = np.searchsorted(ends, [begin, end - 1], "right")
            known = epoch, np.concatenate([[begin], ends[first + self._group - 1 : last : self._group], [end]])
            self._borders[lane] = known
        return known[1]

    def _permutation(self, epoch: int, lane: int, group: int, length: int) -> SeededPermutation:
        known = self._permutations.get(lane)
        if known is None or known[:2] != (epoch, group):
            known = epoch, group, SeededPermutation(length, seed=seed_sequence(self._seed, "lanes", epoch, lane, group))
            self._permutations[lane] = known
        return known[2]
