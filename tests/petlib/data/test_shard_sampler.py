"""The order by shards: every sample once, shard by shard, a pure function of the position, at any size at once."""

import time

import numpy as np
import pytest

from petlib.data.shard_sampler import ShardSampler
from petlib.data.train_batches import TrainBatches

STARTS = np.array([0, 5, 12, 13, 30, 41])
LENGTH = 50


def sampler(group: int = 2, seed: int = 0) -> ShardSampler:
    return ShardSampler(STARTS, LENGTH, group=group, seed=seed)


@pytest.mark.parametrize("group", [1, 2, 4, 6, 100])
def test_an_epoch_has_every_sample_once_and_the_shards_of_a_group_together(group: int) -> None:
    order = sampler(group)
    for epoch in range(3):
        indices = order.indices(epoch, np.arange(LENGTH))
        assert sorted(indices) == list(range(LENGTH))
        shards = np.searchsorted(STARTS, indices, "right") - 1
        groups = np.array([order.group_of(epoch, position)[0] for position in range(LENGTH)])
        assert (np.diff(groups) >= 0).all() and groups[-1] == order.num_groups - 1 == -(-len(STARTS) // group) - 1
        for number in range(order.num_groups):
            halves = [order.group_of(epoch, int(position))[1] for position in np.flatnonzero(groups == number)]
            assert halves == sorted(halves) and abs(sum(halves) - len(halves) / 2) <= 0.5
            assert {*STARTS[shards[groups == number]]} == {*order.first_samples(epoch, number)}


def test_shards_and_samples_are_shuffled_anew_in_every_epoch_and_by_the_seed() -> None:
    orders = [tuple(sampler(3, seed).indices(epoch, np.arange(LENGTH))) for epoch in range(10) for seed in (0, 1)]
    assert len({*orders}) == 20
    inside = sampler(3).indices(0, np.arange(LENGTH))
    assert (np.diff(np.searchsorted(STARTS, inside, "right")) != 0).sum() > len(STARTS), "samples of several shards are mixed"


def test_positions_are_answered_in_any_order_and_whatever_was_asked_before() -> None:
    expected = sampler().indices(7, np.arange(LENGTH))
    asked = sampler()
    asked.indices(3, np.array([[4, 5], [49, 0]]))
    assert np.array_equal(asked.indices(7, np.array([[30, 2], [2, 49]])), expected[[[30, 2], [2, 49]]])


@pytest.mark.parametrize("world_size", [1, 2])
def test_ranks_share_the_same_stream(world_size: int) -> None:
    def indices(rank: int) -> list[list[int]]:
        batches = TrainBatches(sampler(), batch_size=4, rank=rank, world_size=world_size, epochwise=False)
        return [[key.index for key in keys] for keys in batches.keys(9, 30)]

    ranks = [indices(rank) for rank in range(world_size)]
    whole = [key.index for keys in TrainBatches(sampler(), batch_size=4, epochwise=False).keys(9, 30) for key in keys]
    assert [index for parts in zip(*ranks, strict=True) for part in parts for index in part] == whole


def test_a_billion_samples_begin_at_once_at_iteration_ten_million() -> None:
    starts = np.arange(0, 10**9, 2_500)
    begin = time.process_time()
    order = ShardSampler(starts, 10**9, group=16, seed=0)
    keys = next(TrainBatches(order, batch_size=4096, epochwise=False).keys(10**7, 10**7 + 1))
    assert time.process_time() - begin < 5, "0.2 s on an idle machine"
    assert len({key.index for key in keys}) == 4096
    assert len({key.index // 2_500 for key in keys}) <= 32, "of one group of shards, or two"
